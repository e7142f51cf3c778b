"""What the screen needs of a conversation: the interface that a fake one fills in tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gradrepl import model, protocol


class Talk(Protocol):
    """One debuggee and what is typed at it; see ``gradrepl.commands.conversation``."""

    prompt: protocol.Prompt | None
    ready: protocol.Ready | None
    gone: model.Gone | None
    stop: model.Stop | None
    exit_code: int
    finished: bool
    waiting_input: bool
    on_change: Callable[[], None]
    on_output: Callable[[str, bytes], None]

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
