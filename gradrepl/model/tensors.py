"""What may be said of one tensor."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gradrepl.model.base import Record, Site


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of one tensor. ``None`` where the dtype has no such figure (min of a complex)."""

    norm: float | None = None
    """L2 norm; nan or inf when any element is (an overflow of the sum is ruled out)."""
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    nans: int | None = None
    infs: int | None = None
    zeros: int | None = None


class TensorInfo(Record, frozen=True, kw_only=True):
    """What may be said of a tensor without holding it.

    A field with a title is drawn under it; the others are drawn together with their neighbours.
    """

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
    requires_grad: Annotated[bool, Meta(title="requires_grad")]
    is_leaf: Annotated[bool, Meta(title="leaf")]
    grad_fn: Annotated[str | None, Meta(title="grad_fn")] = None
    grad: Stats | None = None
    """Statistics of ``.grad`` where it exists."""
    has_grad: bool = False
    version: Annotated[int | None, Meta(title="version")] = None
    """``Tensor._version``; None for inference tensors, which have no counter."""
    is_view: bool = False
    stats: Stats | None = None
    values: str = ""
    """Its values as text when they are few, else its first corner."""


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """How the finite elements of a tensor spread between ``low`` and ``high``."""

    low: float
    high: float
    counts: tuple[int, ...]
    """One for each bin; all bins are of one width, the last one includes ``high``."""
    looked_at: int
    """Elements looked at: all, or of a large tensor every so many along each dimension."""
    total: int

    @property
    def sampled(self) -> bool:
        """Was only a part of the elements looked at?"""
        return self.looked_at < self.total


class OpRef(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded op that did something with a tensor."""

    id: int
    name: str
    site: Site | None = None
    module: str = ""
    mode: str = ""
    wrote: bool = False
    """It changed the tensor in place."""


class HookInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A hook of somebody's."""

    kind: str
    """'hook', 'post accumulate grad hook', 'forward hook', 'full backward hook'..."""
    owner: str
    """Name of the function."""
    place: str = ""
    """'train.py:27', where it is defined; empty for what is not written in Python."""
    ours: bool = False
    """It is torch's own: a part of how something else works."""


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``next_functions``."""

    node: str
    """'AccumulateGrad', 'MulBackward0'; 'None' where no gradient goes."""
    label: str = ""
    """Name of the leaf, or of the variable that the node made."""
    number: int = 0
    """Which output of that node's op it was."""


class Tensor(TensorInfo, frozen=True, kw_only=True):
    """Everything that can be found out about one tensor; made only when somebody asks."""

    names: tuple[str, ...] = ()
    """All names by which the user can reach it here, the shortest first."""
    kind: str = "Tensor"
    """Its class: 'Tensor', 'Parameter'."""
    memory_format: str = ""
    """'contiguous', 'channels_last', 'not contiguous'; empty where it has no strides."""
    histogram: Histogram | None = None
    leaf_why: str = ""
    """Why it is a leaf or a non-leaf, in one sentence."""
    grad_state: str = ""
    """'ok', 'zero', 'nan', 'inf', or 'none'."""
    grad_why: str = ""
    """Why there is no gradient, or what it is."""
    retains_grad: bool = False
    sequence: int | None = None
    """Sequence number of ``grad_fn``."""
    inputs: tuple[Input, ...] = ()
    """``grad_fn.next_functions``, at most 16."""
    storage: str = ""
    """'@3'."""
    storage_nbytes: int = 0
    shares: tuple[str, ...] = ()
    """Other tensors that live in the same storage: 'd (detach)'."""
    hooks: tuple[HookInfo, ...] = ()
    made_by: OpRef | None = None
    used_by: tuple[OpRef, ...] = ()
    """Recorded ops that it went into, the last 16."""
    used_total: int = 0
    more: tuple[tuple[str, str], ...] = ()
    """What plugins say of it: (label, text)."""


class Comparison(Record, frozen=True, kw_only=True):
    """How far two tensors of one shape are apart; figures in float64 (complex128)."""

    a: str
    b: str
    shape: tuple[int, ...]
    equal: bool
    """Is every element the same? A NaN is the same as a NaN."""
    close: bool
    """As ``torch.allclose`` with its own tolerances, NaN beside NaN allowed."""
    elements: int = 0
    different: int = 0
    """Elements that are not the same."""
    max_difference: float | None = None
    """Largest absolute difference; None where there is no element."""
    index: tuple[int, ...] = ()
    """Where that is."""
    at: tuple[str, str] = ("", "")
    """The two elements there."""
    norm: float = 0.0
    """L2 norm of the difference."""
    relative: float | None = None
    """That by the norm of ``b``; None where that is 0."""
    cosine: float | None = None
    """Of the angle between the two, as vectors; None where one is 0."""
    notes: tuple[str, ...] = ()
    """Other differences: dtype, device."""
