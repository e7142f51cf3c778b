"""What is remembered of memory: which recorded op wrote where, storages' numbers, their content.

``@3`` is one storage for as long as it lives, and never another. Storages are held weakly, as
torch itself holds those that processes share: that keeps neither the bytes nor a tensor, and an
address is not given out again while somebody remembers it.

A fingerprint of the bytes finds the writes that no version counter sees: every byte up to 1 MiB;
a sample beyond (4,096 places of 64 bytes, spread evenly, both ends included), so that a look
costs the same at any size; nothing where bytes cannot be read.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple
from weakref import ref

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from gradrepl.engine import torch_private
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.forward.flow import Cuts
from gradrepl.engine.memory.layout import Layout, placed
from gradrepl.engine.tensor import facts, figures

WRITES = 10_000
"""Writes of which it is known where they went."""
WHOLE = 1 << 20
"""Bytes up to which every one is read."""
KEPT = 100
"""Changes of one storage that are remembered."""
PLACES, PLACE = 4096, 64
"""Of a larger storage: places that are read, and bytes at each."""


def how(nbytes: int, device: str) -> str:
    """Say how far the content of a storage is compared."""
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        return f"not at all: bytes on '{device}' cannot be read"
    if not nbytes:
        return "not at all: there are no bytes"
    if nbytes <= WHOLE:
        return "every byte"
    return f"a sample of {PLACES * PLACE} of {nbytes} bytes: a small write can go unseen"


def fingerprint(storage: torch.UntypedStorage) -> bytes | None:
    """Return a hash of the bytes (or of the sample); None where they cannot be read.

    Call it only inside of ``figures.quiet()``.
    """
    nbytes, kind = storage.nbytes(), storage.device.type
    if not nbytes or kind not in ("cpu", "cuda"):
        return None
    digest = hashlib.blake2b(digest_size=16)
    if kind == "cpu":
        memory = (ctypes.c_char * nbytes).from_address(storage.data_ptr())
        view = memoryview(memory).cast("B")
        for first, last in _places(nbytes):
            digest.update(view[first:last])
        return digest.digest()
    plain = torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)  # type: ignore[call-overload]
    if nbytes > WHOLE:
        starts = torch.tensor([first for first, _ in _places(nbytes)], device=storage.device)
        plain = plain[starts[:, None] + torch.arange(PLACE, device=storage.device)]
    digest.update(plain.cpu().numpy().tobytes())
    return digest.digest()


def _places(nbytes: int) -> Iterator[tuple[int, int]]:
    if nbytes <= WHOLE:
        yield 0, nbytes
        return
    last = nbytes - PLACE
    for place in range(PLACES):
        first = place * last // (PLACES - 1)
        yield first, first + PLACE


class Change(NamedTuple):
    """The bytes changed between two looks, and the version did not."""

    after: int
    """The last op recorded before the earlier look."""
    before: int
    """The last op recorded before the later look."""
    version: int | None
    sequence: int
    """Nodes with a smaller number were made before the earlier look."""


class WatchedStorage:
    """A storage whose content is compared from look to look; held weakly."""

    def __init__(self, name: str, tensor: torch.Tensor, id_: str, moment: tuple[int, int]) -> None:
        storage = tensor.untyped_storage()
        self.name = name
        self.id = id_
        self.how = how(storage.nbytes(), str(storage.device))
        self._storage = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
        self._print = fingerprint(storage)
        self.version: int | None = facts.version(tensor)
        self.moment = moment
        """The last op recorded, and the number of the next node, at the last look."""
        self.reported: frozenset[str] = frozenset()
        """What was told at stops."""
        self.changes: list[Change] = []

    @property
    def key(self) -> int:
        """The storage's identity."""
        return int(self._storage.cdata)

    def expired(self) -> bool:
        """Is the storage gone?"""
        return bool(self._storage.expired())  # type: ignore[no-untyped-call]

    def look(self, version: int | None, moment: tuple[int, int]) -> bool:
        """Compare; return whether the bytes changed while the version did not.

        Call it only while the storage lives, and inside of ``figures.quiet()``.
        """
        storage = torch_private.storage_behind(self.key)
        if storage is None:
            return False
        now = fingerprint(storage)
        silent = now != self._print and version == self.version
        if silent:
            self.changes.append(Change(self.moment[0], moment[0], version, self.moment[1]))
            del self.changes[:-KEPT]
        self._print, self.version, self.moment = now, version, moment
        return silent


class Ids:
    """Gives storages their numbers."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[StorageWeakRef, int]] = {}
        self._numbers = count(1)
        self._limit = 1024

    def of(self, storage: torch.UntypedStorage) -> str:
        """Return '@3'."""
        known = self._known.get(storage._cdata)
        if known is None:
            if len(self._known) >= self._limit:
                self._forget_the_dead()
            known = StorageWeakRef(storage), next(self._numbers)  # type: ignore[no-untyped-call]
            self._known[storage._cdata] = known
        return f"@{known[1]}"

    def _forget_the_dead(self) -> None:
        dead = [key for key, (held, _) in self._known.items() if held.expired()]  # type: ignore[no-untyped-call]
        for key in dead:
            del self._known[key]
        self._limit = max(1024, 2 * len(self._known))


class Known:
    """What one session remembers of memory between answers."""

    def __init__(self, session: object) -> None:
        self.ids = Ids()
        self.watched: dict[int, WatchedStorage] = {}
        """By storage: what ``:versions`` compares at every stop."""

    def forget_the_dead(self) -> None:
        """Watch no storage that is gone."""
        self.watched = {key: each for key, each in self.watched.items() if not each.expired()}


# -- recorded writes -------------------------------------------------------------------------------


class Write:
    """One tensor that one recorded op wrote to."""

    __slots__ = ("after", "before", "call", "cut", "name", "placed", "storage", "tensor", "view")

    def __init__(self, call: Call, tensor: torch.Tensor, before: int, cut: str) -> None:
        self.call = call
        self.storage = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
        self.tensor: ref[torch.Tensor] | None = ref(tensor)
        self.placed = placed(tensor)
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
        return Layout.of(self.placed)

    def alive(self) -> torch.Tensor | None:
        """Return the tensor that was written through, if it is still there."""
        return self.tensor() if self.tensor is not None else None


class Writes:
    """The last writes, oldest first."""

    def __init__(self) -> None:
        self._writes: deque[Write] = deque(maxlen=WRITES)

    def note(self, call: Call, cuts: Cuts) -> None:
        """Remember what an op wrote to that has run and bumped versions; while it is held."""
        inputs = call.inputs()
        for bump in call.bumped:  # 'input 0: v0 -> v1'
            place, _, versions = bump[6:].partition(": v")
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
