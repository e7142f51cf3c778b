"""What is typed and pressed, done one after another; and what is asked in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from gradrepl import model
from gradrepl.errors import GradreplError, LinkError

if TYPE_CHECKING:
    from gradrepl import protocol
    from gradrepl.commands.conversation import Conversation

Show = Callable[[model.Record], None]
Make = Callable[[Show], "Conversation"]
Ask = Callable[["protocol.Request"], Awaitable[model.Record | None]]
"""Returns the answer, or None while the program runs, when it is gone, or says no."""
PATIENT = 0.4
"""Seconds that something runs before further keys are refused instead of queued."""
QUEUE = 64


class Entries:
    """A queue that is there before the conversation is: what is typed ahead waits in it."""

    def __init__(self) -> None:
        self.talk: Conversation
        self.busy = False
        self._since = 0.0
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE)
        self.generation = 0
        """Counts how often the open page was brought up to date."""

    async def serve(
        self, talk: Conversation, show: Show, done: Callable[[], Awaitable[None]]
    ) -> None:
        """Start the debuggee, then do entries one after another; ``done`` follows each."""

        async def do(work: Awaitable[None]) -> None:
            self.busy, self._since = True, time.monotonic()
            try:
                await work
            except GradreplError as error:
                show(error.record())
            finally:
                self.busy = False
            await done()

        await do(talk.start())
        while not talk.finished:
            text = await self._queue.get()
            if text is not None:
                await do(talk.enter(text))

    def wake(self) -> None:
        """Let :meth:`serve` see that it is over."""
        if self._queue.empty():
            self._queue.put_nowait(None)

    @property
    def long(self) -> bool:
        """Has something been running for longer than further entries wait?"""
        return self.busy and time.monotonic() - self._since > PATIENT

    def put(self, text: str) -> bool:
        """Do ``text`` after what is being done; False: it is not taken."""
        if self.long or self._queue.full():
            return False
        self._queue.put_nowait(text)
        return True

    async def ask(self, request: protocol.Request) -> model.Record | None:
        """Return the answer, or None when the debuggee runs, is gone, or says no."""
        if self.talk.prompt is None:
            return None
        try:
            record = await self.talk.ask(request)
        except LinkError:
            return None
        return None if isinstance(record, model.Error) else record

    def ask_now(self, renewed: bool = False) -> Ask:
        """Return :meth:`ask`, which answers None as soon as the page is ``renewed`` again."""
        self.generation += renewed
        generation = self.generation

        async def ask(request: protocol.Request) -> model.Record | None:
            answer = await self.ask(request)
            return answer if generation == self.generation else None

        return ask
