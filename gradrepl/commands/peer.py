"""One program as a client has it: process, link, and the answers still to come."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress

from gradrepl import launch, model, protocol
from gradrepl.endpoint import Endpoint, connected
from gradrepl.errors import GradreplError, LinkError
from gradrepl.launch import KEPT, Options, Streams
from gradrepl.link import Link

PATIENCE = 3.0
"""Seconds that a debuggee gets to quit, and again to terminate."""
LINGER = 0.2
"""Seconds after its end in which the link's last messages are still read."""

Reply = Callable[[model.Record | None], None]


def gone_error() -> LinkError:
    """Return what is said to whoever asks a program that is no more."""
    return LinkError("the program is gone.", "':restart' starts a new one, 'q' leaves.")


class Peer:
    """One process with the engine in it, from its start to its end.

    ``hear`` gets every message that is not an answer, in order with the answers; ``lost`` is
    called once, with the exit code as in ``subprocess``.
    """

    def __init__(
        self, hear: Callable[[protocol.Messages], None], lost: Callable[[int], None]
    ) -> None:
        self.pid = 0
        """The process, 0 before it is started."""
        self._hear = hear
        self._lost = lost
        self._link: Link | None = None
        self._streams: Streams | None = None
        self._ended: asyncio.Future[int] | None = None
        """How it ended, as in ``subprocess``: negative for a signal."""
        self._serving: asyncio.Task[None] | None = None
        self._replies: dict[int, Reply] = {}
        self._asked = 0

    async def start(self, options: Options, on_output: Callable[[str, bytes], None]) -> None:
        """Start the process; from then on messages are heard.

        Raises:
            TargetError: the Python of ``options`` cannot be started.
        """
        ours, theirs = socket.socketpair()
        streams = self._streams = Streams(on_output)
        with theirs:
            try:
                process = launch.start(options, theirs.fileno(), streams)
            except GradreplError:
                ours.close()
                raise
        self.pid = process.pid
        ours.setblocking(False)
        link = self._link = await Link.connect(ours)
        loop = asyncio.get_running_loop()
        ended = self._ended = loop.create_future()
        threading.Thread(
            target=_reap, args=(process, loop, ended), name="gradrepl-reap", daemon=True
        ).start()
        await streams.open_input()
        self._serving = asyncio.create_task(self._serve(link, streams, ended))

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
        """Send the process a signal, unless it is over."""
        if self._ended is not None and not self._ended.done():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def feed(self, data: bytes) -> None:
        """Write to its standard input."""
        if self._streams is not None:
            self._streams.feed(data)

    async def end(self) -> bool:
        """End the process, gently first; True if it had to be forced."""
        ended, serving = self._ended, self._serving
        if ended is None or serving is None:
            return False
        forced = False
        if not ended.done():
            with suppress(LinkError):
                self.send(protocol.Quit(), lambda record: None)
            for number in (signal.SIGTERM, signal.SIGKILL):
                if (await asyncio.wait({ended}, timeout=PATIENCE))[0]:
                    break
                self.signal(number)
                forced = True
        await serving
        return forced

    async def _serve(self, link: Link, streams: Streams, ended: asyncio.Future[int]) -> None:
        """Listen from the first message to the end of the process."""
        # A grandchild may hold a copy of the socket: then the process's end is the sign.
        loop = asyncio.get_running_loop()
        ended.add_done_callback(lambda _: loop.call_later(LINGER, link.close))
        if not await self._hear_all(link, streams):
            self.signal(signal.SIGTERM)
        self._over(streams, await asyncio.shield(ended))

    async def _hear_all(self, link: Link, streams: Streams) -> bool:
        """Hear messages to the end of the link, each after the output that came before it.

        False: it ended in nonsense.
        """
        sound = True
        try:
            while (message := await link.receive()) is not None:
                streams.drain()
                if not isinstance(message, protocol.Answer):
                    self._hear(message)
                elif (reply := self._replies.pop(message.id, None)) is not None:
                    reply(message.record)
        except LinkError as error:
            sound = False
            self._hear(protocol.Tell(record=error.record()))
        link.close()
        return sound

    def _over(self, streams: Streams, code: int) -> None:
        """The program is gone: nobody is answered any more."""
        self._link = None
        streams.close()
        self._lost(code)
        replies, self._replies = self._replies, {}
        for reply in replies.values():
            reply(None)


def _reap(
    process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, ended: asyncio.Future[int]
) -> None:
    code = process.wait()

    def end() -> None:
        if not ended.done():
            ended.set_result(code)

    with suppress(RuntimeError):  # the loop is closed: nobody asks any more
        loop.call_soon_threadsafe(end)


class AttachedPeer(Peer):
    """A process with the engine in it that is not ours: it is never ended, only left."""

    def __init__(
        self,
        endpoint: Endpoint,
        hear: Callable[[protocol.Messages], None],
        lost: Callable[[int], None],
    ) -> None:
        super().__init__(hear, lost)
        self._endpoint = endpoint
        self.pid = endpoint.pid
        self._printed = bytearray()

    async def start(self, options: Options, on_output: Callable[[str, bytes], None]) -> None:
        """Meet the process; from then on messages are heard.

        Raises:
            LinkError: nobody is there, or the token is wrong.
        """
        about = self._endpoint
        sock = socket.socket(fileno=about.link) if about.link >= 0 else connected(about.address)
        sock.setblocking(False)
        self._link = await Link.connect(sock, about.token)
        self._streams = Streams(lambda name, data: on_output(name, self._keep(data)))
        for name, descriptor in zip(("stdout", "stderr"), about.outputs, strict=False):
            if descriptor >= 0:
                self._streams.read_from(descriptor, name)
                atexit.register(self._print)
        if about.input >= 0:
            self._streams.write_to(about.input)
            await self._streams.open_input()
        self._serving = asyncio.create_task(self._listen(self._link, self._streams))

    def signal(self, number: int) -> None:
        """End the link: a signal that is meant to end us is not the program's; it continues."""
        if self._link is not None:
            self._link.close()

    async def end(self) -> bool:
        """Wait until the program has ended the link; it is never forced."""
        if self._serving is not None:
            await self._serving
        return False

    async def _listen(self, link: Link, streams: Streams) -> None:
        await self._hear_all(link, streams)
        self._over(streams, 0)

    def _keep(self, data: bytes) -> bytes:
        """Remember what was printed while the screen had the terminal, within reason."""
        self._printed += data
        del self._printed[:-KEPT]
        return data

    def _print(self) -> None:
        """Print it where it would have been, now that the screen is gone."""
        data, self._printed = self._printed, bytearray()
        with suppress(OSError):
            os.write(1, data)
