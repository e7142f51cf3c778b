"""What of somebody else's is ours for a while, and how it comes back: an attribute, a warning."""

from __future__ import annotations

import ctypes
import dis
import functools
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CellType, CodeType
from typing import Any, TypeVar

from gradrepl.engine.boundary import Part
from gradrepl.engine.code import evaluate

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


class Once:
    """What ours stands in for, as ours calls it: what it raises is the program's."""

    def __init__(self, original: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self._original = original
        self.given: tuple[Any, Any] = args, kwargs
        """What it is called with where ours fails before it."""
        self.ran = False
        self.value: Any = None
        self.error: BaseException | None = None

    @passes
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        self.ran = True
        self.value = self.its_own(self._original, *args, **kwargs)
        return self.value

    @passes
    def its_own(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return what code of the program's does here instead of inside of the original."""
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            self.error = error
            raise

    @passes
    def settle(self) -> Any:
        """Return or raise what the original did; it is called if it was not."""
        error, self.error = self.error, None  # its traceback holds our frames
        try:
            if error is not None:
                raise error
            args, kwargs = self.given
            return self.value if self.ran else self._original(*args, **kwargs)
        finally:
            del error


def standing_in(part: Part, ours: Callable[..., Any], kept: Callable[[], Any]) -> Any:
    """Return a function that calls ``ours`` with the original, and what it was called with itself.

    Where ours fails, what the original has returned or raised stands.
    """

    @passes
    @functools.wraps(kept())
    def stands_in(*args: Any, **kwargs: Any) -> Any:
        once = Once(kept(), args, kwargs)
        try:
            try:
                if part.works:
                    return ours(once, *args, **kwargs)
            except Exception as error:
                fits = error.__traceback__.tb_next is not None  # type: ignore[union-attr]
                ends = isinstance(error, StopIteration)  # a loop: batches of ours may be over
                if error is once.error or ends or (fits and not part.failed(error)):
                    raise
            return once.settle()
        except BaseException:
            evaluate.leave_no_entry()
            raise
        finally:
            once.error = None

    return stands_in


without_begin: list[CodeType] = []
"""Code that is hidden: torch.compile must not try to read it."""


def hidden(function: Made) -> Made:
    """Keep a function of ours, below the program's first line, out of whatever counts frames.

    Python passes over the frame of a function that has not begun: one before its instruction
    RESUME. Without that instruction it never does, to tracebacks, stacks, warnings and profiles.
    The function must not ask for its own frame, nor use ``super()``.
    """
    code: CodeType = function.__code__  # type: ignore[attr-defined]
    steps = bytearray(code.co_code)
    for place in range(0, len(steps), 2):
        if steps[place] == dis.opmap["RESUME"]:
            steps[place : place + 2] = bytes((dis.opmap["NOP"], 0))
    function.__code__ = code.replace(co_code=bytes(steps))  # type: ignore[attr-defined]
    without_begin.append(function.__code__)  # type: ignore[attr-defined]
    return function


PROFILE = ctypes.PYFUNCTYPE(ctypes.c_int, *[ctypes.c_ssize_t] * 4)
"""A profile hook as C has it."""
_BEGINS = 16
"""Bytes before its instructions at which a code object says with which one it begins."""


def hide_running(code: CodeType) -> None:
    """The same for code that runs already, where this Python says so as we expect."""
    probe = (lambda a: lambda: a).__code__
    for each in (probe, code):
        steps = each.co_code
        begins = steps[::2].index(dis.opmap["RESUME"])
        said = ctypes.c_int.from_address(id(each) + type(each).__basicsize__ - _BEGINS)
        if said.value != begins:
            return
    said.value = len(code.co_code) // 2


@contextmanager
def whole_stack() -> Iterator[None]:
    """Let code be called as many levels deep as if nothing of ours were below it."""
    left = _levels_left()
    taken = sys.getrecursionlimit() - left.value - 2 if left is not None else 0
    if left is not None:
        left.value += taken
    try:
        yield
    finally:
        if left is not None:
            left.value -= taken


def _levels_left() -> ctypes.c_int | None:
    """Return how many levels this thread has left, where Python keeps that beside the limit."""
    thread, limit = ctypes.pythonapi.PyThreadState_Get, sys.getrecursionlimit()
    thread.restype = ctypes.c_void_p
    kept = (ctypes.c_int * 32).from_address(thread())
    before = list(kept)
    sys.setrecursionlimit(limit + 1)
    after = list(kept)
    sys.setrecursionlimit(limit)
    for place in range(len(before) - 1):
        if (
            before[place + 1] == limit
            and [b + 1 for b in before[place : place + 2]] == after[place : place + 2]
        ):
            return ctypes.c_int.from_buffer(kept, 4 * place)
    return None


_placed: list[Patch] = []
"""All that are in place."""


class Patch:
    """Puts ``ours`` in the place of ``owner.name``; what the user put there meanwhile stays.

    With a ``part``, ours is called with the original before the arguments.
    """

    def __init__(self, owner: Any, name: str, ours: Any, part: Part | None = None) -> None:
        self._owner, self._name = owner, name
        self._installed = False
        self.kept: Any = self._read()
        """What was there before: what ours hands on to, also once it is removed."""
        self._part = part
        self._ours = ours if part is None else standing_in(part, ours, self._original)

    def _original(self) -> Any:
        return self.kept

    def install(self) -> None:
        """Put ours in place, on top of whatever is there now."""
        if not self._installed and (self._part is None or self._part.works):
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

    def _read(self) -> Any:
        return vars(self._owner).get(self._name)

    def _write(self, value: Any) -> None:
        setattr(self._owner, self._name, value)


class InheritedPatch(Patch):
    """The same for a method that a class has from another: put in front of it, and away again."""

    def _original(self) -> Any:
        return self.kept or getattr(super(self._owner, self._owner), self._name)

    def _write(self, value: Any) -> None:
        if value is None:
            delattr(self._owner, self._name)
        else:
            super()._write(value)


class ClosurePatch(Patch):
    """The same for a variable that function ``owner`` holds in its closure: every name it has
    been imported by is met."""

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
        with _forks:
            ours = sum(each.name.startswith(_OURS) for each in threading.enumerate())
            if _TEXT.match(text) and (branching or _threads() - ours <= 1):
                _remove_filter()
                return True
        return False  # and the filter stays until the next fork: Python goes through the list


_fork_filter: Any = ("ignore", _OnlyOurs(), DeprecationWarning, None, 0)


def _threads() -> int:
    """Return how many threads Python counts when it warns: the system's, where it tells them."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


_forks = Part("hiding the warning of a fork with threads of gradrepl's own")


def _add_filter() -> None:
    with _forks:
        _remove_filter()
        # Not by ``filterwarnings``, which would have every warning shown once more.
        warnings.filters.insert(0, _fork_filter)  # type: ignore[attr-defined]


def _remove_filter() -> None:
    with _forks:
        if _fork_filter in warnings.filters:
            warnings.filters.remove(_fork_filter)  # type: ignore[attr-defined]


def hide_fork_warning() -> None:
    """From now on, tell that warning only where it would come without us."""
    if sys.version_info >= (3, 12):
        os.register_at_fork(before=_add_filter, after_in_child=_remove_filter)
