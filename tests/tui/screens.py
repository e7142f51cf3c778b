"""One screen on a conversation made by hand, its text, and places for its files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from hand_made import FakeConversation
from textual.pilot import Pilot

from gradrepl.tui.app import GradreplApp


class Seen:
    """The app, its pilot, its conversation, and what can be read on the screen."""

    def __init__(self, app: GradreplApp, pilot: Pilot[Any], talk: FakeConversation) -> None:
        self.app, self.pilot, self.talk = app, pilot, talk

    @property
    def lines(self) -> list[str]:
        strips = self.app.screen._compositor.render_strips()
        return ["".join(part.text for part in strip) for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def type(self, text: str) -> None:
        """Type an entry and run it."""
        if not self.app.dock.typing:
            await self.press("i")
        self.app.dock.prompt.put(text)
        await self.press("enter")

    async def stop_at(self, stop: Any) -> None:
        """Stop somewhere, as when an entry comes to a stop."""
        self.talk.at(stop)
        self.app.renew()
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing is on its way."""
        app = self.app
        quiet = 0
        for _ in range(200):
            await self.pilot.pause()
            work = any(w.is_running for w in app.workers if w.name != "serve")
            held = self.talk.hold is not None and not self.talk.hold.is_set()
            busy = app.entries._queue.qsize() or (app.entries.busy and not held)
            quiet = 0 if work or busy else quiet + 1
            if quiet == 2:
                return


@asynccontextmanager
async def screen(
    size: tuple[int, int] = (80, 24), prepare: Callable[[FakeConversation], None] | None = None,
    make: type[FakeConversation] = FakeConversation, **options: Any,
) -> AsyncIterator[Seen]:  # fmt: skip
    """Run the app without a terminal."""
    made: list[FakeConversation] = []

    def begin(show: Any) -> FakeConversation:
        made.append(make(show))
        if prepare is not None:
            prepare(made[0])
        return made[0]

    app = GradreplApp(begin, **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        await pilot.pause()
        seen = Seen(app, pilot, made[0])
        await seen.settle()
        yield seen


def on_screen(body: Callable[[Seen], Awaitable[None]], **options: Any) -> None:
    """Run ``body`` on a screen; a plain function, so that no fixture holds the app."""

    async def run() -> None:
        async with screen(**options) as seen:
            await body(seen)

    asyncio.run(run())
