"""Which recorded op wrote into which memory: kept weakly, for the version timeline."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING
from weakref import ref

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from gradrepl.engine import tensors
from gradrepl.engine.calls import Call, tensors_in
from gradrepl.engine.memory.layout import Layout

if TYPE_CHECKING:
    from gradrepl.engine.roots import Cuts

KEPT = 10_000
"""Writes of which it is known where they went."""


def layout_of(tensor: torch.Tensor) -> Layout:
    """Return which bytes a strided tensor uses, from the begin of its storage."""
    item = tensor.element_size()
    strides = tuple(stride * item for stride in tensor.stride())
    return Layout(int(tensor.storage_offset()) * item, tensors.sizes(tensor.shape), strides, item)


class Write:
    """One tensor that one recorded op wrote to."""

    __slots__ = ("after", "before", "call", "cut", "layout", "name", "storage", "tensor", "view")

    def __init__(self, call: Call, tensor: torch.Tensor, before: int, cut: str) -> None:
        self.call = call
        self.storage = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
        self.tensor: ref[torch.Tensor] | None = ref(tensor)
        self.layout = layout_of(tensor)
        self.view = tensor._is_view()
        self.before = before
        self.after = int(tensor._version)
        self.cut = cut
        """How the tensor had left the graph: 'detach (train.py:3)', or ''."""
        self.name = ""
        """The name of what was written through, once somebody has asked for it."""

    def alive(self) -> torch.Tensor | None:
        """Return the tensor that was written through, if it is still there."""
        return self.tensor() if self.tensor is not None else None


class Writes:
    """The last writes, oldest first."""

    def __init__(self) -> None:
        self._found: deque[Write] = deque(maxlen=KEPT)

    def note(self, call: Call, cuts: Cuts) -> None:
        """Remember what an op wrote to that has run and bumped versions; while it is held."""
        inputs = list(tensors_in((call.args, call.kwargs)))
        for said in call.bumped:  # 'input 0: v0 -> v1'
            place, _, versions = said.removeprefix("input ").partition(": v")
            tensor = inputs[int(place)]
            try:
                write = Write(call, tensor, int(versions.partition(" ")[0]), cuts.of(tensor))
            except tensors.UNREADABLE:  # sparse, or the user's own kind: it has no one storage
                continue
            self._found.append(write)

    def let_go(self) -> None:
        """Refer to no tensor any more, not even weakly."""
        for write in self._found:
            write.tensor = None

    def to(self, keys: set[int]) -> Iterator[Write]:
        """Yield the writes into these storages, in order."""
        for write in self._found:
            if write.storage.cdata in keys:
                yield write
