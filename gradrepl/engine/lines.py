"""When an op is the first on a line: line and function breakpoints, told from consecutive ops."""

from __future__ import annotations

import os
from types import FrameType

from gradrepl.engine import frames

Seen = tuple[FrameType, int, int]
"""(frame, line, last instruction)"""


class Lines:
    """Compares the user's frames of each op with those of the op before."""

    def __init__(self) -> None:
        self._before: list[Seen] = []
        """Outermost first."""
        self._fresh: list[tuple[FrameType, int]] = []
        self._entered: set[str] = set()

    def see(self, frame: FrameType | None) -> None:
        """Take note of the op that ``frame`` calls."""
        now = [(each, each.f_lineno, each.f_lasti) for each in reversed(frames.user_frames(frame))]
        self._fresh = []
        known = {id(each) for each, _, _ in self._before}
        self._entered = {each.f_code.co_name for each, _, _ in now if id(each) not in known}
        for level, (each, line, last) in enumerate(now):
            if self._came(level, each, line, last, now):
                self._fresh.append((each, line))
        self._before = now

    def _came(self, level: int, frame: FrameType, line: int, last: int, now: list[Seen]) -> bool:
        if level >= len(self._before) or self._before[level][0] is not frame:
            return True
        _, old_line, old_last = self._before[level]
        if line != old_line or last < old_last:
            return True
        if last > old_last:
            return False
        inner = now[level + 1][0] if level + 1 < len(now) else None
        old = self._before[level + 1][0] if level + 1 < len(self._before) else None
        return inner is None or (old is not None and inner is not old)

    def at(self, file: str, line: int) -> bool:
        """Has a frame just come to this line?"""
        return any(
            came == line and same_file(frame.f_code.co_filename, file)
            for frame, came in self._fresh
        )

    def inside(self, function: str) -> bool:
        """Has a function of this name just been entered?"""
        return function in self._entered

    def forget(self) -> None:
        """Let go of the frames."""
        self._before, self._fresh = [], []


def same_file(path: str, wanted: str) -> bool:
    """Is ``wanted`` this file: its path, its end, or its bare name?"""
    if not wanted or path == wanted:
        return path == wanted
    return os.path.abspath(path) == os.path.abspath(wanted) or path.endswith(os.sep + wanted)
