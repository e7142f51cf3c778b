"""Which recorded op wrote into which memory: kept weakly, for the version timeline."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from weakref import ref

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from gradrepl.engine.forward.calls import Call, tensors_in
from gradrepl.engine.memory.layout import Layout
from gradrepl.engine.tensor import facts, figures

if TYPE_CHECKING:
    from gradrepl.engine.forward.flow import Cuts

KEPT = 10_000
"""Writes of which it is known where they went."""

Placed = tuple[int | torch.SymInt, Sequence[int], Sequence[int], int]
"""Offset, shape and strides of a tensor in elements, and the bytes of one."""


def layout_of(tensor: torch.Tensor) -> Layout:
    """Return which bytes a strided tensor uses, from the begin of its storage."""
    return _layout(_placed(tensor))


def _placed(tensor: torch.Tensor) -> Placed:
    return tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.element_size()


def _layout(placed: Placed) -> Layout:
    offset, shape, stride, item = placed
    strides = tuple(step * item for step in facts.sizes(stride))
    return Layout(int(offset) * item, facts.sizes(shape), strides, item)


class Write:
    """One tensor that one recorded op wrote to."""

    __slots__ = ("after", "before", "call", "cut", "name", "placed", "storage", "tensor", "view")

    def __init__(self, call: Call, tensor: torch.Tensor, before: int, cut: str) -> None:
        self.call = call
        self.storage = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
        self.tensor: ref[torch.Tensor] | None = ref(tensor)
        self.placed = _placed(tensor)
        self.view = tensor._is_view()
        self.before = before
        self.after = int(tensor._version)
        self.cut = cut
        """How the tensor had left the graph: 'detach (train.py:3)', or ''."""
        self.name = ""
        """The name of what was written through, once somebody has asked for it."""

    @property
    def layout(self) -> Layout:
        """Which bytes were written to, at the most."""
        return _layout(self.placed)

    def alive(self) -> torch.Tensor | None:
        """Return the tensor that was written through, if it is still there."""
        return self.tensor() if self.tensor is not None else None


class Writes:
    """The last writes, oldest first."""

    def __init__(self) -> None:
        self._writes: deque[Write] = deque(maxlen=KEPT)

    def note(self, call: Call, cuts: Cuts) -> None:
        """Remember what an op wrote to that has run and bumped versions; while it is held."""
        inputs = list(tensors_in((call.args, call.kwargs)))
        for said in call.bumped:  # 'input 0: v0 -> v1'
            place, _, versions = said[6:].partition(": v")
            tensor = inputs[int(place)]
            before, _, _ = versions.partition(" ")
            try:
                self._writes.append(Write(call, tensor, int(before), cuts.of(tensor)))
            except figures.UNREADABLE:  # sparse, or the user's own kind: it has no one storage
                continue

    def let_go(self) -> None:
        """Refer to no tensor any more, not even weakly."""
        for write in self._writes:
            write.tensor = None

    def to(self, keys: set[int]) -> Iterator[Write]:
        """Yield the writes into these storages, in order."""
        for write in self._writes:
            if write.storage.cdata in keys:
                yield write
