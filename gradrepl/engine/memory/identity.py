"""Storages by small numbers: ``@3`` is one storage for as long as it lives, and never another.

They are held weakly, as torch itself holds storages that processes share: that keeps neither the
bytes nor a tensor, and an address is not given out again while somebody remembers it.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from gradrepl.engine.memory.content import Watch

if TYPE_CHECKING:
    from gradrepl.engine.session import Session


class Ids:
    """Gives storages their numbers."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[StorageWeakRef, int]] = {}
        self._numbers = count(1)
        self._limit = 1024

    def of(self, storage: torch.UntypedStorage) -> str:
        """Return '@3'."""
        found = self._known.get(storage._cdata)
        if found is None:
            if len(self._known) >= self._limit:
                self._forget_the_dead()
            found = StorageWeakRef(storage), next(self._numbers)  # type: ignore[no-untyped-call]
            self._known[storage._cdata] = found
        return f"@{found[1]}"

    def _forget_the_dead(self) -> None:
        dead = [key for key, (held, _) in self._known.items() if held.expired()]  # type: ignore[no-untyped-call]
        for key in dead:
            del self._known[key]
        self._limit = max(1024, 2 * len(self._known))


class Known:
    """What one session remembers of memory between answers."""

    def __init__(self) -> None:
        self.ids = Ids()
        self.watched: dict[int, Watch] = {}
        """By storage: what ``:versions`` compares at every stop."""

    def forget_the_dead(self) -> None:
        """Watch no storage that is gone."""
        self.watched = {key: each for key, each in self.watched.items() if not each.expired()}


_known: WeakKeyDictionary[Session, Known] = WeakKeyDictionary()


def known(session: Session) -> Known:
    """Return what is remembered for ``session``."""
    return _known.setdefault(session, Known())
