"""Make the README's pictures anew: real runs of the examples, written by ``:export screen``.

``python tests/tui/make_pictures.py [NAME...]``; they go to ``examples/pictures/``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from gradrepl.commands.conversation import Conversation
from gradrepl.launch import Options
from gradrepl.tui.app import GradreplApp

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "examples" / "pictures"
SIZE = (120, 35)
WALKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "forward": (
        "digits_cnn.py",
        (":display out.mean().item()", "until op relu", "n", "s", "s", "!1"),
    ),
    "backward": ("digits_cnn.py", ("b node NllLoss*", "c", "s", "s", "s", "!2")),
    "memory": ("memory_sharing.py", ("b 39", "c", "s", "s", "!3")),
    "data": ("loader_digits.py", ("b label 8", "c", "!4", "!n", "!n")),
    "health": ("vanishing.py", (":watch grads", "b 38", "c", "!5")),
}
"""By picture: the example, and what is typed; after '!' keys."""


async def waits(app: GradreplApp, pilot: Pilot[Any]) -> None:
    """Wait until the program waits and everything is drawn."""
    quiet = 0
    for _ in range(3000):
        await pilot.pause(0.02)
        ready = app._started and app.talk.prompt is not None and not app.entries.busy
        work = any(worker.is_running for worker in app.workers if worker.name != "serve")
        quiet = quiet + 1 if ready and not work and not app.entries._queue.qsize() else 0
        if quiet == 5:
            return
    raise SystemExit("the program does not come to a stop")


async def make(name: str) -> None:
    """Walk through one example, and write its picture."""
    script, walk = WALKS[name]
    options = Options(target=str(ROOT / "examples" / script), stdin="asked", output="piped")
    app = GradreplApp(lambda show: Conversation(options, show), typing=False)
    async with app.run_test(size=SIZE) as pilot:
        await waits(app, pilot)
        for entry in walk:
            if entry.startswith("!"):
                await pilot.press(*entry[1:])
            else:
                app.enqueue(entry)
            await waits(app, pilot)
        await app.talk.enter(f":export! screen {FOLDER / name}.svg")
        await app.leave_for_good()


def main(names: list[str]) -> None:
    """Make all pictures, or those named."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as state:
        os.environ.update(XDG_STATE_HOME=state, TEXTUAL_ANIMATIONS="none")
        for name in names or WALKS:
            asyncio.run(make(name))
            print(f"{FOLDER / name}.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
