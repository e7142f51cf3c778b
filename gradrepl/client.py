"""Which client serves: the screen, the line prompt, or lines from a pipe.

The user's wish and the terminal decide. Here also begins the client that is the child of a program
which stopped on its own terminal.
"""

from __future__ import annotations

import os
import signal
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from gradrepl import endpoint
from gradrepl.errors import ConfigError

if TYPE_CHECKING:
    from gradrepl.launch import Options

COLUMNS, ROWS = 60, 15
"""The smallest terminal that the screen is drawn on."""
CLIENTS = {"tui": "gradrepl.tui", "repl": "gradrepl.repl.prompt", "batch": "gradrepl.repl.batch"}


def is_tty(descriptor: int) -> bool:
    """Is this open, and a terminal?"""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False  # closed


def has_screen(descriptor: int = 1) -> bool:
    """Is the terminal large enough for the screen, and not a dumb one?"""
    if not is_tty(descriptor) or os.environ.get("TERM", "dumb") in ("dumb", ""):
        return False
    columns, rows = os.get_terminal_size(descriptor)
    return columns >= COLUMNS and rows >= ROWS


def choose(options: Options) -> Options:
    """Return ``options`` with the client that this terminal can have."""
    if options.json or not is_tty(0):
        output = "inherit" if is_tty(1) else "stdout"
        return replace(options, client="batch", stdin="lines", output=output)
    if options.client == "repl" or options.plain or not (has_screen(1) and has_screen(2)):
        return replace(options, client="repl", stdin="tty")
    return replace(options, client="tui", stdin="asked", output="piped")


def run(options: Options) -> int:
    """Serve the user with the client that was chosen; return the exit code."""
    guard = None
    if options.client != "batch" and (options.endpoint is None or options.endpoint.link < 0):
        from gradrepl.guard import Guard

        guard = Guard(screen=options.client == "tui")
        options = replace(options, guard=guard.done)
    try:
        code: int = import_module(CLIENTS[options.client]).run(options)
    finally:
        if guard is not None:
            guard.leave()
    return code


def main() -> int:
    """Be the client that a stopped program has started on its terminal."""
    here = msgspec.json.decode(os.environ.pop(endpoint.VARIABLE), type=endpoint.Endpoint)
    # When the program dies the shell takes the terminal back: we must still put it in order.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    for number in (here.link, here.input, *here.outputs):
        if number >= 0:
            os.set_inheritable(number, False)
    options = replace(settings(), endpoint=here, commands=())
    if here.screen:
        return run(replace(options, client="tui", stdin="asked", output="piped"))
    return run(replace(options, client="repl", stdin="tty"))


def settings() -> Options:
    """Return the settings; where they are wrong the program stops all the same, with a word."""
    from gradrepl import config, launch

    try:
        return config.options()
    except ConfigError as error:
        return launch.Options(notes=(f"settings are not used: {error}",))
