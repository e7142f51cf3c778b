"""The program's own streams while a screen is drawn on its terminal, and how they come back."""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from gradrepl.engine.code import stdio
from gradrepl.link import leave_signals

HIGH = 700
"""Number from which on the terminal's own descriptors are kept meanwhile."""


def flush() -> None:
    """Write out what Python's standard streams hold."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or not a file at all
            stream.flush()


class Redirection:
    """Standard streams that are the terminal become pipes; others stay as they are."""

    def __init__(self, reads_input: Callable[[], None]) -> None:
        self.outputs: tuple[int, ...] = ()
        """For descriptor 1 and 2 the read end of its pipe, -1 where it is no terminal."""
        self.input = -1
        """The write end of standard input's pipe, -1 if that is no terminal."""
        self._kept: dict[int, int] = {}
        flush()
        self.outputs = tuple(self._pipe(number) for number in (1, 2))
        self._stdin = sys.stdin
        if os.isatty(0):
            self._keep(0)
            read, self.input = os.pipe()
            os.dup2(read, 0)
            os.close(read)
            stdio.share_input(reads_input)
        self._ours = sys.stdin

    @property
    def shared(self) -> tuple[int, ...]:
        """The pipes' ends that the face gets."""
        return tuple(number for number in (*self.outputs, self.input) if number >= 0)

    def handed_over(self) -> None:
        """The face has its copies: its end of the input is its own."""
        if self.input >= 0:
            os.close(self.input)
            self.input = -1

    def undo(self) -> None:
        """Put everything back; what nobody has read goes to the terminal."""
        self.handed_over()
        if sys.stdin is self._ours:
            sys.stdin = self._stdin
        flush()
        for number, kept in self._kept.items():
            os.dup2(kept, number)
            os.close(kept)
        for pipe, number in zip(self.outputs, (1, 2), strict=True):
            if pipe >= 0 and not _copy(pipe, number):
                # A process that was started meanwhile still writes into the pipe.
                threading.Thread(
                    target=_copy_all, args=(pipe, number), name="gradrepl-output", daemon=True
                ).start()
        self._kept.clear()
        self.outputs = (-1, -1)

    def _pipe(self, number: int) -> int:
        if not os.isatty(number):
            return -1
        self._keep(number)
        read, write = os.pipe()
        os.dup2(write, number)
        os.close(write)
        return read

    def _keep(self, number: int) -> None:
        try:
            self._kept[number] = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, HIGH)
        except OSError:
            self._kept[number] = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)


def _copy(pipe: int, number: int) -> bool:
    """Write what is in ``pipe`` to ``number``; True, and it is closed, if nobody else writes."""
    os.set_blocking(pipe, False)
    try:
        while data := os.read(pipe, 1 << 16):
            os.write(number, data)
    except BlockingIOError:
        return False
    except OSError:
        pass  # the terminal is gone
    os.close(pipe)
    return True


def _copy_all(pipe: int, number: int) -> None:
    leave_signals()
    os.set_blocking(pipe, True)
    with suppress(OSError):
        while data := os.read(pipe, 1 << 16):
            os.write(number, data)
    os.close(pipe)
