"""``b odd_batch``: stops where a DataLoader hands over a batch that will do harm.

Odd is a NaN or Inf in any floating tensor of the batch, or a tensor that is the same everywhere;
``b odd_batch 100`` also takes any element beyond 100 for odd.
"""

import math

import gradrepl
from gradrepl.conditions import BATCH, Kind

DEPTH = 4
"""Levels of lists, tuples and dicts that are looked into."""


def tensors(batch, depth=DEPTH):
    """Yield the tensors in a batch."""
    import torch

    if isinstance(batch, torch.Tensor):
        yield batch
    elif depth and isinstance(batch, dict):
        for value in batch.values():
            yield from tensors(value, depth - 1)
    elif depth and isinstance(batch, (list, tuple)):
        for value in batch:
            yield from tensors(value, depth - 1)


def is_odd(tensor, limit):
    """Is there what no batch should have? Looks at minimum and maximum: both see a NaN."""
    from gradrepl.engine.tensor import figures

    if not tensor.is_floating_point() or not tensor.numel() or not figures.readable(tensor):
        return False
    low, high = (end.item() for end in tensor.aminmax())
    finite = math.isfinite(low) and math.isfinite(high)
    return not finite or (low == high and tensor.numel() > 1) or max(-low, high) > limit


class OddBatch(Kind, frozen=True):
    """A batch with NaN, Inf, a constant tensor, or a number beyond a limit."""

    limit: float = math.inf
    word, form, usage = "odd_batch", "optional", "odd_batch [LIMIT]"
    help = "b odd_batch 100: a batch with NaN, Inf, a constant tensor, or a number beyond 100."
    about = judges = frozenset({BATCH})

    def matches(self, event):
        return any(is_odd(each, self.limit) for each in tensors(event.extra()["batch"]))


@gradrepl.hookimpl
def gradrepl_conditions():
    return [OddBatch]
