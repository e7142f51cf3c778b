"""Every screen once, from samples that never change: for snapshots, and for looking at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hand_made import node_stop, op_stop
from screens import Seen
from test_data_screen import Loads
from test_health_screen import Watches
from test_memory_screen import Shares
from textual.command import CommandList

from gradrepl.tui.dialogs import offers

PRINTED = b"epoch 1  loss 2.302\nepoch 2  loss 1.871\n"
NAMES = ("fwd", "bwd", "mem", "data", "sample", "health", "log", "help", "palette", "quit", "start")


class Whole(Loads, Watches, Shares):
    """A conversation that has an answer for every screen."""

    watching = True


async def found(seen: Seen) -> None:
    """Wait until the palette lists everything."""
    for _ in range(200):
        await seen.pilot.pause(0.02)
        if seen.app.screen.query_one(CommandList).option_count >= len(list(offers(seen.app))):
            break
    await seen.settle()


async def scenes(seen: Seen) -> AsyncIterator[str]:
    """Go from screen to screen; yield the name of each when it is drawn."""
    app = seen.app
    app.dock.prompt.cursor_blink = False
    yield "start"
    await seen.stop_at(op_stop(3))
    await seen.press("escape")
    yield "fwd"
    await seen.stop_at(node_stop(3))
    yield "bwd"
    await seen.press("question_mark")
    yield "help"
    await seen.press("escape", "ctrl+p")
    await found(seen)
    yield "palette"
    await seen.press("escape", "3")
    yield "mem"
    await seen.press("4", "n")
    yield "data"
    await seen.press("enter")
    yield "sample"
    await seen.press("escape", "5")
    yield "health"
    app.main.printed("stdout", PRINTED)
    app.main.printed("stderr", b"UserWarning: lr_scheduler.step() before optimizer.step()\n")
    await seen.press("6")
    yield "log"
    await seen.press("2")
    seen.talk.hold = asyncio.Event()
    await seen.press("c")
    app.paint_state()  # what runs for long is said after a moment
    await seen.press("q")
    yield "quit"
    seen.talk.hold.set()
    await seen.press("n")
