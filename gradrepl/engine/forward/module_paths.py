"""Which module runs an op: its path and class, and which modules have run so far."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from gradrepl.engine.code import frames

if TYPE_CHECKING:
    from gradrepl.engine.tensor.names import Names


class Known:
    """A module that runs ops: how it is called, and its last op."""

    __slots__ = ("kind", "last", "module", "path")

    def __init__(self, module: Any, path: str, kind: str) -> None:
        self.module, self.path, self.kind = module, path, kind
        self.last = 0


class ModulePaths:
    """What is known of the modules that have run ops."""

    def __init__(self, names_of: Callable[[FrameType | None], Names]) -> None:
        self._names_of = names_of
        self._known: dict[int, Known] = {}
        """By identity; the modules are held, until their paths may have changed."""
        self._ran: dict[int, tuple[weakref.ref[Any], int]] = {}
        """By identity: modules that are no longer held, with their last op."""
        self._turns: deque[int] = deque([0, 0], maxlen=2)
        """The last op before each of the last two backwards."""
        self._paths: dict[int, tuple[weakref.ref[Any], str]] = {}
        """By identity: the paths of modules that have not run yet, found with those that have."""
        self._spellings: dict[str, tuple[str, ...]] = {}

    def of(self, walk: frames.Walk, op: int) -> tuple[str, str]:
        """Return path and class of the module that calls ``op``; '' where none does."""
        if not walk.module_frames:
            return "", ""
        module = frames.module_of(walk.module_frames[0])
        found = self._known.get(id(module))
        if found is None:
            path = self._path(module, walk)
            found = self._known[id(module)] = Known(module, path, type(module).__name__)
        found.last = op
        return found.path, found.kind

    def _path(self, module: Any, walk: frames.Walk) -> str:
        """Return the path of a module seen for the first time; its neighbours' are kept for it."""
        held, path = self._paths.get(id(module), (None, ""))
        if held is not None and held() is module:
            return path
        names = self._names_of(walk.frame)
        for near, path in names.each_module():
            self._paths[id(near)] = weakref.ref(near), path
            self._spellings[path] = names.spellings(path)
        path = names.module(walk.modules())
        self._spellings[path] = names.spellings(path)
        return path

    def spellings(self, path: str) -> tuple[str, ...]:
        """Return ``path`` with and without the variable of its model."""
        return self._spellings.get(path, (path,))

    def forget(self) -> None:
        """Paths may have changed: the user typed something."""
        alive = {key: found for key, found in self._ran.items() if found[0]() is not None}
        for key, known in self._known.items():
            alive[key] = weakref.ref(known.module), known.last
        self._ran = alive
        self._known.clear()
        self._paths.clear()

    def backward_begins(self, last: int) -> None:
        """Ops after ``last`` belong to another step."""
        if last > self._turns[-1]:
            self._turns.append(last)

    def ran(self) -> frozenset[int] | None:
        """Return the identities of the modules that have run ops of their own in this step.

        A step begins after a backward; when nothing has run since the last one, it is the step
        of that one. None where no module has ever run an op while ops were recorded.
        """
        last = {key: op for key, (held, op) in self._ran.items() if held() is not None}
        last |= {key: known.last for key, known in self._known.items()}
        if not last:
            return None
        start = self._turns[-1] if max(last.values()) > self._turns[-1] else self._turns[0]
        return frozenset(key for key, op in last.items() if op > start)
