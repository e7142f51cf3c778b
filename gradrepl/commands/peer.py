"""One debuggee as a client has it: process, link, and the answers still to come."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gradrepl import model, protocol
from gradrepl.commands.talk import gone_error
from gradrepl.errors import GradreplError, LinkError
from gradrepl.launch import Debuggee, Options, Streams
from gradrepl.link import Link, Listener

PATIENCE = 3.0
"""Seconds that a debuggee gets to quit, and again to terminate."""
LINGER = 0.2
"""Seconds after its end in which the link's last messages are still read."""

Reply = Callable[[model.Record | None], None]


class Peer:
    """One process with the engine in it, from its start to its end.

    ``hear`` gets every message that is not an answer, in order with the answers; ``lost`` is
    called once, with the exit code as in ``subprocess``.
    """

    def __init__(
        self, hear: Callable[[protocol.Messages], None], lost: Callable[[int], None]
    ) -> None:
        self._hear = hear
        self._lost = lost
        self._link: Link | None = None
        self._process: Debuggee | None = None
        self._serving: asyncio.Task[None] | None = None
        self._replies: dict[int, Reply] = {}
        self._asked = 0

    @property
    def pid(self) -> int:
        """The process, 0 before it is started."""
        return self._process.pid if self._process else 0

    async def start(self, options: Options, on_output: Callable[[str, bytes], None]) -> None:
        """Start the process; from then on messages are heard.

        Raises:
            TargetError: the Python of ``options`` cannot be started.
        """
        listener = Listener()
        await listener.open()
        try:
            self._process = Debuggee(options, listener.path, listener.token, on_output)
        except GradreplError:
            listener.close()
            raise
        await self._process.streams.open_input()
        self._serving = asyncio.create_task(self._serve(self._process, listener))

    def send(self, request: protocol.Request, reply: Reply) -> None:
        """Ask; ``reply`` gets the answer, or None when the debuggee goes first.

        Raises:
            LinkError: the debuggee is gone.
        """
        if self._link is None:
            raise gone_error()
        self._asked += 1
        self._link.send(protocol.Ask(id=self._asked, request=request))  # type: ignore[arg-type]
        self._replies[self._asked] = reply

    def signal(self, number: int) -> None:
        """Send the process a signal."""
        if self._process is not None:
            self._process.signal(number)

    def feed(self, data: bytes) -> None:
        """Write to its standard input; empty data ends it."""
        if self._process is not None:
            self._process.streams.feed(data)

    async def end(self) -> bool:
        """End the process, gently first; True if it had to be forced."""
        process, serving = self._process, self._serving
        if process is None or serving is None:
            return False
        forced = False
        if not process.ended.done():
            with suppress(LinkError):
                self.send(protocol.Quit(), lambda record: None)
            for number in (signal.SIGTERM, signal.SIGKILL):
                if (await asyncio.wait({process.ended}, timeout=PATIENCE))[0]:
                    break
                process.signal(number)
                forced = True
        await serving
        return forced

    async def _serve(self, process: Debuggee, listener: Listener) -> None:
        """Listen from the first message to the end of the process."""
        meeting = asyncio.create_task(listener.accept())
        try:
            both: set[asyncio.Future[Any]] = {meeting, process.ended}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if meeting.done():
                self._link, _ = meeting.result()
                listener.close()  # now, so that a client that is killed leaves no folder behind
                await self._converse(self._link, process)
            code = await asyncio.shield(process.ended)
        finally:
            meeting.cancel()
            listener.close()
            self._link = None
        process.streams.close()
        self._lost(code)
        replies, self._replies = self._replies, {}
        for reply in replies.values():
            reply(None)

    async def _converse(self, link: Link, process: Debuggee) -> None:
        # A grandchild may hold a copy of the socket: then the process's end is the only sign.
        loop = asyncio.get_running_loop()
        process.ended.add_done_callback(lambda _: loop.call_later(LINGER, link.close))
        try:
            await self._hear_all(link, process.streams)
        except LinkError as error:
            self._hear(protocol.Tell(record=error.record()))
            process.signal(signal.SIGTERM)
        link.close()

    async def _hear_all(self, link: Link, streams: Streams) -> None:
        """Hear messages to the end of the link, each after the output that came before it."""
        while (message := await link.receive()) is not None:
            streams.drain()
            if isinstance(message, protocol.Answer):
                reply = self._replies.pop(message.id, None)
                if reply is not None:
                    reply(message.record)
            else:
                self._hear(message)
