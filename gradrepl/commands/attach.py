"""A conversation with a program that somebody else started: at ``set_trace()``, or attached to."""

from __future__ import annotations

import asyncio
import atexit
import os
import socket
from collections.abc import Callable
from contextlib import suppress

from gradrepl import model, protocol
from gradrepl.commands import table
from gradrepl.commands.conversation import Conversation
from gradrepl.commands.peer import Peer
from gradrepl.endpoint import Endpoint, connected
from gradrepl.errors import LinkError, StateError
from gradrepl.launch import KEPT, Options, Streams
from gradrepl.link import Link


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
        self._streams: Streams | None = None
        self._printed = bytearray()

    @property
    def pid(self) -> int:
        """The process."""
        return self._endpoint.pid

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
        """Leave: a signal that is meant to end us is not the program's."""
        self.leave()

    def leave(self) -> None:
        """End the link; the program sees it and continues."""
        if self._link is not None:
            self._link.close()

    def feed(self, data: bytes) -> None:
        """Write to its standard input; empty data ends it."""
        if self._streams is not None:
            self._streams.feed(data)

    async def end(self) -> bool:
        """Wait until the program has ended the link; it is never forced."""
        if self._serving is not None:
            await self._serving
        return False

    async def _listen(self, link: Link, streams: Streams) -> None:
        try:
            await self._hear_all(link, streams)
        except LinkError as error:
            self._hear(protocol.Tell(record=error.record()))
        link.close()
        self._link = None
        streams.close()
        self._lost(0)
        replies, self._replies = self._replies, {}
        for reply in replies.values():
            reply(None)

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


class Attached(Conversation):
    """What is typed at a program of somebody else's; the end of the link ends it."""

    ours = False

    def __init__(self, options: Options, show: Callable[[model.Record], None]) -> None:
        super().__init__(options, show)
        assert options.endpoint is not None
        self.endpoint = options.endpoint
        self._pausing = False

    @property
    def child(self) -> bool:
        """Are we the child of a program that stopped, on its own terminal?"""
        return self.endpoint.link >= 0

    @property
    def exit_code(self) -> int:
        """0: how the program ends is not known here."""
        return 0

    async def start(self) -> None:
        """Meet the program; when it waits, run the breakpoint's and the ``-c`` commands."""
        peer = AttachedPeer(self.endpoint, self._heard, self._lost)
        self._peer = peer
        await peer.start(self.options, self.on_output)
        self.generation += 1
        self.used = True
        if not self.child:
            name = f"{self.endpoint.name} ({self.endpoint.script})"
            self.tell(
                model.Notice(message=f"attached to {name}: it stops soon; q lets it continue.")
            )
        await self._waits.wait()
        if self.finished:
            return
        table.use_plugins(self)
        await table.tell_debuggee(self)
        self._note(await self.ask(protocol.ListBreakpoints()))
        await self._run_blocks()
        for text in self.options.commands:
            if not self.finished:
                await self.enter(text)

    async def restart(self, options: Options) -> None:
        """Refuse: the process is not ours to start again.

        Raises:
            StateError: always.
        """
        raise StateError(
            "this program was not started by gradrepl, so it cannot be started again here.",
            "Leave with q, or run it as 'gradrepl script.py'.",
        )

    async def quit(self) -> None:
        """At ``set_trace()`` raise BdbQuit in the program, as pdb does; attached, detach."""
        if self.child and self.prompt is not None:
            await self._leave(protocol.Quit())
        else:
            await self.detach()

    async def detach(self) -> None:
        """Leave; the program continues at full speed, with no stop."""
        await self._leave(protocol.Detach())
        if not self.child:
            self.tell(model.Notice(message=f"detached: {self.endpoint.name} continues."))

    async def _leave(self, request: protocol.Request) -> None:
        self._ending = True
        if self._peer is not None and self.gone is None:
            with suppress(LinkError):
                self._peer.send(request, lambda record: None)
            await self._peer.end()
        self.finished = True
        self.on_change()

    def interrupt(self) -> None:
        """Ctrl-C: pause the program; a second time, before it has stopped, interrupt it."""
        if self._peer is None or self.gone is not None:
            return
        if self.prompt is not None:
            super().interrupt()
            return
        request = protocol.Interrupt() if self._pausing else protocol.Pause()
        self._pausing = not self._pausing
        with suppress(LinkError):
            self._peer.send(request, lambda record: None)

    def forward_signal(self, number: int) -> None:
        """Go; the program stays."""
        self._ending = True
        if self._peer is not None:
            self._peer.signal(number)

    def _heard(self, message: protocol.Messages) -> None:
        match message:
            case protocol.Prompt():
                self._pausing = False
            case protocol.Resumed():
                self.prompt = None
                self._waits.clear()
        super()._heard(message)

    def _lost(self, code: int) -> None:
        self.prompt, self.waiting_input = None, False
        self.gone = model.Gone(how="it continues, or has ended", code=0)
        left = self._ending or self.child
        stays = self.options.client == "tui" and not left
        if not left:
            more = " What was shown stays; q leaves." if stays else ""
            self.tell(model.Notice(message=f"{self.endpoint.name} has ended.{more}"))
        self.finished = not stays
        self._waits.set()
        self.on_change()


def converse(options: Options, show: Callable[[model.Record], None]) -> Conversation:
    """Return the conversation that ``options`` ask for."""
    return Conversation(options, show) if options.endpoint is None else Attached(options, show)
