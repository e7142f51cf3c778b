"""The line in which the text to find is typed."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from gradrepl.tui import messages


class Finder(Input):
    """Shown by ``/``; Enter goes to the hit, Escape leaves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", show=False, id="find.leave"),
    ]

    def __init__(self) -> None:
        hint = "find, then . and , for next and previous"
        super().__init__(id="finder", placeholder=hint, compact=True, select_on_focus=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to the first hit."""
        event.stop()
        self.post_message(messages.FindTyped(self.value))

    def action_leave(self) -> None:
        """Close without looking."""
        self.post_message(messages.FindTyped(None))
