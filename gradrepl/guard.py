"""The terminal as it was, whatever becomes of the client that draws on it.

A killed client can put nothing in order. So a small process waits for its end: it restores the
terminal if the client did not say that all was well, and the program waits for that before it
prints on.
"""

from __future__ import annotations

import os
import select
import signal
import termios
from contextlib import suppress
from typing import Any

_MODES = (1049, 1000, 1002, 1003, 1004, 1006, 1015, 1016, 2004, 2026, 2048)
SANE = (
    b"\x18"  # CAN: the killed screen may have been in the middle of a control sequence
    + b"".join(b"\x1b[?%dl" % mode for mode in _MODES)
    + b"\x1b[<u\x1b[?7h\x1b[?25h\x1b[0m"
)
"""Out of what a killed screen leaves on: its page, the mouse, keys, no line wrap, colours."""
LINE = b"\x18\x1b[?2004l\x1b[?25h\x1b[0m"
"""The same of a line prompt."""
PATIENCE = 2.0
"""Seconds that the program waits for its terminal."""


class Guard:
    """The process that waits, made before the client draws anything."""

    def __init__(self, screen: bool) -> None:
        mode = termios.tcgetattr(0)
        tty = os.dup(0)
        if screen:
            os.write(tty, b"\x1b7")  # to leave the page, open or not, comes back here
        client, self._client = os.pipe()
        self.done, done = os.pipe()
        """Its end says that nothing more is done to the terminal."""
        self._pid = os.fork()
        if not self._pid:
            try:
                _wait(tty, mode, client, done, SANE if screen else LINE)
            finally:
                os._exit(0)
        for number in (tty, client, done):
            os.close(number)

    def leave(self) -> None:
        """The client has put all in order itself."""
        with suppress(OSError):  # it was ended by somebody
            os.write(self._client, b".")
            os.waitpid(self._pid, 0)
        os.close(self._client)
        os.close(self.done)


def _wait(tty: int, mode: list[Any], client: int, done: int, sane: bytes) -> None:
    """Be the process that waits."""
    for each in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGTTOU):
        signal.signal(each, signal.SIG_IGN)
    os.setpgid(0, 0)  # neither a key nor the end of a job is meant for it
    kept = (tty, client, done)
    for number in range(max(kept) + 1):
        if number not in kept:
            with suppress(OSError):
                os.close(number)
    if not os.read(client, 1):
        with suppress(OSError, termios.error):  # the terminal is gone
            os.write(tty, sane)
            termios.tcsetattr(tty, termios.TCSAFLUSH, mode)


def await_done(done: int) -> None:
    """Wait for the terminal of a client that is gone; -1: there is none."""
    with suppress(OSError, ValueError):  # the program has closed it
        if done >= 0:
            select.select([done], [], [], PATIENCE)
