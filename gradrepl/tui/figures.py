"""How numbers, shapes and dtypes are written on the screen: short, and the same everywhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradrepl.model import Stats, TensorInfo
from gradrepl.phrases import SHORT, place, size

__all__ = [
    "broken", "dtype", "elements", "norm", "number", "place", "seconds", "shape", "share", "size",
    "tensor", "tight",
]  # fmt: skip


def shape(sizes: Sequence[int] | None) -> str:
    """Return ``(64, 128)``; a dash where there is none."""
    if sizes is None:
        return "-"
    return f"({sizes[0]},)" if len(sizes) == 1 else "(" + ", ".join(map(str, sizes)) + ")"


def tight(sizes: Sequence[int] | None) -> str:
    """Return ``(64,128)``, for narrow columns."""
    return shape(sizes).replace(", ", ",")


def dtype(name: str) -> str:
    """Return ``f32`` for ``torch.float32``."""
    name = name.removeprefix("torch.")
    return SHORT.get(name, name)


def norm(value: float | None) -> str:
    """Return a norm in at most 7 cells: ``1.4e-1``, ``0``, ``nan``, a dash where there is none."""
    if value is None:
        return "-"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent):+d}"


def number(value: float | None) -> str:
    """Return a figure with three digits: ``0.412``, ``3.12``, ``1.4e-6``."""
    if value is None:
        return "-"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return norm(value)


def elements(sizes: Sequence[int]) -> int:
    """Return how many elements a tensor of this shape has."""
    return math.prod(sizes)


def share(count: int | None, sizes: Sequence[int]) -> str:
    """Return ``51.2%``: what ``count`` is of all elements."""
    total = elements(sizes)
    if count is None or not total:
        return "-"
    return f"{100 * count / total:.3g}%"


def broken(stats: Stats | None) -> str:
    """Return ``nan 3 inf 1`` when a tensor has any, else nothing."""
    if stats is None:
        return ""
    parts = [f"nan {stats.nans}" if stats.nans else "", f"inf {stats.infs}" if stats.infs else ""]
    return " ".join(part for part in parts if part)


def tensor(info: TensorInfo) -> str:
    """Return ``(64, 128) f32``."""
    return f"{shape(info.shape)} {dtype(info.dtype)}"


def seconds(duration: float) -> str:
    """Return a duration in the unit that suits it."""
    if duration < 1e-3:
        return f"{duration * 1e6:.0f} µs"
    return f"{duration * 1e3:.3g} ms" if duration < 1 else f"{duration:.3g} s"
