"""The conversation as commands, plugins and screens have it, and what it refuses.

``gradrepl.commands.conversation`` has the one that talks to a debuggee; tests make their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from gradrepl import model, protocol
from gradrepl.commands.registry import RUNNING, Command
from gradrepl.commands.session_state import SessionState
from gradrepl.errors import GradreplError, LinkError, StateError

if TYPE_CHECKING:
    from gradrepl.launch import Options

Answer = model.Record | None
"""What a command returns: what is to be shown, or nothing."""


class Talk(Protocol):
    """One debuggee and what is typed at it."""

    options: Options
    """How it is started."""
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
    session: SessionState
    """What a restart sets again."""
    aliases: dict[str, str]
    on_change: Callable[[], None]
    on_output: Callable[[str, bytes], None]
    on_view: Callable[[Any], None] | None = None
    """Takes in a screen that a plugin brings; None in a client that has no screens."""
    on_key: Callable[[Command], None] | None = None
    """Binds the key of a command that a plugin brings; None in a client that has no panes."""
    on_shot: Callable[[], Any] | None = None
    """Returns the screen, for a file; None in a client that has none."""

    @property
    def state(self) -> str:
        """'idle', 'forward', 'backward', 'exception', 'running' or 'gone'."""

    @property
    def stopped(self) -> bool:
        """Do we stand at a stop: neither at the idle prompt nor running?"""

    @property
    def exit_code(self) -> int:
        """What the client should exit with; negative: die by that signal, as the script did."""

    # -- asking and telling ------------------------------------------------------------------------

    async def ask(self, request: protocol.Request) -> Answer:
        """Ask something that only looks, and return the answer.

        Raises:
            LinkError: there is no debuggee, or it went away.
        """

    async def run(self, request: protocol.Request) -> None:
        """Let the user's code run; returns when the debuggee waits again or is gone.

        Raises:
            LinkError: there is no debuggee.
        """

    def tell(self, record: model.Record) -> None:
        """Show a record to the user."""

    async def do(self, text: str) -> None:
        """Do one entry that holds no ``;;``, in the user's place."""

    # -- its life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Launch a debuggee, run the target if there is one, then the ``-c`` commands."""

    async def restart(self, options: Options) -> None:
        """End this debuggee and start another; breakpoints and displays are set again."""

    async def run_target(self, options: Options) -> None:
        """Run a target in this process, in which nothing has run yet."""

    async def quit(self) -> None:
        """End the debuggee, or leave one that is not ours; after that ``finished``."""

    async def detach(self) -> None:
        """Leave a debuggee that is not ours.

        Raises:
            StateError: it is ours.
        """

    async def close(self) -> None:
        """Leave nothing behind: no process, no socket, no folder. May be called twice."""

    # -- the keyboard ------------------------------------------------------------------------------

    async def enter(self, text: str) -> None:
        """Do one complete entry; returns when the debuggee waits again or is gone."""

    def needs_more(self, text: str) -> bool:
        """Is this entry incomplete, so that Enter makes a new line?"""

    async def complete(self, text: str) -> list[str]:
        """Return the words that may replace ``fragment(text)``, the unfinished word at its end."""

    def interrupt(self) -> None:
        """Ctrl-C, from a client that has the terminal in raw mode."""

    def forward_signal(self, number: int) -> None:
        """Pass on a signal that was meant to end us; when the debuggee goes, so does the client."""

    def feed(self, line: str) -> None:
        """Give the user's code one line of standard input."""

    def end_input(self) -> None:
        """Ctrl-D where the user's code reads: its standard input is at its end."""


# -- what is said where something cannot be done ---------------------------------------------------


def gone_error() -> LinkError:
    """Return what is said to whoever asks a debuggee that is no more."""
    return LinkError("the program is gone.", "':restart' starts a new one, 'q' leaves.")


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
            f"'{name}' cannot go on: the script has raised an exception.",
            "Look around with w, u, d, p; 'restart' runs it again, 'c' lets it end.",
        )
    if state == "gone":
        return gone_error()
    if state == RUNNING:
        return busy()
    return StateError(f"'{name}' is not possible at a {state} stop.", "':help' lists what is.")
