"""Why the first nan or inf came out of an op or a node: where it is, and what its inputs were."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch

from gradrepl.engine.forward.calls import Call, tensors_in
from gradrepl.engine.tensor import facts, figures


class Taken(NamedTuple):
    """What an op took."""

    call: Call
    inputs: list[torch.Tensor]
    names: list[str]

    def some(self, test: Callable[[torch.Tensor], torch.Tensor], text: str, at: int = 0) -> str:
        """Return '3 of 20 elements of x are negative', or '' where none is."""
        if at >= len(self.inputs):
            return ""
        count = int(test(self.inputs[at]).sum())
        all_of = self.inputs[at].numel()
        return f"{count} of {all_of} elements of {self.names[at]} are {text}" if count else ""


class Made(Protocol):
    """An op or a node that has run, as an event."""

    def made(self) -> list[Any]:
        """Tensors that came out of it."""

    def born(self, what: str) -> bool:
        """Does ``what`` show in these, and not in what they were made of?"""


def notes(event: Made, reason: str, causes: Callable[[str], list[str]]) -> tuple[str, ...]:
    """Say, where ``reason`` waits for a nan or inf, where the first is, and what it came of.

    ``causes``: :func:`of_op` or :func:`of_node`, given 'nan' or 'inf'.
    """
    for what in ("nan", "inf"):
        if what in re.findall(r"\w+", reason) and event.born(what):
            sentence = _sentence(event, what, causes)
            return (f"{what}: {sentence}",) if sentence else ()
    return ()


def _sentence(event: Made, what: str, causes: Callable[[str], list[str]]) -> str:
    try:
        with figures.quiet():
            why = causes(what)
            return ", ".join(filter(None, [_first(event.made(), what), *why[:2]]))
    except figures.UNREADABLE:
        return ""


def of_op(call: Call, name_of: Callable[[torch.Tensor], str], what: str) -> list[str]:
    """Return what is odd about the values that an op took."""
    inputs = list(tensors_in((call.args, call.kwargs)))
    if call.bumped or not inputs or not all(map(_small, inputs)):
        return []  # an input that was written to is no more what it was
    names = [f"'{name}'" if (name := name_of(each)) else "its input" for each in inputs]
    bare = call.name.strip("_")
    cause = CAUSES.get(bare) or CAUSES.get(bare.removeprefix("r"))
    taken = Taken(call, [each.detach() for each in inputs], names)
    return [(cause(taken, what) if cause is not None else "") or _infinite(taken)]


def of_node(name: str, values: dict[str, Any]) -> list[str]:
    """Return what is odd about the values that a node saved."""
    at_zero = name.rstrip("0123456789").removesuffix("Backward") in AT_ZERO
    causes = []
    for label, value in values.items():
        if not isinstance(value, torch.Tensor) or not _small(value):
            continue
        plain = value.detach()
        zeros = plain.numel() - int(torch.count_nonzero(plain))
        if zeros and at_zero:
            causes.append(f"{zeros} of {plain.numel()} elements of its saved {label} are zero")
        if infs := int(torch.isinf(plain).sum()):
            causes.append(f"{infs} of {plain.numel()} elements of its saved {label} are infinite")
    return causes


def _small(tensor: torch.Tensor) -> bool:
    strided = tensor.layout is torch.strided
    return strided and figures.readable(tensor) and tensor.numel() <= figures.FULL


def _first(made: list[Any], what: str) -> str:
    test = torch.isnan if what == "nan" else torch.isinf
    for tensor in made:
        if not _small(tensor):
            continue
        mask = test(tensor.detach()).flatten()
        if mask.numel() and bool(mask.any()) and tensor.dim():
            flat = int(mask.to(torch.uint8).argmax())
            at = [int(each) for each in torch.unravel_index(torch.tensor(flat), tensor.shape)]
            return f"first at {at}"
    return ""


def _infinite(taken: Taken) -> str:
    counted = (taken.some(torch.isinf, "infinite", at) for at in range(len(taken.inputs)))
    return next(filter(None, counted), "")


def _softmax(taken: Taken, what: str) -> str:
    given = taken.call.args[1] if len(taken.call.args) > 1 else taken.call.kwargs.get("dim")
    dim = given if isinstance(given, int) else -1
    gone = torch.isneginf(taken.inputs[0]).all(dim)
    rows = int(gone.sum())
    return f"{rows} of {gone.numel()} rows of {taken.names[0]} are -inf throughout" if rows else ""


def _below(limit: float, strictly: str, at_limit: str) -> Callable[[Taken, str], str]:
    def cause(taken: Taken, what: str) -> str:
        if what == "nan":
            return taken.some(lambda x: x < limit, strictly)
        return taken.some(lambda x: x == limit, at_limit)

    return cause


def _divided(taken: Taken, what: str) -> str:
    if len(taken.inputs) > 1:
        return taken.some(lambda x: x == 0, "zero, and it was divided by them", at=1)
    if taken.call.name.startswith("__r"):
        return taken.some(lambda x: x == 0, "zero, and it was divided by them")
    return "it was divided by 0" if 0 in taken.call.args[1:] else ""


def _exp(taken: Taken, what: str) -> str:
    given = taken.inputs[0]
    if what != "inf" or not given.is_floating_point() or not given.numel():
        return ""
    limit = math.log(torch.finfo(given.dtype).max)
    of = f"{taken.names[0]} goes up to {float(given.max()):.4g}"
    return f"{of}, and exp of more than {limit:.4g} is inf in {facts.short(given.dtype)}"


def _outside(taken: Taken, what: str) -> str:
    return taken.some(lambda x: x.abs() > 1, "outside of [-1, 1]")


def _empty(taken: Taken, what: str) -> str:
    return f"{taken.names[0]} has no elements" if not taken.inputs[0].numel() else ""


def _deviation(taken: Taken, what: str) -> str:
    given = taken.call.args[1] if len(taken.call.args) > 1 else taken.call.kwargs.get("dim")
    sizes = taken.inputs[0].shape
    dims = range(len(sizes)) if given is None or isinstance(given, bool) else given
    dims = [dims] if isinstance(dims, int) else list(dims)
    if math.prod(sizes[dim] for dim in dims) != 1:
        return _empty(taken, what)
    return "it is over one element, of which the unbiased estimate is 0/0"


def _ignored(taken: Taken, what: str) -> str:
    ignored = taken.call.kwargs.get("ignore_index", -100)
    if len(taken.inputs) < 2 or taken.inputs[1].is_floating_point():
        return ""
    left = int((taken.inputs[1] != ignored).sum())
    return "" if left else f"every target is ignore_index {ignored}: a mean of nothing"


AT_ZERO = frozenset(
    """
    Sqrt Rsqrt Reciprocal Div Log Log2 Log10 Pow Norm LinalgVectorNorm Std Var Prod Atan2
    """.split()  # noqa: SIM905
)
"""Nodes whose derivative is infinite, or 0/0, where what they saved is zero."""
CAUSES: dict[str, Callable[[Taken, str], str]] = {
    "softmax": _softmax,
    "log_softmax": _softmax,
    "log": _below(0, "negative", "zero"),
    "log2": _below(0, "negative", "zero"),
    "log10": _below(0, "negative", "zero"),
    "log1p": _below(-1, "below -1", "-1"),
    "sqrt": _below(0, "negative", ""),
    "rsqrt": _below(0, "negative", "zero"),
    "pow": _below(0, "negative", "zero"),
    "reciprocal": _below(0, "", "zero"),
    "div": _divided,
    "truediv": _divided,
    "true_divide": _divided,
    "exp": _exp,
    "acos": _outside,
    "asin": _outside,
    "mean": _empty,
    "std": _deviation,
    "var": _deviation,
    "cross_entropy": _ignored,
    "nll_loss": _ignored,
}
"""By the op's name; each returns '' where that is not the cause."""
