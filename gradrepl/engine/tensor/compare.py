"""How far two tensors are apart: element by element, in pieces, so that no whole copy is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from gradrepl.engine.tensor import facts, figures
from gradrepl.errors import UsageError
from gradrepl.model import Comparison

PIECE = 1 << 20
"""Elements compared at a time."""
RTOL, ATOL = 1e-5, 1e-8
"""Tolerances of ``torch.allclose``."""

Pair = tuple[tuple[int, ...], torch.Tensor, torch.Tensor]
"""Where a piece begins, and the piece of each."""


def between(a: torch.Tensor, b: torch.Tensor, names: tuple[str, str]) -> Comparison:
    """Return how far ``a`` is from ``b``.

    Raises:
        UsageError: their shapes differ, or one cannot be read here.
    """
    first, second = names
    if a.shape != b.shape:
        raise UsageError(
            f"'{first}' has shape {tuple(a.shape)} and '{second}' has {tuple(b.shape)}: only "
            "tensors of one shape are compared.",
            "Index or reshape one of them.",
        )
    for name, each in zip(names, (a, b), strict=True):
        if not figures.readable(each) or each.layout is not torch.strided:
            raise UsageError(
                f"'{name}' has no elements that can be read here ({each.layout}, {each.device}).",
                "Compare what '.to_dense()' or '.cpu()' makes of it.",
            )
    with figures.quiet():
        return _compared(a.detach(), b.detach(), names)


def _pieces(a: Any, b: Any, start: tuple[int, ...] = ()) -> Iterator[Pair]:
    if a.numel() <= PIECE or a.dim() == 0:
        yield start, a, b
        return
    rows = max(1, PIECE // max(1, a[0].numel()))
    if rows == 1 and a.dim() > 1:
        for row in range(len(a)):
            yield from _pieces(a[row], b[row], (*start, row))
        return
    for row in range(0, len(a), rows):
        yield (*start, -1 - row), a[row : row + rows], b[row : row + rows]


def _compared(a: torch.Tensor, b: torch.Tensor, names: tuple[str, str]) -> Comparison:
    wide = torch.complex128 if a.is_complex() or b.is_complex() else torch.float64
    different, close = 0, True
    worst: float | None = None
    index: tuple[int, ...] = ()
    apart = norm_a = norm_b = inner = 0.0
    for start, one, other in _pieces(a, b):
        x, y = one.to(wide), other.to(a.device, wide)
        same = (x == y) | (x.isnan() & y.isnan())
        different += x.numel() - int(torch.count_nonzero(same))
        close = close and torch.allclose(x, y, RTOL, ATOL, equal_nan=True)
        gap = torch.where(same, 0.0, (x - y).abs())
        if gap.numel():
            here = float(gap.max())  # nan where only one of both is
            if worst is None or here > worst or (here != here and worst == worst):
                worst, index = here, _place(gap, start)
        apart += float((gap * gap).sum())
        norm_a += float((x.abs() ** 2).sum())
        norm_b += float((y.abs() ** 2).sum())
        inner += float((x * y.conj()).sum().real)
    scale = (norm_a * norm_b) ** 0.5
    return Comparison(
        a=names[0],
        b=names[1],
        shape=facts.sizes(a.shape),
        equal=different == 0,
        close=close,
        elements=a.numel(),
        different=different,
        max_difference=worst,
        index=index,
        at=(_text(a[index]), _text(b[index])) if different else ("", ""),
        norm=apart**0.5,
        relative=apart**0.5 / norm_b**0.5 if norm_b else None,
        cosine=inner / scale if scale else None,
        notes=tuple(_notes(a, b)),
    )


def _place(gap: torch.Tensor, start: tuple[int, ...]) -> tuple[int, ...]:
    """Return the index of the largest gap in the whole tensor; nan counts as the largest."""
    flat = int(torch.where(gap.isnan(), torch.inf, gap).argmax())
    found = [int(each) for each in torch.unravel_index(torch.tensor(flat), gap.shape)]
    if start and start[-1] < 0:  # the piece is a run of rows
        return (*start[:-1], found[0] - 1 - start[-1], *found[1:])
    return (*start, *found)


def _text(element: torch.Tensor) -> str:
    return f"{element.item():.6g}" if element.dtype != torch.bool else str(element.item())


def _notes(a: torch.Tensor, b: torch.Tensor) -> Iterator[str]:
    if a.dtype != b.dtype:
        yield f"dtype {facts.short(a.dtype)} and {facts.short(b.dtype)}"
    if a.device != b.device:
        yield f"on {a.device} and {b.device}"
