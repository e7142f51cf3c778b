"""What was typed and what came of it: the upper part of the dock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import ClassVar

from textual.strip import Strip

from gradrepl import draw, model
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.draw.looking import python
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.panels.log import decode
from gradrepl.tui.ring import Printed, Ring

Draw = Callable[[int], list[Line]]
KEPT = 600
"""Entries kept."""
OUTPUT = 200
"""Lines of output kept for one entry; all of it is in the Log."""


def typed(prompt: str, text: str, dim: bool = False) -> list[Line]:
    """Return an entry as it was typed, prompt in front."""
    again = "... ".rjust(len(prompt))
    lines: list[Line] = []
    parts = [[span(part, "dim")] for part in text.split("\n")] if dim else python(text)
    for number, part in enumerate(parts):
        lines.append([(prompt if not number else again, "dim" if dim else "key"), *part])
    return lines


def wrapped(lines: list[Line], width: int) -> list[Line]:
    """Return ``lines`` broken to ``width`` cells."""
    return [part for line in lines for part in ink.wrap(line, width)]


class Printout:
    """Output among the entries: what the code that was typed prints."""

    def __init__(self) -> None:
        self.ring = Ring(OUTPUT)

    def draw(self, width: int) -> list[Line]:
        """Return its lines."""
        lost = self.ring.seen - len(self.ring.lines)
        lines: list[Line] = [[(f"... {lost} lines more: 6 Log", "dim")]] if lost else []
        return wrapped([*lines, *(self._line(printed) for printed in self.ring.lines)], width)

    @staticmethod
    def _line(printed: Printed) -> Line:
        line = decode(printed.text)
        return [(text, "warn") for text, _ in line] if printed.stream == "stderr" else line


class Transcript(Paper, can_focus=False):
    """A growing paper that stays at its end."""

    NAME: ClassVar[str] = "REPL"
    HELP: ClassVar[str] = (
        "What was typed, and what came of it. At a stop a first word that is a command is one, "
        "unless it is a name of yours; :word is always a command, !text always Python, x? tells "
        "about x. ● is a stop, ! an error. Typed lines run where the program stands, whatever "
        "row you look at."
    )
    stick = True

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.entries: deque[Draw] = deque(maxlen=KEPT)
        self._sizes: deque[int] = deque(maxlen=KEPT)
        self._printout: Printout | None = None
        self._dirty = False

    def add(self, draw: Draw) -> None:
        """Add an entry at the end."""
        self.renew()
        self._printout = None
        self._append(lambda width: wrapped(draw(width), width))

    def show(self, record: model.Record) -> None:
        """Add a record; rows of a table are not broken: they scroll sideways."""
        self.renew()
        self._printout = None
        self._append(lambda width: draw.lines(record, self.brief_look(width)))

    def brief_look(self, width: int) -> draw.Look:
        """Return how records look here: what panels show is left to them."""
        return draw.Look(width=width, ascii=self.ascii, colour=self.colour, brief=True)

    def take(self, stream: str, data: bytes) -> None:
        """Add what the program printed to the output that is open at the end."""
        if self._printout is None:
            self._append((printout := Printout()).draw)
            self._printout = printout
        self._printout.ring.write(stream, data)
        self._dirty = True

    def renew(self) -> None:
        """Draw what was taken."""
        if not self._dirty or self._printout is None:
            return
        self._dirty = False
        size = self._sizes.pop()
        fresh = self._drawn(self.entries[-1])
        self._sizes.append(len(fresh))
        self.write([*self.lines[: len(self.lines) - size], *fresh])
        self.to_end()

    def render_line(self, y: int) -> Strip:
        """Draw one line; while there are few, they stand just above the prompt."""
        return super().render_line(y - max(0, self.size.height - len(self.lines)))

    def _append(self, draw: Draw) -> None:
        fresh = self._drawn(draw)
        lines = self.lines
        if len(self.entries) == KEPT:
            lines = lines[self._sizes[0] :]
        self.entries.append(draw)
        self._sizes.append(len(fresh))
        self.write([*lines, *fresh])
        self.to_end()

    def to_end(self) -> None:
        """Scroll to the newest line."""
        self.scroll_end(animate=False, immediate=True, x_axis=False, force=True)

    def newest(self) -> int:
        """Return how many lines the newest entry has."""
        return self._sizes[-1] if self._sizes else 0

    def show_newest(self) -> None:
        """Scroll so that the newest entry is read from its first line."""
        self.scroll_to(y=len(self.lines) - self.newest(), animate=False, immediate=True, force=True)

    def _drawn(self, draw: Draw) -> list[Line]:
        return draw(max(20, self.room))

    def clear(self) -> None:
        """Forget all entries."""
        self.entries.clear()
        self._sizes.clear()
        self._printout = None
        self.write([])

    def resized(self) -> None:
        """Wrap all entries for the new width."""
        groups = [self._drawn(draw) for draw in self.entries]
        self._sizes = deque((len(group) for group in groups), maxlen=KEPT)
        self.write([line for group in groups for line in group])
        self.to_end()
