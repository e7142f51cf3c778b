"""Dragging the frame between two neighbouring panes gives one of them more room."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

from textual import events
from textual.errors import NoWidget
from textual.geometry import Offset
from textual.screen import Screen
from textual.widget import Widget


class Side(NamedTuple):
    """One of the two ways in which panes are laid out: names of what counts along it."""

    begin: str
    """Of a region's first cell."""
    end: str
    """Of the cell behind its last one."""
    size: str
    """Of a style, and of a region's size."""
    least: int
    """Cells that a pane keeps."""


SIDES = {
    "horizontal": Side("x", "right", "width", 16),
    "vertical": Side("y", "bottom", "height", 4),
}
"""By the name of a layout."""
ROOMY = (60, 15)
"""Columns and rows below which panes have the heights that they are given there."""
TWINS = ".steps"
"""Lists of which one stands where the other does on its page."""


class Frame(NamedTuple):
    """What is dragged: the frame between two neighbours, the left or upper one first."""

    side: Side
    first: Widget
    second: Widget

    @property
    def row(self) -> Widget:
        """Return what the two, and perhaps more, stand in."""
        assert isinstance(self.first.parent, Widget)
        return self.first.parent

    def move(self, at: Offset) -> None:
        """Let the first end, and the second begin, at a cell; the others keep their room.

        Sizes are set as shares, so that they hold in a terminal of another size, too.
        """
        begin, end, size, least = self.side
        start = getattr(self.first.region, begin)
        stop = getattr(self.second.region, end)
        if stop - start < 2 * least:
            return
        edge = max(start + least, min(stop - least, getattr(at, begin) + 1))
        cells = {
            each: getattr(each.region, size) for each in _shown(self.row) if _shares(each, size)
        }
        for each, room in {**cells, self.first: edge - start, self.second: stop - edge}.items():
            for pane in _twins(each):
                setattr(pane.styles, size, f"{room}fr")


def frame_at(screen: Screen[Any], at: Offset) -> Frame | None:
    """Return the frame between neighbours that a cell is of, or None."""
    try:
        here, _ = screen.get_widget_at(*at)
    except NoWidget:  # outside: the terminal was larger just now
        return None
    if here.content_region.contains_point(at):
        return None
    while here.parent is not None and isinstance(here.parent, Widget):
        row = here.parent
        side = SIDES.get(row.layout.name)
        if side is None:
            return None
        for first, second in pairwise(_shown(row)):
            place, next_to = getattr(at, side.begin), getattr(second.region, side.begin)
            large = min(getattr(each.region, side.size) for each in (first, second)) > 1
            if here in (first, second) and place in (next_to - 1, next_to) and large:
                return Frame(side, first, second)
        here = row
    return None


def _shown(row: Widget) -> list[Widget]:
    return [each for each in row.displayed_children if each.region.area]


def _shares(pane: Widget, size: str) -> bool:
    """Has the pane a share of the room, and not a number of cells?"""
    given = getattr(pane.styles, size)
    return given is not None and given.is_fraction


def _twins(pane: Widget) -> Iterable[Widget]:
    """Return the panes that stand where ``pane`` does, on all pages."""
    if pane.id is None:
        return [pane]
    return pane.screen.query(TWINS if pane.has_class(TWINS[1:]) else f"#{pane.id}")


class Splitting(Screen[None]):
    """A screen on which the frames between panes can be dragged with the mouse."""

    _held: Frame | None = None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the frame between two panes."""
        if event.button == 1:
            self._held = frame_at(self, event.screen_offset)
            if self._held is not None:
                self.app.capture_mouse(self._held.first)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Move it."""
        if self._held is not None:
            self._held.move(event.screen_offset)

    def on_mouse_up(self) -> None:
        """Let it go."""
        if self._held is not None:
            self._held = None
            self.app.capture_mouse(None)
            self.clear_selection()

    def on_resize(self, event: events.Resize) -> None:
        """Forget the heights where there is not the room for them."""
        if event.size.width < ROOMY[0] or event.size.height < ROOMY[1]:
            for pane in self.query(Widget):
                pane.styles.inline.clear_rule("height")
