"""``gradrepl keys``: what the terminal sends for each key, and what a key map would call it."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty

from gradrepl.errors import StateError

QUIET = 0.1
"""Seconds after which what came is taken for one key."""


def show() -> int:
    """Print each key as it is pressed, until Ctrl+D.

    Raises:
        StateError: there is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise StateError("'gradrepl keys' needs a terminal.")
    print("Press keys to see their names for the key map; Ctrl+D ends.\r")
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        while True:
            data = os.read(0, 64)
            while select.select([0], [], [], QUIET)[0] and data[:1] == b"\x1b":
                data += os.read(0, 64)
            if not data or data == b"\x04":
                return 0
            names = ", ".join(named(data)) or "nothing that is known"
            sys.stdout.write(f"{names:24} {data!r}\r\n")
            sys.stdout.flush()
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def named(data: bytes) -> list[str]:
    """Return the names that the screen has for the keys in ``data``."""
    from textual import events
    from textual._xterm_parser import XTermParser

    parser = XTermParser()
    found = [*parser.feed(data.decode(errors="replace")), *parser.feed("")]
    return [event.key for event in found if isinstance(event, events.Key)]
