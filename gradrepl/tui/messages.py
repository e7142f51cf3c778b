"""All messages of the screen on one page: what a panel tells the app."""

from __future__ import annotations

from textual.message import Message


class Entered(Message):
    """One complete entry was typed in the dock."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class InputLine(Message):
    """A line for the program's standard input was typed in the dock."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class CompletionWanted(Message):
    """Tab was pressed: what can follow ``text``?"""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class Appeared(Message):
    """A panel came into view, and has nothing to show yet."""

    def can_replace(self, message: Message) -> bool:
        """One is enough."""
        return isinstance(message, Appeared)


class Selected(Message):
    """The cursor of a list came to another row, or its row has come."""

    def can_replace(self, message: Message) -> bool:
        """Only the newest place of the cursor matters."""
        return isinstance(message, Selected)


class Opened(Message):
    """Enter or a double click on the selected row."""


class KeyClicked(Message):
    """An entry of the footer or a tab of the header was clicked."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.action = action


class FindTyped(Message):
    """The text to find was typed; None when it was left with Escape."""

    def __init__(self, text: str | None) -> None:
        super().__init__()
        self.text = text
