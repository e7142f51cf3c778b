"""One program and what is asked of it: what commands, plugins and screens are given.

What there is to see comes through ``show``; ``on_change`` tells a client to draw its prompt anew.
Nothing in here draws, and nothing knows which client it serves. What is typed is taken apart by
:class:`~gradrepl.commands.conversation.Conversation`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from gradrepl import model, plugins, protocol
from gradrepl.commands.peer import Peer, gone_error
from gradrepl.commands.registry import RUNNING, Command
from gradrepl.conditions import parse
from gradrepl.draw.numbers import describe_exit
from gradrepl.errors import GradreplError, LinkError, StateError
from gradrepl.launch import Options

Answer = model.Record | None
"""What a command returns: what is to be shown, or nothing."""


class SessionState:
    """What outlives a program, to be set again: breakpoints, displays, what is watched."""

    def __init__(self) -> None:
        self.breakpoints: dict[int, model.BreakpointInfo] = {}
        self.displays: list[str] = []
        self.watching = model.Watching()
        self.limits = model.HealthLimits()
        self._taken: model.Stop | None = None

    def note(self, record: model.Record | None) -> None:
        """Learn from a record that passes by."""
        match record:
            case model.BreakpointInfo():
                self.breakpoints[record.id] = record
            case model.Breakpoints(rows=rows):
                self.breakpoints = {row.id: row for row in rows}
            case model.Watching():
                self.watching = record
            case model.HealthLimits():
                self.limits = record

    def requests(self) -> Iterator[protocol.Request]:
        """Yield what sets everything again in a fresh debuggee."""
        for expression in self.displays:
            yield protocol.Display(expression=expression)
        yield from self._watched()
        old, self.breakpoints = self.breakpoints, {}
        for number, known in enumerate(old.values(), 1):
            yield protocol.SetBreakpoint(
                condition=parse(known.text), text=known.text, temporary=known.temporary
            )
            if known.ignore:
                yield protocol.ChangeBreakpoint(id=number, action="ignore", count=known.ignore)
            if known.commands:
                yield protocol.ChangeBreakpoint(
                    id=number, action="commands", commands=known.commands
                )
            if not known.enabled:
                yield protocol.ChangeBreakpoint(id=number, action="disable")

    def _watched(self) -> Iterator[protocol.Request]:
        """Yield what watches the same again, with the same limits."""
        limits, usual = self.limits, model.HealthLimits()
        for name in limits.__struct_fields__:
            if getattr(limits, name) != getattr(usual, name):
                yield protocol.SetHealth(name=name, value=getattr(limits, name))
        seen = self.watching
        if seen.grads or seen.nodes:
            yield protocol.WatchHealth(
                grads=seen.grads, nodes=seen.nodes, statistics=seen.statistics, every=seen.every
            )

    def commands_of(self, stop: model.Stop) -> list[str]:
        """Return the lines that belong to the breakpoints of ``stop``."""
        known = [self.breakpoints[at] for at in stop.breakpoints if at in self.breakpoints]
        return [line for each in known for line in each.commands]

    def take_commands(self, stop: model.Stop) -> list[str]:
        """Return the same lines, once for each stop."""
        if stop is self._taken:
            return []
        self._taken = stop
        lines = self.commands_of(stop)
        for at in stop.breakpoints:
            if at in self.breakpoints and self.breakpoints[at].temporary:
                del self.breakpoints[at]
        return lines


class Talk:
    """One program and what is asked of it; ``restart`` exchanges the program."""

    ours: bool = True
    """Did we start the program, so that it ends with us?"""
    generation: int = 0
    """Counts the debuggees; the first is 1."""
    ready: protocol.Ready | None = None
    """torch is imported; None until then."""
    prompt: protocol.Prompt | None = None
    """The debuggee waits; None while the user's code runs, and when there is no process."""
    stop: model.Stop | None = None
    """The stop we stand at or, while code runs, stood at last."""
    cost: model.Cost | None = None
    """What looking takes of the time, while the program runs and that is much."""
    gone: model.Gone | None = None
    """How the process ended; ``:restart`` starts another."""
    finished: bool = False
    """Quit was asked for and done: the client should leave."""
    used: bool = False
    """Something of the user's has run in this process."""
    waiting_input: bool = False
    """The user's code waits for a line of standard input (``feed``)."""
    interacting: bool = False
    """``interact``: everything without a colon is Python."""
    guided: bool = False
    """A plugin guides the user: a screen gives what is told more lines."""
    on_view: Callable[[Any], None] | None = None
    """Takes in a screen that a plugin brings; None in a client that has no screens."""
    on_key: Callable[[Command], None] | None = None
    """Binds the key of a command that a plugin brings; None in a client that has no panes."""
    on_shot: Callable[[], Any] | None = None
    """Returns the screen, for a file; None in a client that has none."""

    def __init__(self, options: Options, show: Callable[[model.Record], None]) -> None:
        self.options = options
        """How it is started."""
        self.session = SessionState()
        """What a restart sets again."""
        self.aliases: dict[str, str] = {}
        self.on_change: Callable[[], None] = lambda: None
        self.on_output: Callable[[str, bytes], None] = lambda stream, data: None
        self._show = show
        self._peer: Peer | None = None
        self._stops: dict[int, model.Stop] = {}  # by depth
        self._told: model.Stop | None = None
        self._waits = asyncio.Event()
        self.busy = False
        """A typed line is being done."""
        self._ending = False  # by our own wish: its end is no news
        self._signalled = 0  # by this signal, meant for us: we go with it
        self._failed = False
        self._raised = False
        """Typed Python has raised."""
        self._script_code: int | None = None

    @property
    def state(self) -> str:
        """'idle', 'forward', 'backward', 'exception', 'running' or 'gone'."""
        if self.gone is not None:
            return "gone"
        return self.prompt.state if self.prompt else RUNNING

    @property
    def stopped(self) -> bool:
        """Do we stand at a stop: neither at the idle prompt nor running?"""
        return self.prompt is not None and self.prompt.state != "idle"

    @property
    def pid(self) -> int:
        """The debuggee's process, 0 before the first."""
        return self._peer.pid if self._peer else 0

    @property
    def exit_code(self) -> int:
        """What the client should exit with; negative: die by that signal, as the script did."""
        if self._signalled and self.gone is not None:
            return self.gone.code
        if not self.options.target:
            return int(self._failed)
        if self._script_code is not None:
            return self._script_code or int(self._raised and self.options.client == "batch")
        return self.gone.code if self.gone is not None else 0

    # -- its life ----------------------------------------------------------------------------------

    async def restart(self, options: Options) -> None:
        """End this program and start another; breakpoints and displays are set again."""
        raise NotImplementedError

    async def run_target(self, options: Options) -> None:
        """Run a target in this process, in which nothing has run yet."""
        self.options = options
        await self._begin()

    async def quit(self) -> None:
        """End the debuggee: ask it, then terminate, then kill; after that ``finished``."""
        failed = self.state == "exception"
        if await self._end() and self._script_code is None:
            self._script_code = int(failed)  # we forced it: the signal is not the script's own end
        self.finished = True
        self.on_change()

    async def detach(self) -> None:
        """Leave a debuggee that is not ours.

        Raises:
            StateError: it is ours.
        """
        raise StateError(
            "gradrepl started this program and ends with it.", "'c' continues, 'q' ends it."
        )

    async def close(self) -> None:
        """Leave nothing behind: no process, no socket, no folder. May be called twice."""
        if not self.finished:
            await self.quit()

    def forward_signal(self, number: int) -> None:
        """Pass on a signal that was meant to end us; when the debuggee goes, so does the client."""
        self._signalled = number
        if self._peer is not None:
            self._peer.signal(number)

    async def _launch(self) -> None:
        self.stop = self.gone = self.ready = self._script_code = None
        self.used = self._ending = False
        self._waits.clear()
        self._peer = Peer(self._heard, self._lost)
        await self._peer.start(self.options, self.on_output)
        self.generation += 1
        if self._signalled:  # it came before there was a process
            self._peer.signal(self._signalled)
        await self._waits.wait()

    async def _begin(self) -> None:
        options = self.options
        if options.target and self.gone is None:
            request = protocol.Run(target=options.target, args=options.args, module=options.module)
            await self.run(request, self._target_done)

    def _target_done(self, record: model.Record | None) -> None:
        if isinstance(record, model.Error):
            self._script_code = 2  # it could not be run at all
        self._answered(record)

    async def _end(self) -> bool:
        self._ending = True
        return await self._peer.end() if self._peer is not None else False

    def _lost(self, code: int) -> None:
        self.prompt, self.waiting_input = None, False
        self.gone = model.Gone(how=describe_exit(code), code=code)
        if not self._ending and not self._signalled:
            self.tell(self.gone)
        self.finished = self.finished or bool(self._signalled)
        self._waits.set()
        self.on_change()

    # -- messages ------------------------------------------------------------------------------

    def _heard(self, message: protocol.Messages) -> None:
        match message:
            case protocol.Tell(record=record):
                self._note(record)
                stop = record if isinstance(record, model.Stop) else None
                if stop is None or self.session.commands_of(stop)[:1] != ["silent"]:
                    self.tell(record)
                return
            case protocol.Prompt(state=state, depth=depth):
                self._stops = {at: stop for at, stop in self._stops.items() if at <= depth}
                self.prompt, self.cost = message, None
                self.waiting_input = False
                self.stop = None if state == "idle" else self._stops.get(depth, self._told)
                self._waits.set()
            case protocol.Ready():
                self.ready = message
            case protocol.Input():
                self.waiting_input = True
        self.on_change()

    def _note(self, record: model.Record | None) -> None:
        """Keep what later decisions need."""
        self.session.note(record)
        match record:
            case model.Stop():
                self._stops[record.depth] = self._told = record
            case model.Cost():
                self.cost = record
            case model.Ended(code=code):
                self._script_code = code

    def _answered(self, record: model.Record | None) -> None:
        """Show the answer to something that ran."""
        if record is not None:
            self._note(record)
            self.tell(record)

    def tell(self, record: model.Record) -> None:
        """Show a record to the user."""
        if isinstance(record, (model.Error, model.Gone)):
            self._failed = True
        plugins.here().notify("gradrepl_shown", talk=self, record=record)
        self._show(record)

    # -- asking --------------------------------------------------------------------------------

    async def ask(self, request: protocol.Request) -> model.Record | None:
        """Ask something that only looks, and return the answer.

        Raises:
            LinkError: there is no debuggee, or it went away.
        """
        if self._peer is None:
            raise gone_error()
        future: asyncio.Future[model.Record | None] = asyncio.get_running_loop().create_future()

        def reply(record: model.Record | None) -> None:
            if not future.done():
                future.set_result(record)

        self._peer.send(request, reply)
        record = await future
        if record is None and self.gone is not None:
            raise gone_error()
        return record

    async def run(
        self, request: protocol.Request, reply: Callable[[model.Record | None], None] | None = None
    ) -> None:
        """Let the user's code run; returns when the debuggee waits again or is gone.

        Raises:
            LinkError: there is no debuggee.
        """
        self._go(request, reply or self._answered)
        await self._waits.wait()

    async def settled(self) -> None:
        """Wait until the debuggee waits, or is gone."""
        await self._waits.wait()

    def _go(self, request: protocol.Request, reply: Callable[[model.Record | None], None]) -> None:
        if self._peer is None:
            raise gone_error()
        self._peer.send(request, reply)
        self._waits.clear()
        self.used = True
        self.prompt = None
        self.on_change()

    # -- the keyboard --------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Ctrl-C, from a client that has the terminal in raw mode."""
        if self._peer is None or self.gone is not None:
            return
        if self.prompt is None or self.busy:  # code runs, or an answer takes its time
            self._peer.signal(signal.SIGINT)
        elif self.stopped and self.stop is not None and "interrupt" in self.stop.reason.lower():
            with suppress(LinkError):
                self._go(protocol.Abort(interrupt=True), self._answered)

    def feed(self, line: str) -> None:
        """Give the user's code one line of standard input."""
        if self._peer is not None:
            self.waiting_input = False
            self._peer.feed(line.encode() + b"\n")
            self.on_change()


# -- what is said where something cannot be done ---------------------------------------------------


def busy() -> StateError:
    """Return what is said to whoever types while the user's code runs."""
    return StateError("your code is running.", "Ctrl-C pauses it; then commands work again.")


def refusal(command: Command, state: str) -> GradreplError:
    """Say why ``command`` is not possible in ``state``."""
    name = command.name
    if state == "idle":
        return StateError(
            f"'{name}' needs a stop, and nothing is stopped.",
            "':step STATEMENT' runs a statement and stops at its first op or node.",
        )
    if state == "exception":
        return StateError(
            f"'{name}' is not possible: the script has ended with an exception.",
            "Look around with w, u, d, p; 'restart' runs it again, 'c' lets it end.",
        )
    if state == "gone":
        return gone_error()
    if state == RUNNING:
        return busy()
    return StateError(f"'{name}' is not possible at a {state} stop.", "':help' lists what is.")
