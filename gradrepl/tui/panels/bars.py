"""The first and the last row of the screen: where we are, and which keys do what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from gradrepl.draw import ink
from gradrepl.draw.ink import Line
from gradrepl.tui.keys import FIRST, PALETTE, Foot
from gradrepl.tui.panels.base import Panel
from gradrepl.tui.views import VIEWS, View, feet_of

if TYPE_CHECKING:
    from gradrepl.commands.talk import Talk

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


def state_of(talk: Talk) -> str:
    """Return the header's word for the state of a conversation."""
    if talk.gone is not None:
        return "ENDED"
    if talk.waiting_input:
        return "INPUT"
    if talk.prompt is None:
        return "RUNNING" if talk.ready else "STARTING"
    return {"idle": "READY", "exception": "RAISED"}.get(talk.prompt.state, "PAUSED")


def place_of(talk: Talk) -> list[str]:
    """Return where we are, the most important first."""
    ready, stop = talk.ready, talk.stop
    device = (ready.device or "cpu") if ready else "importing torch"
    if talk.gone is not None:
        return [talk.gone.how]
    if stop is None:
        return [device, f"torch {ready.torch}" if ready else ""]
    if talk.prompt is None:
        cost = talk.cost
        return [f"looking {cost.seconds / cost.total:.0%}" if cost else "", device]
    parts = [device, stop.site.place if stop.site else "", stop.module]
    if stop.node is not None:
        return [f"{stop.position}/{stop.total}" if stop.total else f"node {stop.position}", *parts]
    return [f"op {stop.op.id}", *parts] if stop.op is not None else parts


class Bar(Widget):
    """One row of spans, some of which do something when they are clicked."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *("bar-dim", "bar-key", "bar-name", "bar-tab", "bar-here"),
        *STATES.values(),
    }
    ALLOW_SELECT = False

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.auto_links = False

    def draw(self, width: int) -> Line:
        """Return the row; roles are component classes, or styles of :meth:`clicked`."""
        raise NotImplementedError

    def clicked(self, name: str, action: str) -> Style:
        """Return the style of a component class, for text that does ``action`` when clicked."""
        return self._style(name) + (Style(meta={"@click": action}) if action else Style.null())

    def render_line(self, y: int) -> Strip:
        """Draw the row."""
        width = self.size.width
        segments = [
            Segment(
                ink.ascii_only(text) if Panel.ascii else text, self.rich_style + self._style(role)
            )
            for text, role in ink.fit(self.draw(width), width)
        ]
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _style(self, role: ink.Role) -> Style:
        if isinstance(role, Style):
            return role
        return self.get_component_rich_style(str(role), partial=True) if role else Style.null()


class Header(Bar):
    """Name, tabs, state, place, device."""

    view = reactive("fwd")
    state = reactive("STARTING")
    place: reactive[Sequence[str]] = reactive(("importing torch",))
    """From the most to the least important; what does not fit is left out."""
    news = reactive(False)
    """Something was printed that nobody has seen."""

    def draw(self, width: int) -> Line:
        left: Line = [(" gradrepl  " if width >= 60 else " ", "bar-name")]
        left += self._tabs(width - ink.width(left) - len(self.state) - 4 - _wide(self.place[:2]))
        parts: list[str] = []
        room = width - ink.width(left) - len(self.state) - 5
        for part in filter(None, self.place):
            if _wide(parts) + ink.cell_len(part) <= room:
                parts.append(part)
        state = (f" {self.state} ", STATES.get(self.state, "state-ready"))
        tail = ink.span(f" {'  '.join(parts)} " if parts else " ")
        return ink.between(left, [state, tail], width)

    def _tabs(self, room: int) -> Iterable[ink.Span]:
        """Yield the tabs in so many cells: those of plugins go first, then the titles."""
        views: Sequence[View] = VIEWS
        if _wide(view.label for view in views) > room:
            views = [view for view in VIEWS if view.ours or view.name == self.view]
        tight = _wide(view.label for view in views) > room
        for view in views:
            if view.name == self.view:
                text, role = f"[{view.digit} {view.title}]", "bar-here"
            else:
                mark = "•" if view.name == "log" and self.news else " "
                text, role = f" {view.digit if tight else view.label}{mark}", "bar-tab"
            yield text, self.clicked(role, view.key.action)


def _wide(texts: Iterable[str]) -> int:
    return sum(ink.cell_len(text) + 2 for text in texts)


class Footer(Bar):
    """The keys that matter now; it never overflows."""

    feet: reactive[tuple[Foot, ...]] = reactive(())

    def draw(self, width: int) -> Line:
        palette = width >= 110 and PALETTE not in self.feet
        line: Line = [(" ", "")]
        for foot in fitting(self.feet, width - (16 if palette else 1)):
            line += [*self._entry(foot), ("   " if width >= 120 else "  ", "")]
        end = [*self._entry(PALETTE), (" ", "")] if palette else []
        return ink.between(line, end, width) if palette else line

    def _entry(self, foot: Foot) -> Line:
        key, plain = (self.clicked(name, foot.action) for name in ("bar-key", ""))
        return [(foot.shown, key), (f" {foot.label}", plain)]


def fitting(feet: Sequence[Foot], width: int) -> list[Foot]:
    """Return the entries that fit in ``width`` cells, the least important left out."""
    gap = 3 if width >= 100 else 2
    shown = list(feet)
    while shown and sum(ink.cell_len(f"{f.shown} {f.label}") + gap for f in shown) > width:
        spare = [foot for foot in shown if foot.label not in FIRST]
        shown.remove(spare[-1] if spare else shown[-2 if len(shown) > 1 else -1])
    return shown


def dialog_foot(state: str) -> Footer:
    """Return a footer of its own for a dialog."""
    footer = Footer("dialog-footer")
    footer.feet = feet_of(state)
    return footer
