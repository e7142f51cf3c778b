"""The first and the last row of the screen: where we are, and which keys do what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.tui import messages
from gradrepl.tui.key import PALETTE, Foot
from gradrepl.tui.keys import FIRST
from gradrepl.tui.panels.base import Panel
from gradrepl.tui.views import VIEWS, View

STATES = {
    "READY": "state-ready",
    "STARTING": "state-running",
    "RUNNING": "state-running",
    "PAUSED": "state-paused",
    "INPUT": "state-paused",
    "VIEW": "state-view",
    "RAISED": "state-ended",
    "ENDING": "state-ended",
    "ENDED": "state-ended",
}


class Bar(Widget):
    """One row of spans, some of which do something when they are clicked."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *("bar-dim", "bar-key", "bar-name", "bar-tab", "bar-here"),
        *STATES.values(),
    }
    ALLOW_SELECT = False

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.spots: list[tuple[int, int, str]] = []
        """First cell, cell after the last, action."""

    def draw(self, width: int) -> Line:
        """Return the row; roles are component classes."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        """Draw the row."""
        width = self.size.width
        segments = [
            Segment(
                ink.ascii_only(text) if Panel.ascii else text,
                self.rich_style + self._style(role),
            )
            for text, role in ink.fit(self.draw(width), width)
        ]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _style(self, role: ink.Role) -> Style:
        if isinstance(role, Style):
            return role
        return self.get_component_rich_style(str(role), partial=True) if role else Style.null()

    def on_click(self, event: events.Click) -> None:
        """Run the action under the mouse."""
        for first, last, action in self.spots:
            if first <= event.x < last and action:
                self.post_message(messages.KeyClicked(action))


class Header(Bar):
    """Name, tabs, state, place, device."""

    view = "fwd"
    state = "STARTING"
    place: Sequence[str] = ()
    """From the most to the least important; what does not fit is left out."""
    news = False
    """Something was printed that nobody has seen."""

    def say(self, view: str, state: str, place: list[str]) -> None:
        """Show these, if they are not shown already."""
        said = view, state, place
        if said != (self.view, self.state, self.place):
            self.view, self.state, self.place = said
            self.refresh()

    def draw(self, width: int) -> Line:
        """Return the row."""
        name = " gradrepl  " if width >= 60 else " "
        left: Line = [(name, "bar-name")]
        self.spots = []
        at = ink.width(left)
        said = len(self.state) + 4 + sum(len(part) + 2 for part in self.place[:2])
        room = width - at - said
        shown = list(VIEWS)
        if _wide(shown) > room:  # tabs of plugins go first, then the titles
            shown = [view for view in VIEWS if view.ours or view.name == self.view]
        tight = _wide(shown) > room
        for view in shown:
            here = view.name == self.view
            mark = "•" if view.name == "log" and self.news and not here else " "
            label = f"{view.digit} {view.title}" if here else view.digit if tight else view.label
            text = f"[{label}]" if here else f" {label}{mark}"
            left.append((text, "bar-here" if here else "bar-tab"))
            self.spots.append((at, at + ink.width([(text, "")]), view.key.action))
            at += ink.width([(text, "")])
        room = width - at - len(self.state) - 5
        parts: list[str] = []
        for part in self.place:
            if part and sum(len(done) + 2 for done in parts) + ink.width([(part, "")]) <= room:
                parts.append(part)
        state = (f" {self.state} ", STATES.get(self.state, "state-ready"))
        tail = span(" " + "  ".join(parts) + " " if parts else " ", "")
        return ink.between(left, [state, tail], width)


def _wide(views: Sequence[View]) -> int:
    return sum(len(view.label) + 2 for view in views)


class Footer(Bar):
    """The keys that matter now; it never overflows."""

    feet: tuple[Foot, ...] = ()

    def say(self, feet: tuple[Foot, ...]) -> None:
        """Show these entries."""
        if feet != self.feet:
            self.feet = feet
            self.refresh()

    def draw(self, width: int) -> Line:
        """Return the row."""
        palette = width >= 110 and PALETTE not in self.feet
        shown = fitting(self.feet, width - (16 if palette else 1))
        gap = "   " if width >= 120 else "  "
        line: Line = [(" ", "")]
        self.spots = []
        at = 1
        for foot in shown:
            size = ink.width([(f"{foot.shown} {foot.label}", "")])
            line += [(foot.shown, "bar-key"), (f" {foot.label}", ""), (gap, "")]
            self.spots.append((at, at + size, foot.action))
            at += size + len(gap)
        if not palette:
            return line
        self.spots.append((width - 11, width, PALETTE.action))
        return ink.between(line, [(PALETTE.shown, "bar-key"), (f" {PALETTE.label} ", "")], width)


def fitting(feet: Sequence[Foot], width: int) -> list[Foot]:
    """Return the entries that fit in ``width`` cells, the least important left out."""
    gap = 3 if width >= 100 else 2
    shown = list(feet)
    while shown and sum(ink.width([(f"{f.shown} {f.label}", "")]) + gap for f in shown) > width:
        spare = [foot for foot in shown if foot.label not in FIRST]
        shown.remove(spare[-1] if spare else shown[-2 if len(shown) > 1 else -1])
    return shown
