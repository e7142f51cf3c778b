"""Dragging the frame between two panes that stand side by side gives one of them more room."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from textual import events
from textual.app import App
from textual.geometry import Offset
from textual.widget import Widget

LEAST = 16
"""Cells that a pane keeps."""
TWINS = ("ops", "nodes")
"""Panes of which one stands where the other did."""


def border_at(app: App[Any], at: Offset) -> tuple[Widget, Widget] | None:
    """Return the neighbours whose frames meet at a cell, the left one first."""
    here, _ = app.screen.get_widget_at(*at)
    while here.parent is not None and isinstance(here.parent, Widget):
        row = here.parent
        if row.styles.layout is not None and row.styles.layout.name == "horizontal":
            shown = [each for each in row.displayed_children if each.region.width]
            for left, right in pairwise(shown):
                if at.x in (left.region.right - 1, right.region.x) and here in (left, right):
                    return left, right
        here = row
    return None


class Splitting(App[int]):
    """The mouse on the frames between panes."""

    _held: tuple[Widget, Widget] | None = None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the frame between two panes."""
        if len(self.screen_stack) == 1 and event.button == 1:
            self._held = border_at(self, event.screen_offset)
            if self._held is not None:
                self.capture_mouse(self._held[0])

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Move it."""
        if self._held is not None:
            share(*self._held, event.screen_x)

    def on_mouse_up(self) -> None:
        """Let it go."""
        if self._held is not None:
            self._held = None
            self.capture_mouse(None)
            self.screen.clear_selection()


def share(left: Widget, right: Widget, edge: int) -> None:
    """Let ``left`` end, and ``right`` begin, at column ``edge``; the others keep their room.

    Widths are set as shares, so that they hold in a terminal of another size, too.
    """
    first, last = left.region.x, right.region.right
    if last - first < 2 * LEAST:
        return
    edge = max(first + LEAST, min(last - LEAST, edge + 1))
    row = left.parent
    assert isinstance(row, Widget)
    widths = {each: each.region.width for each in row.displayed_children}
    widths |= {left: edge - first, right: last - edge}
    for each, cells in widths.items():
        each.styles.width = f"{cells}fr"
        if each.id in TWINS:
            for twin in row.children:
                if twin.id in TWINS:
                    twin.styles.width = f"{cells}fr"
