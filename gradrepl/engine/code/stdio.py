"""Standard input shared with a face, and output that survives it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress


class LineInput(io.RawIOBase):
    """Reads descriptor 0 a byte at a time up to a newline: what follows is for somebody else."""

    def __init__(self, before: Callable[[], None]) -> None:
        super().__init__()
        self._before = before
        """Called before each read that may block."""

    def readable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """Return 0, as of the real one."""
        return 0

    def isatty(self) -> bool:
        """Return what descriptor 0 is."""
        return os.isatty(0)

    def readinto(self, buffer: object) -> int:
        """Read at most one line."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        self._before()
        count = 0
        while count < len(view):
            byte = os.read(0, 1)
            if not byte:
                break
            view[count : count + 1] = byte
            count += 1
            if byte == b"\n":
                break
        return count


def share_input(before: Callable[[], None]) -> None:
    """Make ``sys.stdin`` read no further than it must."""
    old = sys.stdin
    encoding = getattr(old, "encoding", None) or "utf-8"
    errors = getattr(old, "errors", None) or "strict"
    sys.stdin = io.TextIOWrapper(
        io.BufferedReader(LineInput(before), 1 << 16), encoding=encoding, errors=errors
    )


def output_by_lines() -> None:
    """Let piped output come when a line is whole, as a terminal would show it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def fall_back(keep: Sequence[int], fallback: Sequence[int]) -> None:
    """The face is gone: output goes to its terminal; the pipes are emptied so that nobody waits."""
    for own, terminal in zip((0, 1, 2), fallback, strict=False):
        with suppress(OSError):  # the script closed it, or the terminal is gone
            os.dup2(terminal, own)
    for descriptor in keep:
        _drain(descriptor)


def say(sentence: str) -> None:
    """Say something where the program says what is wrong: there is no face to tell."""
    with suppress(OSError):
        os.write(2, f"gradrepl: {sentence}\n".encode())


def _drain(descriptor: int) -> None:
    try:
        os.set_blocking(descriptor, False)
        while os.read(descriptor, 1 << 16):
            pass
    except OSError:
        pass  # empty, or closed already
