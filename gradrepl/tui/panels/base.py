"""What every panel is: a framed, scrolling area that draws lines of ink.

Two kinds follow from it: :class:`Paper` shows a list of lines that it was given; the long lists
(:mod:`gradrepl.tui.panels.rows`) make each line when it comes into view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from gradrepl.draw import Look, ink
from gradrepl.draw.ink import Line
from gradrepl.tui import messages


def caption(left: str, right: str, room: int, ascii: bool) -> Content:
    """Return a frame's title of ``room`` cells: ``left``, a rule, ``right``."""
    right = ink.clip(right, max(0, room - len(left) - 3))
    left = ink.clip(left, max(4, room))
    if ascii:
        left, right = ink.ascii_only(left), ink.ascii_only(right)
    if not right:
        return Content.styled(left, "bold")
    fill = room - ink.width([(left, ""), (right, "")]) - 2
    return Content.assemble((left, "bold"), f" {('-' if ascii else '─') * max(0, fill)} {right}")


class Inks(Widget):
    """Holds the style of every role, once for all panels; it is never seen."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"ink-{role}" for role in ink.ROLES} | {
        "cursor-row",
        "here-row",
    }


def ink_of(widget: Widget, name: str) -> Style:
    """Return the style of component class ``name``."""
    inks = widget.app.query_one("#inks", Inks)
    return inks.get_component_rich_style(name, partial=True)


class Panel(ScrollView, can_focus=True):
    """A framed area of lines, with a caption at both ends of its upper edge."""

    NAME: ClassVar[str] = ""
    """How the help names this panel."""
    HELP: ClassVar[str] = ""
    """What it shows, its glyphs explained, in two to four sentences."""
    ascii: ClassVar[bool] = False
    """Draw with ASCII characters only; set once by the app."""

    _inks: dict[tuple[str, ink.Role], Style]
    _left, _right = "", ""
    _captioned: tuple[str, str, int] | None = None

    def __init__(self, id: str) -> None:
        self._inks = {}
        super().__init__(id=id)

    def caption(self, left: str, right: str = "") -> None:
        """Write ``left`` and ``right`` into the upper edge."""
        self._left, self._right = left, right
        room = self.outer_size.width - 6
        if self.styles.border_top[0] and self._captioned != (left, right, room):
            self._captioned = left, right, room
            self.border_title = caption(left, right, room, self.ascii)

    def on_show(self) -> None:
        """Ask for what to show."""
        self.post_message(messages.Appeared())

    def on_resize(self) -> None:
        """Draw the caption for the new width, and what depends on the width."""
        self.caption(self._left, self._right)
        self.resized()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw; a caption made for another width is made anew after it."""
        made = self._captioned
        if made is not None and made[2] != self.outer_size.width - 6 and self.styles.border_top[0]:
            self.call_later(self.on_resize)
        return super().render_lines(crop)

    def resized(self) -> None:
        """Lay out anew for another width; panels that wrap override this."""

    def notify_style_update(self) -> None:
        """Forget the styles: the theme, or a class, has changed."""
        self._inks = {}
        super().notify_style_update()

    def ground(self, row: str = "") -> Style:
        """Return the style of plain text on the ground of component class ``row``."""
        found = self._inks.get((row, None))
        if found is None:
            found = self.rich_style
            if row:
                found = found + ink_of(self, row)
            self._inks[row, None] = found
        return found

    def ink_style(self, role: ink.Role, row: str = "") -> Style:
        """Return the style of ``role`` on the ground of ``row``."""
        if isinstance(role, tuple):  # the brightness of the upper and the lower half of a cell
            upper, lower = (f"rgb({level},{level},{level})" for level in role)
            role = Style(color=upper, bgcolor=lower)
        if isinstance(role, Style):
            return self.ground(row) + role
        if not role:
            return self.ground(row)
        found = self._inks.get((row, role))
        if found is None:
            found = self.ground(row)
            if not found.reverse:  # else each span would have a ground of its own colour
                found = found + ink_of(self, f"ink-{role}")
            self._inks[row, role] = found
        return found

    def strip(self, line: Sequence[ink.Span], row: str = "", column: int = 0) -> Strip:
        """Return ``line`` as wide as the panel; ``row`` is the component class of its ground.

        What is scrolled out or has no room leaves an ellipsis at that edge.
        """
        segments = [
            Segment(ink.ascii_only(text) if self.ascii else text, self.ink_style(role, row))
            for text, role in line
        ]
        width = self.room
        strip = Strip(segments)
        if strip.cell_length <= width and not column:
            return strip.extend_cell_length(self.size.width, self.ground(row))
        cut = Strip([Segment("~" if self.ascii else "…", self.ink_style("dim", row))])
        first, last = column, column + width
        parts = [strip.crop_extend(first, last, self.ground(row))]
        if strip.cell_length > last:
            parts = [parts[0].crop(0, width - 1), cut]
        if column and strip.cell_length > column:
            parts = [cut, parts[0].crop(1), *parts[1:]]
        return Strip.join(parts).extend_cell_length(self.size.width, self.ground(row))

    @property
    def colour(self) -> bool:
        """Can a cell be shown as any colour?"""
        return not (self.ascii or self.app.no_color)

    @property
    def look(self) -> Look:
        """How a record looks in this panel."""
        return Look(width=self.room, ascii=self.ascii, colour=self.colour)

    @property
    def room(self) -> int:
        """Cells of a line, the scroll bar not counted."""
        return self.scrollable_content_region.width

    @property
    def visible_now(self) -> bool:
        """Whether the panel has room on the screen."""
        return bool(self.display and self.size.width and self.size.height)

    def text(self) -> str:
        """Return what the panel shows as text, for ``y``."""
        return ""

    async def find(self, text: str, step: int) -> bool:
        """Go to the next place with ``text`` in it, or with -1 the one before; is there one?"""
        return False


