"""The screen. ``run`` imports Textual only when it is called."""

from __future__ import annotations

import gc
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradrepl.commands.conversation import Conversation
    from gradrepl.launch import Options


PATIENCE = 5.0
"""Seconds that leaving may take when the terminal is gone."""
FRAMES = 120
"""Times a second that a changed screen may be painted: a key waits for the next."""


@contextmanager
def _frames(number: int) -> Iterator[None]:
    """Let Textual read the number of frames while it is imported, and nobody after."""
    ours = "TEXTUAL_FPS" not in os.environ
    os.environ.setdefault("TEXTUAL_FPS", str(number))
    try:
        yield
    finally:
        if ours:
            del os.environ["TEXTUAL_FPS"]


def _leave(talk: Conversation, number: int) -> None:
    """Pass a signal on that asks us to go.

    When the terminal itself is gone, Textual's writer thread dies and its full queue blocks the
    shutdown for ever: then a timer ends us.
    """
    talk.forward_signal(number)
    if number == signal.SIGHUP:
        timer = threading.Timer(PATIENCE, os._exit, (128 + number,))
        timer.daemon = True
        timer.start()


def run(options: Options) -> int:
    """Show the screen until the user leaves; return the exit code."""
    gc.disable()  # until the first frame: a tenth of the start went into finding nothing to free

    import msgspec

    with _frames(FRAMES):
        from gradrepl.tui.app import GradreplApp
        from gradrepl.tui.entries import Show

    options = msgspec.structs.replace(options, stdin="asked", output="piped")
    color = options.color and not os.environ.get("NO_COLOR")
    kept = os.environ.get("NO_COLOR")
    os.environ.pop("NO_COLOR", None)
    if not color:
        os.environ["NO_COLOR"] = "1"  # Textual takes it out of the environment

    def make(show: Show) -> Conversation:
        """Make the conversation; called when the first frame is painted."""
        gc.freeze()
        gc.enable()
        import asyncio

        from gradrepl.commands.conversation import converse

        signal.signal(signal.SIGINT, lambda number, frame: None)  # it is for what we are lent to
        talk = converse(options, show)
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, _leave, talk, number)
        return talk

    keymap: dict[str, str] = {}
    if options.keys != "default" or options.keymap:
        from gradrepl.tui import keymaps

        keymap = keymaps.chosen(options.keys, options.keymap, options.plugins, options.blocked)
    app = GradreplApp(
        make,
        typing=not (options.target or options.endpoint),
        ascii=options.ascii,
        theme=options.theme,
        keymap=keymap,
    )
    if kept is not None:
        os.environ["NO_COLOR"] = kept
    code = app.run()
    return app.return_code or 0 if code is None else code
