"""What of somebody else's is ours for a while, and how it comes back: an attribute, a warning."""

from __future__ import annotations

import functools
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable
from types import CellType, CodeType
from typing import Any, Self, TypeVar

Made = TypeVar("Made", bound=Callable[..., Any])


passing: set[CodeType] = set()
"""Code of ours in whose frames somebody else's function runs: Ctrl-C there is meant for that."""


def unseen(function: Made) -> Made:
    """Keep a function of ours out of the count by which warnings and logs find their caller.

    Python passes over the frames of its own import system, and knows them by their file's name.
    """
    code: CodeType = function.__code__  # type: ignore[attr-defined]
    looks = code.replace(co_filename=f"{code.co_filename} importlib._bootstrap")
    function.__code__ = looks  # type: ignore[attr-defined]
    return function


def passes(function: Made) -> Made:
    """Say that a function of ours calls the original that it stands in for."""
    passing.add(unseen(function).__code__)  # type: ignore[attr-defined]
    return function


_placed: list[Patch] = []
"""All that are in place."""


class Patch:
    """Puts ``ours`` in the place of ``owner.name``; what the user put there meanwhile stays."""

    def __init__(self, owner: Any, name: str, ours: Any) -> None:
        self._owner, self._name, self._ours = owner, name, ours
        self._installed = False
        self.kept: Any = self._read()
        """What was there before: what ours hands on to, also once it is removed."""

    @classmethod
    def of(cls, owner: Any, name: str) -> Callable[[Callable[..., Any]], Self]:
        """Make a function the patch of ``owner.name``; it calls ``kept`` of what it has become."""
        return lambda ours: cls(owner, name, functools.wraps(cls._whole(owner, name))(passes(ours)))

    def install(self) -> None:
        """Put ours in place, on top of whatever is there now."""
        if not self._installed:
            self._installed = True
            self.kept = self._read()
            self._write(self._ours)
            _placed.append(self)

    def remove(self) -> None:
        """Put back what was there, unless somebody has put something else on top of ours."""
        if not self._installed:
            return
        above = next((each for each in _placed if each.kept is self._ours), None)
        if self._read() is self._ours:
            self._write(self.kept)
        elif above is not None:  # another of ours, that stays: it hands on to what we handed on to
            above.kept = self.kept
        else:
            return
        self._installed = False
        _placed.remove(self)

    @staticmethod
    def _whole(owner: Any, name: str) -> Any:
        """Return the function that ours looks like."""
        return vars(owner)[name]

    def _read(self) -> Any:
        return vars(self._owner).get(self._name)

    def _write(self, value: Any) -> None:
        setattr(self._owner, self._name, value)


class InheritedPatch(Patch):
    """The same for a method that a class has from another: put in front of it, and away again."""

    def _write(self, value: Any) -> None:
        if value is None:
            delattr(self._owner, self._name)
        else:
            super()._write(value)


class ClosurePatch(Patch):
    """The same for a variable that function ``owner`` holds in its closure: every name it has
    been imported by is met."""

    @staticmethod
    def _whole(owner: Any, name: str) -> Any:
        return owner.__wrapped__

    def _read(self) -> Any:
        return self._cell().cell_contents

    def _write(self, value: Any) -> None:
        self._cell().cell_contents = value

    def _cell(self) -> CellType:
        cell: CellType = self._owner.__closure__[self._owner.__code__.co_freevars.index(self._name)]
        return cell


# -- the warning of a fork with several threads ---------------------------------------------------
#
# Since Python 3.12 a fork of a process that has more than one thread gives a DeprecationWarning. A
# program that is debugged has ours besides its own. One filter of warnings answers, when that
# warning comes, whether it would have come without us.

_TEXT = re.compile(r"This process \(pid=\d+\) is multi-threaded, use of \w+\(\) may lead to")
_OURS = "gradrepl"
"""How the names of all our threads begin."""
branching = False
"""Is a fork that runs now one of ours, for a look?"""


class _OnlyOurs:
    """Takes the place of the pattern in a filter: matches where ours are the only other threads."""

    def match(self, text: str) -> bool:
        """Is this that warning, and would it not be there without us?"""
        ours = sum(each.name.startswith(_OURS) for each in threading.enumerate())
        if not _TEXT.match(text) or (_threads() - ours > 1 and not branching):
            return False  # and the filter stays until the next fork: Python goes through the list
        _remove_filter()
        return True


_fork_filter: Any = ("ignore", _OnlyOurs(), DeprecationWarning, None, 0)


def _threads() -> int:
    """Return how many threads Python counts when it warns: the system's, where it tells them."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


def _add_filter() -> None:
    _remove_filter()
    # Not by ``filterwarnings``, which would have every warning shown once more.
    warnings.filters.insert(0, _fork_filter)  # type: ignore[attr-defined]


def _remove_filter() -> None:
    if _fork_filter in warnings.filters:
        warnings.filters.remove(_fork_filter)  # type: ignore[attr-defined]


def hide_fork_warning() -> None:
    """From now on, tell that warning only where it would come without us."""
    if sys.version_info >= (3, 12):
        os.register_at_fork(before=_add_filter, after_in_child=_remove_filter)
