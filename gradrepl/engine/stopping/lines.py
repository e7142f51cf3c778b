"""Line and function breakpoints, as pdb has them: Python's trace hook, only while one is armed.

Only code that has a breakpoint is traced line by line; everything else costs one call of ours
when it is entered.
"""

from __future__ import annotations

import difflib
import linecache
import os
import re
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from gradrepl import conditions as c
from gradrepl.engine.boundary import Part
from gradrepl.engine.code import frames

Tracer = Callable[[FrameType, str, Any], Any]


class Lines:
    """Traces the lines that something armed is about."""

    def __init__(self, came: Callable[[FrameType, bool], None]) -> None:
        self._came = came
        """Told of the frame that comes to a line, and whether its function is just entered."""
        self._lines: list[c.Line] = []
        self._functions: frozenset[str] = frozenset()
        self._known: dict[int, tuple[frozenset[int], CodeType]] = {}
        self._entered: FrameType | None = None
        self._at: tuple[FrameType, int] | None = None
        self._told_again: tuple[FrameType, int] | None = None
        self._part = Part("stopping at lines and functions", self._stop)

    def _stop(self) -> None:
        if sys.gettrace() == self._call:
            sys.settrace(None)

    def watch(self, lines: list[c.Line], functions: frozenset[str]) -> None:
        """Trace exactly these from now on, in the calling thread; nothing, if there are none."""
        tracing = sys.gettrace() == self._call
        if (lines, functions) == (self._lines, self._functions) and tracing == bool(
            lines or functions
        ):
            return
        self._known.clear()
        self._told_again = self._at
        self._lines, self._functions = lines, functions
        if not lines and not functions:
            self._at = self._told_again = None
            self._stop()
            return
        if self.taken() or not self._part.works:
            return
        sys.settrace(self._call)
        for frame in frames.user_frames(sys._getframe(1)):
            if self._of(frame.f_code):
                frame.f_trace = self._line

    def taken(self) -> bool:
        """Does somebody else trace already? There can be only one."""
        return sys.gettrace() not in (None, self._call)

    def _of(self, code: CodeType) -> frozenset[int]:
        """Return the lines of ``code`` that are watched."""
        watched = self._known.get(id(code))
        if watched is None:
            wanted = [each.line for each in self._lines if same_file(code.co_filename, each.file)]
            if frames.kind(code) != frames.USER:  # the recorder's, which look like the user's
                wanted = []
            own = {line for _, _, line in code.co_lines() if line}
            watched = self._known[id(code)] = (frozenset(wanted) & own, code)
        return watched[0]

    def _call(self, frame: FrameType, event: str, argument: Any) -> Tracer | None:
        """Trace function for new frames."""
        try:
            code = frame.f_code
            if code.co_name in self._functions and frames.kind(code) == frames.USER:
                self._entered = frame
                return self._line
            return self._line if self._of(code) else None
        except Exception as error:
            if not self._part.failed(error):
                raise
            return None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Tracer | None:
        """Trace function inside a frame that has watched lines."""
        try:
            if event == "line" and self._part.works:
                self._comes(frame)
        except Exception as error:
            if not self._part.failed(error):
                raise
        return self._line if self._part.works else None

    def _comes(self, frame: FrameType) -> None:
        again, self._told_again = self._told_again, None
        self._at = (frame, frame.f_lasti)
        if again == self._at:
            return  # Python tells a line anew when the tracing changes on it
        entered = self._entered is frame
        if entered:
            self._entered = None
        if entered or frame.f_lineno in self._of(frame.f_code):
            self._came(frame, entered)


def same_file(path: str, wanted: str) -> bool:
    """Is ``wanted`` this file: its path, its end, or its bare name?

    >>> same_file("/home/me/train.py", "train.py"), same_file("/home/me/train.py", "rain.py")
    (True, False)
    """
    if not wanted or path == wanted:
        return path == wanted
    return frames.absolute(path) == frames.absolute(wanted) or path.endswith(os.sep + wanted)


def doubts(condition: c.Condition, find: Callable[[str], str]) -> Iterator[str]:
    """Say which files and functions of a breakpoint nothing that is loaded has."""
    for part in condition.parts():
        if (
            isinstance(part, c.Line)
            and part.file
            and not find(part.file)
            and not any(same_file(each, part.file) for each in _files())
        ):
            yield f"no file '{part.file}' is here or loaded so far."
        if isinstance(part, c.InFunction):
            defined = re.compile(rf"^\s*(async\s+)?def\s+{part.function}\b", re.MULTILINE)
            if not any(defined.search("".join(linecache.getlines(each))) for each in _files()):
                near = difflib.get_close_matches(part.function, c.words(), 1)
                suggestion = f" Did you mean 'b {near[0]}'?" if near else ""
                yield f"no function '{part.function}' is in the files loaded so far.{suggestion}"


def _files() -> Iterator[str]:
    """Yield the files of the user's loaded modules, and what was typed."""
    yield from [each for each in linecache.cache if each.startswith("<")]
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and frames.of_user(file):
            yield file
