"""A list of any length that holds only the rows around what is seen.

It knows how many rows there are and asks for windows of them by a message; 10^6 rows open as fast
as ten. Rows that are not there yet are drawn as a dot. After a stop old rows stay on the screen
until the new window has come, so that nothing flickers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from gradrepl.draw import ink
from gradrepl.draw.ink import Line
from gradrepl.tui.panels.base import Panel

Row = TypeVar("Row")

MARGIN = 64
"""Rows asked for above and below what is seen."""
KEPT = 4096
"""Rows kept; beyond, only those around the newest window stay."""
SCAN = 2000
"""Rows looked through at a time when something is sought."""


class RowList(Panel, Generic[Row], inherit_bindings=False):
    """A virtual list of rows with a cursor and one row that is 'here'."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Details", show=False, id="list.open")
    ]
    ALLOW_SELECT = False

    total: reactive[int] = reactive(0, repaint=False)
    cursor: reactive[int] = reactive(-1, repaint=False)
    here: reactive[int] = reactive(-1)
    HEAD: int = 1
    """Lines of column titles above the rows."""
    EMPTY: ClassVar[Sequence[Line]] = ()
    """What is shown while there is no row."""

    class Selected(Message):
        """The cursor came to another row, or its row has come."""

        def can_replace(self, message: Message) -> bool:
            """Only the newest place of the cursor matters."""
            return isinstance(message, RowList.Selected)

    class Opened(Message):
        """Enter or a double click on the selected row."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.rows: dict[int, Row] = {}
        self.fetch: Callable[[int, int], Awaitable[Any]] | None = None
        """Returns by first index and count a record with some ``rows``, the index of the ``first``
        and the ``total`` of all; None: all rows are here."""
        self._stale = False
        self._asked: tuple[int, int] = (-1, -1)
        self._quiet = False
        self._untold = False
        """The cursor came on a row that was not here yet."""

    # -- what a concrete list says ------------------------------------------------------------

    def draw_head(self, width: int) -> Line:
        """Return the column titles."""
        raise NotImplementedError

    def draw_row(self, row: Row, index: int, width: int) -> Line:
        """Return one row in ``width`` cells."""
        raise NotImplementedError

    def draw_empty(self, width: int) -> list[Line]:
        """Return what to show while there is no row."""
        return [ink.fit([(" ", ""), *line], width) for line in self.EMPTY]

    @property
    def selected(self) -> Row | None:
        """The row under the cursor, if that is here."""
        return self.rows.get(self.cursor)

    @property
    def digits(self) -> int:
        """Cells that the largest number takes, at least 3."""
        return max(3, len(str(self.total)))

    # -- being fed ----------------------------------------------------------------------------

    def window(self) -> tuple[int, int]:
        """Return first and count of the rows worth having now."""
        top, height = round(self.scroll_offset.y), max(1, self.size.height)
        first = max(0, top - MARGIN)
        return first, min(height + 2 * MARGIN, max(0, self.total - first))

    def renew(self) -> None:
        """Let the next window replace all rows: something ran."""
        self._stale = True
        self._asked = (-1, -1)

    def supply(self, rows: Sequence[Row], first: int, total: int) -> None:
        """Take a window of rows that was asked for."""
        if self._stale or len(self.rows) > KEPT:
            self.rows = {}
            self._stale = False
        self.rows.update(enumerate(rows, first))
        self.total = total
        self.refresh()
        if self._untold:
            self.tell()

    def fill(self, rows: Sequence[Row]) -> None:
        """Show ``rows``, which are all there are."""
        self.renew()
        self.supply(rows, 0, len(rows))

    def refill(self, rows: Sequence[Row], key: Callable[[Row], Any], first: int = 0) -> None:
        """Show other rows, the cursor kept on the one of the same ``key``, or put on ``first``."""
        was = self.selected
        self.fill(rows)
        same = (i for i, row in enumerate(rows) if was is not None and key(row) == key(was))
        self.cursor = next(same, min(first, len(rows) - 1))

    def clear(self) -> None:
        """Show no rows."""
        self.rows, self._stale = {}, False
        self.total, self.cursor, self.here = 0, -1, -1
        self.refresh()

    def watch_total(self) -> None:
        """Fit the scroll bar."""
        self.virtual_size = Size(0, self.total + self.HEAD if self.total else 0)

    # -- the cursor ---------------------------------------------------------------------------

    def watch_cursor(self, old: int, new: int) -> None:
        """Keep the cursor in view and say where it is."""
        self.refresh()
        self.show_row(new)
        if not self._quiet:
            self.tell()

    def stand(self, index: int, quietly: bool = False) -> None:
        """Put the cursor on row ``index`` because of a stop; ``quietly``, it selects nothing."""
        self._quiet, self._untold = quietly, False
        self.cursor = index
        self._quiet = False
        self.show_row(index)

    def tell(self) -> None:
        """Say which row is selected, as soon as that row is known."""
        self._untold = self.selected is None and self.cursor >= 0
        if self.selected is not None:
            self.post_message(self.Selected())

    def show_row(self, index: int) -> None:
        """Scroll as little as needed to bring row ``index`` into view, two rows of context."""
        height = self.size.height - self.HEAD
        if index < 0 or height < 1:
            return
        context = min(2, (height - 1) // 2)
        region = Region(0, max(0, index - context), 1, 1 + 2 * context)
        top = round(self.scroll_offset.y)
        if region.y < top:
            self._scroll_rows(region.y)
        elif region.bottom > top + height:
            self._scroll_rows(region.bottom - height)

    def _scroll_rows(self, top: int) -> None:
        top = max(0, min(top, self.total + self.HEAD - self.size.height))
        self.scroll_to(y=top, animate=False, immediate=True, force=True)

    def move(self, rows: int) -> None:
        """Move the cursor."""
        if self.total:
            self.cursor = max(0, min(self.total - 1, self.cursor + rows))

    def go(self, row: int) -> None:
        """Put the cursor on a row; negative counts from the end."""
        if self.total:
            self.cursor = max(0, min(self.total - 1, row if row >= 0 else self.total + row))

    def action_open(self) -> None:
        """Show the details of the selected row."""
        self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        """Select the row under the mouse; a double click opens it."""
        y = event.get_content_offset_capture(self).y - self.HEAD
        if 0 <= y < self.size.height:
            index = round(self.scroll_offset.y) + y
            if index < self.total:
                self.cursor = index
                if event.chain == 2:
                    self.action_open()

    # -- drawing ------------------------------------------------------------------------------

    def resized(self) -> None:
        """Keep the selected row in view."""
        self.show_row(self.cursor)

    def render_line(self, y: int) -> Strip:
        """Draw the column titles, or one row."""
        width = self.room
        if not self.total:
            lines = self.draw_empty(width)
            return self.strip(lines[y]) if y < len(lines) else self.strip([])
        if y < self.HEAD:
            return self.strip(self.draw_head(width))
        index = round(self.scroll_offset.y) + y - self.HEAD
        if index >= self.total:
            return self.strip([])
        row = self.rows.get(index)
        if row is None:
            self._want()
            return self.strip([("· ", "dim")])
        ground = "cursor-row" if index == self.cursor else "here-row" if index == self.here else ""
        return self.strip(ink.fit(self.draw_row(row, index, width), width), ground)

    def _want(self) -> None:
        """Ask for the window around what is seen, once."""
        window = self.window()
        if window != self._asked:
            self._asked = window
            self.call_later(  # drawing is done by the screen: not a place to begin work in
                self.run_worker, partial(self._fill, *window), group="window", exclusive=True
            )

    async def _fill(self, first: int, count: int) -> None:
        window = await self.fetch(first, count) if self.fetch is not None else None
        if window is not None:
            self.supply(window.rows, window.first, window.total)

    # -- finding --------------------------------------------------------------------------------

    async def find(self, text: str, step: int) -> bool:
        """Go to the next row with ``text`` in it, or with -1 the one before, round the end."""
        for first, count in ranges(self.cursor, step, self.total):
            if self.fetch is None:
                rows: Sequence[Row] = [self.rows[index] for index in range(first, first + count)]
            else:
                window = await self.fetch(first, count)
                rows = window.rows if window is not None else ()
            for place in range(len(rows))[::step]:
                line = ink.plain(self.draw_row(rows[place], -1, 200))
                if text.casefold() in line.casefold():
                    self.go(first + place)
                    return True
        return False

    def text(self) -> str:
        """Return the known rows as text."""
        width = max(60, self.room)
        known: list[tuple[int, Any]] = sorted(self.rows.items())
        lines = [self.draw_head(width), *(self.draw_row(row, i, width) for i, row in known)]
        return "\n".join(ink.plain(line).rstrip() for line in lines)


def ranges(start: int, step: int, total: int) -> list[tuple[int, int]]:
    """Return windows that cover all rows once, from beside ``start`` on, in direction ``step``.

    >>> ranges(3, 1, 10)
    [(4, 6), (0, 4)]
    >>> ranges(3, -1, 10)
    [(0, 3), (3, 7)]
    """
    parts = [(start + 1, total), (0, start + 1)] if step > 0 else [(0, start), (start, total)]
    windows: list[tuple[int, int]] = []
    for low, high in parts:
        low, high = max(0, low), min(total, high)
        cuts = [(at, min(SCAN, high - at)) for at in range(low, high, SCAN)]
        windows += cuts if step > 0 else cuts[::-1]
    return windows
