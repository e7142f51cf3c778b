"""How the elements of a tensor spread, from a bounded part of them."""

from __future__ import annotations

import math

import torch

from gradrepl.engine.tensor import figures
from gradrepl.model import Histogram

BINS = 16
HUGE = 2.0**100
"""What elements are divided by whose range would overflow."""
LOOKED_AT = 1 << 20
"""Elements up to which all are looked at; beyond, every so many along the long dimensions."""


def histogram(tensor: torch.Tensor) -> Histogram | None:
    """Return the spread of the finite elements, or None where there is none to tell.

    Complex, sparse and unreadable tensors have none, and neither has one without finite elements.
    """
    if not figures.readable(tensor) or tensor.layout is not torch.strided or tensor.is_complex():
        return None
    try:
        with figures.quiet():
            return _histogram(_thinned(tensor.detach()), tensor.numel())
    except figures.UNREADABLE:
        return None


def _thinned(elements: torch.Tensor) -> torch.Tensor:
    """Return a view of at most ``LOOKED_AT`` elements, evenly taken, and copy nothing."""
    while elements.numel() > LOOKED_AT:
        longest = max(range(elements.dim()), key=lambda dim: elements.shape[dim])
        step = min(elements.shape[longest], -(-elements.numel() // LOOKED_AT))
        index: list[slice] = [slice(None)] * elements.dim()
        index[longest] = slice(None, None, step)
        elements = elements[tuple(index)]
    return elements


def _histogram(elements: torch.Tensor, total: int) -> Histogram | None:
    wide = torch.float32 if elements.device.type == "mps" else torch.float64
    looked_at = elements.numel()
    values = elements.reshape(-1).to(wide)
    values = values[values.isfinite()]
    if not len(values):
        return None
    low, high = (float(edge) for edge in torch.aminmax(values))
    if low == high:
        return Histogram(
            low=low, high=high, counts=(len(values),), looked_at=looked_at, total=total
        )
    scale = HUGE if math.isinf((high - low) * BINS) else 1.0
    counts = torch.histc(values / scale, BINS, low / scale, high / scale)
    numbers = tuple(int(count) for count in counts.tolist())
    return Histogram(low=low, high=high, counts=numbers, looked_at=looked_at, total=total)
