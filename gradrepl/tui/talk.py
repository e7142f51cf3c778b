"""What the screen needs of a conversation: the interface that a fake one fills in tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from gradrepl import model

if TYPE_CHECKING:
    from gradrepl import protocol


class Talk(Protocol):
    """One debuggee and what is typed at it; see ``gradrepl.commands.conversation``."""

    prompt: protocol.Prompt | None
    ready: protocol.Ready | None
    gone: model.Gone | None
    stop: model.Stop | None
    finished: bool
    waiting_input: bool
    guided: bool
    """A plugin guides the user: the transcript gets more lines."""
    ours: bool
    """Did we start the program, so that it ends with us?"""
    options: Any
    """How it is started (``gradrepl.launch.Options``)."""
    generation: int
    """Counts the processes."""
    on_change: Callable[[], None]
    on_view: Callable[[Any], None] | None
    on_output: Callable[[str, bytes], None]

    @property
    def exit_code(self) -> int:
        """What the face should exit with."""

    async def start(self) -> None:
        """Launch the debuggee, shake hands, run the target and the ``-c`` commands."""

    async def enter(self, text: str) -> None:
        """Run one complete entry; return when the debuggee waits again or is gone."""

    async def ask(self, request: protocol.Request) -> model.Record | None:
        """Ask for what a panel shows."""

    def needs_more(self, text: str) -> bool:
        """Return whether ``text`` is an incomplete block."""

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""

    def feed(self, line: str) -> None:
        """Give the program a line of standard input."""

    def end_input(self) -> None:
        """End the program's standard input."""

    async def complete(self, text: str) -> list[str]:
        """Return the words that can stand where ``text`` ends."""

    async def close(self) -> None:
        """End the debuggee and the link."""


Show = Callable[[model.Record], None]
Make = Callable[[Show], Talk]


def state_of(talk: Talk) -> str:
    """Return the word of the header."""
    if talk.gone is not None:
        return "ENDED"
    if talk.waiting_input:
        return "INPUT"
    if talk.prompt is None:
        return "RUNNING" if talk.ready else "STARTING"
    if talk.prompt.state == "idle":
        return "READY"
    return "RAISED" if talk.prompt.state == "exception" else "PAUSED"


def place_of(talk: Talk) -> list[str]:
    """Return where we are, the most important first."""
    ready, stop = talk.ready, talk.stop
    device = (ready.device or "cpu") if ready else "importing torch"
    if talk.gone is not None:
        return [talk.gone.how]
    if stop is None:
        return [device, f"torch {ready.torch}" if ready else ""]
    if talk.prompt is None:
        return [device]
    parts: list[str] = []
    if stop.node is not None:
        parts.append(f"{stop.position}/{stop.total}" if stop.total else f"node {stop.position}")
    elif stop.op is not None:
        parts.append(f"op {stop.op.id}")
    return [*parts, device, stop.site.place if stop.site else "", stop.module]
