"""The figures of gradients and weights, each in one cheap pass, without a trace in the program.

The L2 norm is the cheapest there is and is not finite exactly if an element is not: it is taken
at every look, and NaN and Inf are counted only where it is not finite. On a CPU each number is
read at once; from an accelerator they come in one transfer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.graph.arrivals import fetch
from gradrepl.engine.tensor import facts, figures

BINS = 24
"""Powers of ten that a picture of a gradient has at most; smaller elements count with the last."""
WHOLE = 64 * 1024
"""Elements up to which a weight is copied whole, to see what a step changes; else a sample."""
SAMPLE = 4096
_HALF = (torch.float16, torch.bfloat16)
_vector_norm = torch.linalg.vector_norm


class Copy(NamedTuple):
    """Some elements of a weight as they were."""

    values: torch.Tensor
    version: int | None
    whole: bool
    steps: int
    """Steps of optimizers that had been seen then."""


def state(grad: torch.Tensor | None) -> tuple[int, int] | None:
    """Return what changes when a backward writes to a gradient that lives meanwhile."""
    if grad is None:
        return None
    try:
        return id(grad), grad._version
    except RuntimeError:  # made under inference mode
        return id(grad), -1


def norms(grads: Sequence[torch.Tensor]) -> list[float | None]:
    """Return the L2 norm of each; None where it cannot be read. Inside ``figures.quiet()``."""
    read = list(map(_norm, grads))
    if torch.Tensor in map(type, read):
        fetch([read])
        read = [_sure(norm, grad) for norm, grad in zip(read, grads, strict=True)]
    return read


def _sure(norm: float | None, grad: torch.Tensor) -> float | None:
    """Return a norm, taken again where float32 over- or underflows though elements do not."""
    return norm if norm is None or figures.SMALL <= norm < math.inf else figures.norm(grad)


def _norm(grad: torch.Tensor) -> Any:
    """Return one norm; on an accelerator the tensor that will tell it."""
    if type(grad) is not torch.Tensor or grad.layout is not torch.strided:
        return figures.norm(grad)
    if not figures.readable(grad):
        return None
    try:
        value = _vector_norm(grad, dtype=torch.float32 if grad.dtype in _HALF else None)
        return _sure(value.item(), grad) if grad.is_cpu else value
    except figures.UNREADABLE:
        return figures.norm(grad)


def extremes(grad: torch.Tensor) -> tuple[float | None, float | None, int | None]:
    """Return minimum, maximum and the count of zeros; of a huge one no zeros, of complex no edges.

    An element that is nan makes both edges nan.
    """
    if not figures.readable(grad) or not grad.numel():
        return None, None, None
    try:
        plain = grad.detach()
        return _dense_extremes(plain) if plain.layout is torch.strided else _sparse_extremes(plain)
    except figures.UNREADABLE:
        return None, None, None


def _dense_extremes(plain: torch.Tensor) -> tuple[float | None, float | None, int | None]:
    low = high = zeros = None
    if not plain.is_complex():
        low, high = (float(edge.item()) for edge in torch.aminmax(plain))
    if plain.numel() <= figures.FULL:
        zeros = plain.numel() - int(torch.count_nonzero(plain))
    return low, high, zeros


def _sparse_extremes(plain: torch.Tensor) -> tuple[float | None, float | None, int | None]:
    stats = figures.stats(plain)
    if stats is None:
        return None, None, None
    missing = plain.numel() - plain.values().numel()
    zeros = missing + (stats.zeros or 0)
    return (None, None, zeros) if missing else (stats.min, stats.max, zeros)


def quiet_for(grad: torch.Tensor, before: torch.Tensor | None, rows: bool) -> torch.Tensor | None:
    """Return for each unit in how many looks in a row, at most 255, its gradient was exactly zero.

    A unit is a row, or an element where there is one dimension; None of what has no units.
    """
    if (grad.dim() != 1 and not (rows and grad.dim())) or grad.layout is not torch.strided:
        return None
    if not figures.readable(grad) or not 0 < grad.numel() <= figures.FULL:
        return None
    try:
        heard = grad.detach().flatten(1).any(1) if grad.dim() > 1 else grad.detach() != 0
        if before is None or before.shape != heard.shape or before.device != heard.device:
            before = torch.zeros_like(heard, dtype=torch.uint8)
        return (before.clamp(max=254) + 1).masked_fill_(heard, 0)
    except figures.UNREADABLE:
        return None


def counts(grad: torch.Tensor) -> tuple[int, int]:
    """Return how many elements are NaN and how many Inf."""
    stats = figures.stats(grad)
    return (0, 0) if stats is None else (stats.nans or 0, stats.infs or 0)


def copy(weight: torch.Tensor, steps: int) -> Copy | None:
    """Keep the weight if it is small, else every so many of its elements; None if it cannot be."""
    if not figures.readable(weight) or weight.layout is not torch.strided:
        return None
    try:
        flat, whole = _some(weight.detach())
        return Copy(flat.clone(), facts.version(weight), whole, steps)
    except figures.UNREADABLE:
        return None


def _some(weight: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """Return a flat view of the weight, or of a sample of it, and whether it is the whole."""
    size = weight.numel()
    if torch_private.has_overlap(weight) == 0:  # dense, whatever the order of dimensions
        flat = weight.as_strided((size,), (1,))
    else:
        flat = weight.reshape(-1)
    if size <= WHOLE:
        return flat, True
    return flat[:: size // SAMPLE | 1], False  # odd: it meets all columns of an even width


def change(weight: torch.Tensor, before: Copy) -> tuple[bool, float | None, int]:
    """Return whether the weight has changed, by how much of its norm, and on how many elements.

    Of a sample, what tells a change is also the version counter: it may lie beside the sample.
    """
    now, _ = _some(weight.detach())
    if now.shape != before.values.shape or now.dtype != before.values.dtype:
        return True, None, 0
    if now.device != before.values.device:
        return True, None, 0
    moved = figures.norm(now - before.values) or 0.0
    size = figures.norm(before.values)
    changed = moved != 0 or (not before.whole and facts.version(weight) != before.version)
    return changed, moved / size if size else None, now.numel()


def histogram(grad: torch.Tensor | None, scale: float) -> tuple[tuple[float, int], ...]:
    """Return how many elements of a gradient lie in each power of ten, smallest first.

    Elements that are zero or not finite are left out; of a large one a sample is looked at.
    """
    if grad is None or not figures.readable(grad) or grad.layout is not torch.strided:
        return ()
    try:
        sizes = _some(grad.detach())[0].abs().double() / scale
        powers = sizes[(sizes > 0) & sizes.isfinite()].log10().floor().long()
        if not powers.numel():
            return ()
        top = int(powers.max())
        low = max(int(powers.min()), top - BINS + 1)
        counts = torch.bincount(powers.clamp(min=low) - low, minlength=top - low + 1).tolist()
        return tuple((float(low + at), count) for at, count in enumerate(counts))
    except figures.UNREADABLE:
        return ()