class Paper(Panel):
    """A panel of lines that are all there; text in it can be selected with the mouse."""

    stick = False
    """Stay at the end when lines are added there."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.lines: list[Line] = []

    def write(self, lines: Sequence[Line]) -> None:
        """Show ``lines`` instead of what was there."""
        if lines == self.lines:
            return
        self.lines = list(lines)
        longest = max((ink.width(line) for line in self.lines), default=0)
        at_end = self.stick and self.is_vertical_scroll_end
        self.virtual_size = Size(longest, len(self.lines))
        if at_end:
            self.scroll_end(animate=False, immediate=True, x_axis=False, force=True)
        self.refresh()

    def line_at(self, y: int) -> Line:
        """Return line ``y`` of the content."""
        return self.lines[y]

    def render_line(self, y: int) -> Strip:
        """Draw one visible line."""
        left, top = self.scroll_offset
        y += top
        if not 0 <= y < len(self.lines):
            return Strip.blank(self.size.width, self.ground())
        strip = self.strip(self.line_at(y), column=left)
        selection = self.text_selection
        if selection is not None and (found := selection.get_span(y)) is not None:
            strip = self._marked(strip, found[0] - left, found[1] - left if found[1] >= 0 else -1)
        return strip.apply_offsets(left, y)

    def _marked(self, strip: Strip, start: int, end: int) -> Strip:
        """Return ``strip`` with the cells from ``start`` to ``end`` shown as selected."""
        size = strip.cell_length  # the text may have become shorter since it was selected
        start = min(max(0, start), size)
        end = size if end < 0 else min(max(start, end), size)
        style = self.screen.get_component_rich_style("screen--selection")
        before, chosen = strip.crop(0, start), strip.crop(start, end)
        return Strip.join(
            [before, Strip(Segment.apply_style(chosen, post_style=style)), strip.crop(end)]
        )

    async def find(self, text: str, step: int) -> bool:
        """Scroll to the next line with ``text`` in it, or with -1 the one before."""
        text, count = text.casefold(), len(self.lines)
        top = round(self.scroll_offset.y)
        for away in range(1, count + 1):
            y = (top + step * away) % count
            if text in ink.plain(self.line_at(y)).casefold():
                self.scroll_to(y=y, animate=False, immediate=True)
                return True
        return False

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the selected text, for the clipboard."""
        return selection.extract(self.text()), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        self.refresh()

    def text(self) -> str:
        """Return all lines as text."""
        return "\n".join(ink.plain(line).rstrip() for line in self.lines)
