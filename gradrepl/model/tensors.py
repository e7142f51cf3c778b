"""What may be said of one tensor."""

from __future__ import annotations

import msgspec

from gradrepl.model.base import Record


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one tensor. ``None`` where the dtype has no such figure (min of a complex)."""

    norm: float | None = None
    """L2 norm; nan or inf when any element is (an overflow of the sum is ruled out)."""
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    nans: int | None = None
    infs: int | None = None
    zeros: int | None = None


class TensorInfo(Record, frozen=True, kw_only=True):
    """What may be said of a tensor without holding it."""

    name: str = ""
    """How the user knows it, or empty."""
    shape: tuple[int, ...]
    dtype: str
    device: str
    layout: str = "strided"
    stride: tuple[int, ...] = ()
    offset: int = 0
    """Storage offset in elements."""
    nbytes: int = 0
    requires_grad: bool
    is_leaf: bool
    grad_fn: str | None = None
    grad: Stats | None = None
    """Figures of ``.grad`` where it exists."""
    has_grad: bool = False
    version: int | None = None
    """``Tensor._version``; None for inference tensors, which have no counter."""
    is_view: bool = False
    stats: Stats | None = None
    values: str = ""
    """Its values as text when they are few, else its first corner."""
