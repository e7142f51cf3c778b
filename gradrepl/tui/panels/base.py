"""What every panel is: a framed, scrolling area that draws lines of ink.

Two kinds follow from it: :class:`Paper` shows a list of lines that it was given; the long lists
(:mod:`gradrepl.tui.panels.rows`) make each line when it comes into view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from gradrepl.draw import Look, broken, ink
from gradrepl.draw.ink import Line


class Framed(Widget):
    """What has a caption at both ends of the upper edge of its frame."""

    ascii: ClassVar[bool] = False
    """Draw with ASCII characters only; set once by the app."""
    _captions: tuple[str, str] = "", ""
    _captioned: tuple[str, str, int] | None = None

    @property
    def edge(self) -> int:
        """Cells for the caption."""
        return self.outer_size.width - 6

    def caption(self, left: str, right: str = "") -> None:
        """Write ``left`` and ``right`` into the upper edge."""
        self._captions = left, right
        wanted = left, right, self.edge
        if self.styles.border_top[0] and self._captioned != wanted:
            self._captioned = wanted
            self.border_title = self._title(*wanted)

    def _title(self, left: str, right: str, room: int) -> Content:
        """Return a frame's title of ``room`` cells: ``left``, a rule, ``right``."""
        right = ink.clip(right, max(0, room - len(left) - 3))
        left = ink.clip(left, max(4, room))
        if self.ascii:
            left, right = ink.ascii_only(left), ink.ascii_only(right)
        if not right:
            return Content.styled(left, "bold")
        fill = room - ink.width([(left, ""), (right, "")]) - 2
        rule = ("-" if self.ascii else "─") * max(0, fill)
        return Content.assemble((left, "bold"), f" {rule} {right}")


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


class Panel(ScrollView, Framed, can_focus=True):
    """A framed area of lines, with a caption at both ends of its upper edge."""

    NAME: ClassVar[str] = ""
    """How the help names this panel."""
    HELP: ClassVar[str] = ""
    """What it shows, its glyphs explained, in two to four sentences: the docstring of its class."""
    _inks: dict[tuple[str, ink.Role], Style]

    class Appeared(Message):
        """A panel came into view, and has nothing to show yet."""

        def can_replace(self, message: Message) -> bool:
            """One is enough."""
            return isinstance(message, Panel.Appeared)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "NAME" in cls.__dict__:
            cls.HELP = " ".join((cls.__doc__ or "").split())

    def __init__(self, id: str) -> None:
        self._inks = {}
        super().__init__(id=id)

    def on_show(self) -> None:
        """Ask for what to show."""
        self.post_message(self.Appeared())

    def on_resize(self) -> None:
        """Draw the caption for the new width, and what depends on the width."""
        self.caption(*self._captions)
        self.resized()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw; a caption made for another width is made anew after it."""
        made = self._captioned
        if made is not None and made[2] != self.edge and self.styles.border_top[0]:
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
        style = self._inks.get((row, None))
        if style is None:
            style = self.rich_style + ink_of(self, row) if row else self.rich_style
            self._inks[row, None] = style
        return style

    def ink_style(self, role: ink.Role, row: str = "") -> Style:
        """Return the style of ``role`` on the ground of ``row``."""
        if isinstance(role, tuple):  # the brightness of the upper and the lower half of a cell
            upper, lower = (f"rgb({level},{level},{level})" for level in role)
            role = Style(color=upper, bgcolor=lower)
        if isinstance(role, Style):
            return self.ground(row) + role
        if not role:
            return self.ground(row)
        style = self._inks.get((row, role))
        if style is None:
            style = self.ground(row)
            if not style.reverse:  # else each span would have a ground of its own colour
                style = style + ink_of(self, f"ink-{role}")
            self._inks[row, role] = style
        return style

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

    def move(self, rows: int) -> None:
        """Go so many rows down."""
        self.scroll_relative(y=rows, animate=False)

    def go(self, row: int) -> None:
        """Go to the first row (0) or the last (-1)."""
        if row:
            self.scroll_end(animate=False)
        else:
            self.scroll_home(animate=False)

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
            self.to_end()
        self.refresh()

    def to_line(self, y: int) -> None:
        """Scroll so that line ``y`` is the first."""
        self.scroll_to(0, y, animate=False, immediate=True, force=True)

    def to_end(self) -> None:
        """Scroll to the last line."""
        self.scroll_end(animate=False, immediate=True, x_axis=False, force=True)

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
        if selection is not None and (cells := selection.get_span(y)) is not None:
            strip = self._marked(strip, cells[0] - left, cells[1] - left if cells[1] >= 0 else -1)
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


class Drawing(Paper):
    """A paper that is drawn again for every size, from the record that it was given."""

    record: Any = None

    def show(self, record: Any) -> None:
        """Show another record."""
        self.record = record
        self.resized()

    def resized(self) -> None:
        """Draw for this size."""
        self.caption(*self.captions())
        self.write([part for line in self.drawn() for part in broken(line, self.room)])

    def captions(self) -> tuple[str, str]:
        """Return what stands at both ends of the upper edge."""
        return self.NAME, ""

    def drawn(self) -> list[Line]:
        """Return the lines for the present size; sentences are broken to the width."""
        return []
