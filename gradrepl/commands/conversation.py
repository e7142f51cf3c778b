"""What is typed at a program: the same for every client.

A client makes a :class:`Conversation`, with a program that it starts or, as :class:`Attached`, with
one that somebody else started; it awaits ``start()`` and then ``enter(text)`` for each entry.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from platformdirs import user_state_path

from gradrepl import model, plugins, protocol
from gradrepl.commands import entry, table
from gradrepl.commands.peer import AttachedPeer
from gradrepl.commands.registry import RUNNING, Command
from gradrepl.commands.talk import Talk, busy, refusal
from gradrepl.errors import GradreplError, LinkError, StateError
from gradrepl.launch import Options


class Conversation(Talk):
    """A program that we started, and what is typed at it."""

    _repeat = ""
    """The line that an empty one runs again."""

    def needs_more(self, text: str) -> bool:
        """Is this entry incomplete, so that Enter makes a new line?"""
        return entry.needs_more(text, self.stopped and not self.interacting)

    async def complete(self, text: str) -> list[str]:
        """Return the words that may replace ``entry.fragment(text)``, the last word."""
        return await entry.complete(self, text)

    async def start(self) -> None:
        """Launch a debuggee, run the target if there is one, then the ``-c`` commands."""
        await self._launch()
        table.use_plugins(self)
        await table.tell_debuggee(self)
        await self._begin()
        await self._run_commands()

    async def _run_commands(self) -> None:
        for text in self.options.commands:
            if not self.finished:
                await self.enter(text)

    async def restart(self, options: Options) -> None:
        """End this debuggee and start another; breakpoints and displays are set again."""
        await self._end()
        self.options = options
        self._stops.clear()
        await self._launch()
        await table.tell_debuggee(self)
        for request in self.session.requests():
            self._note(await self.ask(request))
        await self._begin()

    # -- what is typed -------------------------------------------------------------------------

    async def enter(self, text: str) -> None:
        """Do one complete entry; returns when the debuggee waits again or is gone."""
        if self.finished:
            return
        if self.busy or self.state == RUNNING:
            await self._enter_running(text)
            return
        self.busy = True
        try:
            for part in entry.split_entries(text):
                await self.do(part)
                await self._run_blocks()
                if self.finished:
                    break
                await plugins.here().awaited("gradrepl_entered", talk=self, text=part)
        finally:
            self.busy = False
            self.on_change()

    async def do(self, text: str) -> None:
        """Do one entry that holds no ``;;``; for what does it in the user's place, too."""
        if not text.strip():
            text = self._repeat if self.stopped else ""
        self._repeat = ""
        try:
            meaning = await entry.understand(self, entry.expanded(text, self.aliases))
            match meaning:
                case entry.Call(command, rest):
                    await self._call(command, rest, text)
                case entry.Look(expression, source):
                    request = protocol.Inspect(expression=expression, source=source)
                    self._answered(await self.ask(request))
                case entry.Code(source, shadows):
                    if shadows:
                        notice = f"'{shadows}' is a name here; ':{shadows}' is the command."
                        self.tell(model.Notice(message=notice))
                    await self.run(protocol.Execute(source=source), self._executed)
        except GradreplError as error:
            self.tell(error.record())

    def _executed(self, record: model.Record | None) -> None:
        self._raised = self._raised or isinstance(record, model.Error)
        self._answered(record)

    async def _enter_running(self, text: str) -> None:
        """Do a command that is possible while code runs; refuse all else."""
        call = entry.while_running(text)
        try:
            if call is None:
                raise busy()
            await self._call(call.command, call.text, text)
        except GradreplError as error:
            self.tell(error.record())

    async def _call(self, command: Command, rest: str, text: str) -> None:
        if self.state not in command.states:
            raise refusal(command, self.state)
        values = command.parse(rest)
        if command.repeats:
            self._repeat = text
        self._answered(await command.function(self, *values))

    async def _run_blocks(self) -> None:
        """Run the ``commands`` of the breakpoints that this stop was for."""
        while self.stopped and self.stop is not None:
            at = self.stop
            lines = self.session.take_commands(at)
            for line in lines:
                if line != "silent":
                    await self.do(line)
                if self.stop is not at or self.prompt is None:
                    break
            if not lines or self.stop is at:
                return


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
        await self._run_commands()

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


# -- what was typed before ----------------------------------------------------------------------


KEEP = 10_000
"""Entries kept."""
SLACK = 4 * 1024 * 1024
"""Bytes from which the file is cut back to ``KEEP`` entries."""


class History:
    """What was typed, in one file that all clients share; one that cannot be written is forgotten.

    One entry is one line of JSON, so entries of many lines stay whole. Writers hold a lock on a
    file beside it, so that two sessions never mix their entries.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or user_state_path("gradrepl") / "history"

    def load(self) -> list[str]:
        """Return the entries, oldest first; lines that are none of ours are skipped."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        return list(_entries(lines[-KEEP:]))

    def append(self, text: str) -> None:
        """Add one entry."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                self._write(json.dumps(text) + "\n")
                if self.path.stat().st_size > SLACK:
                    self._cut()
        except OSError:
            return  # no place to keep it: typing goes on

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self.path.with_name(self.path.name + ".lock"), "w") as side:
            fcntl.flock(side, fcntl.LOCK_EX)
            yield

    def _write(self, line: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = os.open(self.path, flags, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def _cut(self) -> None:
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines(True)
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.write_text("".join(lines[-KEEP:]), encoding="utf-8")
        os.replace(fresh, self.path)


def _entries(lines: list[str]) -> Iterator[str]:
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, str):
            yield entry
