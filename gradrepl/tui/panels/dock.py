"""The REPL dock, the same on every screen: transcript, completions, and the line to type in."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.strip import Strip
from textual.widgets import Static

from gradrepl import draw, model
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.draw.looking import python
from gradrepl.tui.panels.base import Framed, Paper
from gradrepl.tui.panels.prompt import Prompt
from gradrepl.tui.ring import Ring, decode

PROMPTS = {"idle": ">>> ", "forward": "(grad) ", "backward": "(grad:bw) ", "exception": "(grad:x) "}
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


def printout(ring: Ring, width: int) -> list[Line]:
    """Return output among the entries: what the code that was typed prints."""
    lost = ring.seen - len(ring.lines)
    lines: list[Line] = [[(f"... {lost} lines more: 6 Log", "dim")]] if lost else []
    for printed in ring.lines:
        line = decode(printed.text)
        error = printed.stream == "stderr"
        lines.append([(text, "warn") for text, _ in line] if error else line)
    return wrapped(lines, width)


class Transcript(Paper, can_focus=False):
    """What was typed, and what came of it. At a stop a first word that is a command is one,
    unless it is a name of yours; :word is always a command, !text always Python, x? tells about
    x. ● is a stop, ! an error. Typed lines run where the program stands, whatever row you look
    at.
    """

    NAME: ClassVar[str] = "REPL"
    stick = True

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.entries: deque[Draw] = deque(maxlen=KEPT)
        self._sizes: deque[int] = deque(maxlen=KEPT)
        self._printout: Ring | None = None
        self._dirty = False

    def add(self, draw: Draw) -> None:
        """Add an entry at the end."""
        self._append(lambda width: wrapped(draw(width), width))

    def show(self, record: model.Record) -> None:
        """Add a record, in brief: what panels show is left to them.

        Rows of a table are not broken: they scroll sideways.
        """

        def drawn(width: int) -> list[Line]:
            look = draw.Look(width=width, ascii=self.ascii, colour=self.colour, brief=True)
            return draw.lines(record, look)

        self._append(drawn)

    def take(self, stream: str, data: bytes) -> None:
        """Add what the program printed to the output that is open at the end."""
        if self._printout is None:
            ring = Ring(OUTPUT)
            self._append(partial(printout, ring))
            self._printout = ring
        self._printout.write(stream, data)
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
        self.renew()
        self._printout = None
        fresh, lines = self._drawn(draw), self.lines
        if len(self.entries) == KEPT:
            lines = lines[self._sizes[0] :]
        self.entries.append(draw)
        self._sizes.append(len(fresh))
        self.write([*lines, *fresh])
        self.to_end()

    def newest(self) -> int:
        """Return how many lines the newest entry has."""
        return self._sizes[-1] if self._sizes else 0

    def show_newest(self) -> None:
        """Scroll so that the newest entry is read from its first line."""
        self.to_line(len(self.lines) - self.newest())

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


class Dock(Vertical, Framed):
    """Everything typed, with the answers; text and history are never lost by switching."""

    progress = ""
    """How far something long is, in the caption instead of the hint; empty when nothing is."""
    _labelled = ("", "")

    def __init__(self) -> None:
        super().__init__(id="dock")
        self.transcript = Transcript("transcript")
        self.prompt = Prompt("prompt")
        self.words = Static(id="words")
        self.label = Static(Content("    "), id="label")

    def compose(self) -> ComposeResult:
        yield self.transcript
        yield self.words
        with Horizontal(id="line"):
            yield self.label
            yield self.prompt

    @property
    def typing(self) -> bool:
        """Whether letters are text now."""
        return self.prompt.has_focus

    def on_resize(self) -> None:
        """Draw the caption for the new width."""
        self.caption("REPL", self._captions[1])

    def state(self, prompt: str, waiting_input: bool, ready: bool = True, away: str = "") -> None:
        """Show the prompt of ``prompt`` (a state, or empty while code runs).

        ``away`` says how to come back to where typed lines run, when the lists look elsewhere.
        """
        waits = bool(prompt) or waiting_input
        if self.prompt.waiting_input != waiting_input:
            self.prompt.waiting_input = waiting_input
            self.prompt.refresh()
        labelled = self._label(prompt, ready), "bold" if waits else "dim"
        if self._labelled != labelled:
            self._labelled = labelled
            self.label.update(Content.styled(*labelled))
        if self.typing:
            hint = "esc leaves typing"
        elif waits:
            hint = "i or : to type"
        else:
            hint = "running   ^c pauses" if ready else "torch is being imported"
        self.caption("REPL", self.progress or "   ".join(filter(None, (away, hint))))

    def _label(self, prompt: str, ready: bool) -> str:
        """Return what stands in front of the line that is typed."""
        if self.prompt.searching is not None:
            return f"(search '{ink.clean(self.prompt.searching)}') "
        if self.prompt.waiting_input:
            return "input: "
        return PROMPTS.get(prompt, "(running) " if ready else "(starting) ")

    def echo(self, state: str, text: str, dim: bool = False) -> None:
        """Write what was typed, as it was typed, into the transcript."""
        self.transcript.add(lambda width: typed(PROMPTS.get(state, ">>> "), text, dim))

    def offer(self, words: Sequence[str], fragment: str) -> None:
        """Show ``words`` above the line; put in what they have in common for ``fragment``."""
        self.words.display = len(words) > 1
        if not words:
            return
        common = os.path.commonprefix(words)  # noqa: RUF071  (of letters is meant)
        if len(words) == 1 or (common.startswith(fragment) and len(common) > len(fragment)):
            row, column = self.prompt.cursor_location
            self.prompt.replace(common, (row, column - len(fragment)), (row, column))
        if len(words) > 1:
            shown = ink.clip("  ".join(words), max(10, self.size.width - 4))
            self.words.update(Content.styled(shown, "dim"))
