"""Can the screen be drawn on this terminal?"""

from __future__ import annotations

import os

COLUMNS, ROWS = 60, 15
"""The smallest terminal that the screen is drawn on."""


def is_tty(descriptor: int) -> bool:
    """Is this open, and a terminal?"""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False  # closed


def has_screen(descriptor: int = 1) -> bool:
    """Is the terminal large enough, and not a dumb one?"""
    if not is_tty(descriptor) or os.environ.get("TERM", "dumb") in ("dumb", ""):
        return False
    columns, rows = os.get_terminal_size(descriptor)
    return columns >= COLUMNS and rows >= ROWS
