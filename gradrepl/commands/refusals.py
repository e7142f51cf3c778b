"""What is said where something cannot be done, and how an error of ours becomes a record."""

from __future__ import annotations

from gradrepl import model
from gradrepl.commands.registry import RUNNING, Command
from gradrepl.errors import GradreplError, LinkError, StateError


def gone_error() -> LinkError:
    """Return what is said to whoever asks a debuggee that is no more."""
    return LinkError("the debuggee is gone.", "':restart' starts a new one, 'q' leaves.")


def failure(error: GradreplError) -> model.Error:
    """Return an error of ours as the record that is shown."""
    return model.Error(message=str(error), hint=error.hint, kind=type(error).__name__)


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
