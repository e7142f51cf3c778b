"""The line that is typed in: complete blocks run with Enter, Tab completes, history, search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from gradrepl.draw.looking import python
from gradrepl.tui.panels.base import ink_of

if TYPE_CHECKING:
    from gradrepl.commands.conversation import History


class Past:
    """What was typed before, and the place in it."""

    def __init__(self, entries: list[str] | None = None) -> None:
        self.entries = entries or []
        self._at: int | None = None
        self._draft = ""
        self._store: History | None = None

    def keep_in(self, store: History) -> None:
        """Begin with what is in ``store``, and keep there what is added."""
        self.entries, self._store = store.load(), store

    def add(self, text: str) -> None:
        """Remember an entry; the same one twice in a row is kept once."""
        if text.strip() and (not self.entries or self.entries[-1] != text):
            self.entries.append(text)
        if self._store is not None:
            self._store.append(text)
        self._at = None

    def move(self, by: int, current: str) -> str | None:
        """Return the entry ``by`` places on, or None at the end."""
        if self._at is None:
            if by > 0:
                return None
            self._at, self._draft = len(self.entries), current
        at = self._at + by
        if at < 0 or at > len(self.entries):
            return None
        self._at = None if at == len(self.entries) else at
        return self._draft if self._at is None else self.entries[at]

    def search(self, text: str, before: int | None = None) -> int | None:
        """Return the index of the newest entry before ``before`` that has ``text`` in it."""
        last = len(self.entries) if before is None else before
        return next((i for i in range(last - 1, -1, -1) if text in self.entries[i]), None)

    def begins(self, text: str) -> str:
        """Return the rest of the newest entry that begins with ``text``."""
        if not text or "\n" in text:
            return ""
        newest = (entry for entry in reversed(self.entries) if entry.startswith(text))
        return next(newest, text)[len(text) :].partition("\n")[0]


class Prompt(TextArea):
    """The text that is being typed."""

    @dataclass
    class Entered(Message):
        """One complete entry was typed."""

        text: str

    @dataclass
    class InputLine(Message):
        """A line for the program's standard input was typed."""

        text: str

    @dataclass
    class CompletionWanted(Message):
        """Tab was pressed: what can follow ``text``? Empty: only the state has changed."""

        text: str

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+p", "past(-1)", "Earlier entry", show=False, id="type.earlier"),
        Binding("ctrl+n", "past(1)", "Later entry", show=False, id="type.later"),
        Binding("ctrl+r", "search", "Search the history", show=False, id="type.search"),
        Binding(
            "ctrl+j,alt+enter,shift+enter", "newline", "New line", show=False, id="type.newline"
        ),
        Binding("ctrl+d", "end_of_input", "Quit on an empty line", show=False, id="type.eof"),
    ]

    def __init__(self, id: str) -> None:
        super().__init__(id=id, theme="css", compact=True, highlight_cursor_line=False)
        self.past = Past()
        self.needs_more: Callable[[str], bool] = lambda text: False
        self.waiting_input = False
        self.searching: str | None = None
        self._hit: int | None = None

    def get_line(self, line_index: int) -> Text:
        """Return one line in the colours of Python."""
        line = Text(self.document.get_line(line_index), end="", no_wrap=True)
        if self.waiting_input or self.searching is not None:
            return line
        at = 0
        for text, role in python(self.text)[line_index]:
            if isinstance(role, str) and role:
                line.stylize(ink_of(self, f"ink-{role}"), at, at + len(text))
            at += len(text)
        return line

    def put(self, text: str) -> None:
        """Replace the text, cursor at its end."""
        self.text = text
        self.move_cursor(self.document.end)

    def update_suggestion(self) -> None:
        """Offer the rest of an earlier entry, taken with Right."""
        at_end = self.cursor_location == self.document.end
        plain = self.searching is None and not self.waiting_input
        self.suggestion = self.past.begins(self.text) if at_end and plain else ""

    async def _on_key(self, event: events.Key) -> None:
        """Take the keys that mean something else than in an editor."""
        if self.searching is not None and self._search_key(event):
            event.stop()
            event.prevent_default()
            return
        taken = {"enter": self._enter, "tab": self._tab, "up": self._up, "down": self._down}
        if event.key in taken and taken[event.key]():
            event.stop()
            event.prevent_default()
            return
        await super()._on_key(event)

    def _enter(self) -> bool:
        text = self.text
        if self.waiting_input:
            self.put("")
            self.post_message(self.InputLine(text))
            return True
        judged = text if text.rpartition("\n")[2].strip() else text.rstrip(" ")
        if not self.past_end() or not self.needs_more(judged):
            self.post_message(self.Entered(text.rstrip()))
            self.put("")  # at once: what is typed ahead begins a new entry
        else:
            self.action_newline()
        return True

    def past_end(self) -> bool:
        """Return whether the cursor is on the last line."""
        return self.cursor_location[0] == self.document.line_count - 1

    def action_newline(self) -> None:
        """Begin a new line, indented as the block asks, without running the entry."""
        line = self.document.get_line(self.cursor_location[0])
        indent = " " * (len(line) - len(line.lstrip()))
        more = "    " if line.rstrip().endswith(":") else ""
        self.insert("\n" + indent + more)

    def _tab(self) -> bool:
        row, column = self.cursor_location
        line = self.document.get_line(row)[:column]
        if not line.strip():
            self.insert("    ")
            return True
        before = [self.document.get_line(number) for number in range(row)]
        self.post_message(self.CompletionWanted("\n".join([*before, line])))
        return True

    def _up(self) -> bool:
        if self.cursor_location[0] > 0:
            return False
        self.action_past(-1)
        return True

    def _down(self) -> bool:
        if not self.past_end():
            return False
        self.action_past(1)
        return True

    def action_past(self, by: int) -> None:
        """Show an earlier or later entry of the history."""
        text = self.past.move(by, self.text)
        if text is not None:
            self.put(text)

    def action_end_of_input(self) -> None:
        """Quit on an empty line, else delete the character to the right."""
        if self.text:
            self.action_delete_right()
        else:
            self.app.call_later(self.app.run_action, "ask_quit")

    def action_search(self) -> None:
        """Search the history backwards; again goes on to an older entry."""
        if self.searching is None:
            self.searching, self._hit = "", None
        elif (older := self.past.search(self.searching, self._hit)) is not None:
            self._hit = older
            self.put(self.past.entries[older])
        self.suggestion = ""
        self.post_message(self.CompletionWanted(""))

    def _search_key(self, event: events.Key) -> bool:
        assert self.searching is not None
        if event.key == "escape":
            self.put("")
        elif event.key == "backspace":
            return self._search_for(self.searching[:-1])
        elif event.is_printable and event.character:
            return self._search_for(self.searching + event.character)
        self.searching = None
        self.post_message(self.CompletionWanted(""))
        return event.key == "escape"

    def _search_for(self, text: str) -> bool:
        self.searching = text
        self._hit = self.past.search(text)
        if self._hit is not None:
            self.put(self.past.entries[self._hit])
        self.post_message(self.CompletionWanted(""))
        return True
