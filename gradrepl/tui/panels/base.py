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
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from gradrepl.tui import ink
from gradrepl.tui.ink import Line


class Panel(ScrollView, can_focus=True):
    """A framed area of lines, with a caption at both ends of its upper edge."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"ink-{role}" for role in ink.ROLES} | {
        "cursor-row",
        "here-row",
    }
    NAME: ClassVar[str] = ""
    """How the help names this panel."""
    ascii: ClassVar[bool] = False
    """Draw with ASCII characters only; set once by the app."""

    _left, _right = "", ""

    def caption(self, left: str, right: str = "") -> None:
        """Write ``left`` and ``right`` into the upper edge."""
        self._left, self._right = left, right
        room = self.outer_size.width - 6
        if room < 4 or not self.styles.border_top[0]:
            return
        right = ink.clip(right, max(0, room - len(left) - 3)) if right else ""
        left = ink.clip(left, room)
        fill = room - ink.width([(left, ""), (right, "")]) - (2 if right else 1)
        rule = ("-" if self.ascii else "─") * max(0, fill)
        parts = [(left, "bold"), f" {rule}", f" {right}" if right else ""]
        title = Content.assemble(*parts)
        self.border_title = Content(ink.ascii_only(title.plain)) if self.ascii else title

    def on_resize(self) -> None:
        """Draw the caption for the new width, and what depends on the width."""
        self.caption(self._left, self._right)
        self.resized()

    def resized(self) -> None:
        """Lay out anew for another width; panels that wrap override this."""

    def ink_style(self, role: ink.Role) -> Style:
        """Return the style of ``role``."""
        if isinstance(role, Style):
            return role
        if not role:
            return Style.null()
        return self.get_component_rich_style(f"ink-{role}", partial=True)

    def strip(self, line: Sequence[ink.Span], row: str = "", column: int = 0) -> Strip:
        """Return ``line`` as wide as the panel; ``row`` is the component class of its ground."""
        base = self.rich_style
        if row:
            base = base + self.get_component_rich_style(row, partial=True)
        segments = [
            Segment(ink.ascii_only(text) if self.ascii else text, base + self.ink_style(role))
            for text, role in line
        ]
        return Strip(segments).crop_extend(column, column + self.size.width, base)

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


class Paper(Panel):
    """A panel of lines that are all there; text in it can be selected with the mouse."""

    stick = False
    """Stay at the end when lines are added there."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.lines: list[Line] = []

    def write(self, lines: Sequence[Line]) -> None:
        """Show ``lines`` instead of what was there."""
        self.lines = list(lines)
        longest = max((ink.width(line) for line in self.lines), default=0)
        at_end = self.stick and self.is_vertical_scroll_end
        self.virtual_size = Size(longest, len(self.lines))
        if at_end:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        self.refresh()

    def line_at(self, y: int) -> Line:
        """Return line ``y`` of the content."""
        return self.lines[y]

    def render_line(self, y: int) -> Strip:
        """Draw one visible line."""
        left, top = self.scroll_offset
        y += top
        if y >= len(self.lines):
            return Strip.blank(self.size.width, self.rich_style)
        strip = self.strip(self.line_at(y), column=left)
        selection = self.text_selection
        if selection is not None and (found := selection.get_span(y)) is not None:
            strip = self._marked(strip, found[0] - left, found[1] - left if found[1] >= 0 else -1)
        return strip.apply_offsets(left, y)

    def _marked(self, strip: Strip, start: int, end: int) -> Strip:
        """Return ``strip`` with the cells from ``start`` to ``end`` shown as selected."""
        start, end = max(0, start), strip.cell_length if end < 0 else end
        style = self.screen.get_component_rich_style("screen--selection")
        before, chosen, after = strip.divide([start, end, strip.cell_length])
        return Strip.join([before, Strip(Segment.apply_style(chosen, post_style=style)), after])

    def find(self, text: str, step: int) -> int | None:
        """Scroll to the next line with ``text`` in it, or with -1 the one before; return it."""
        text, count = text.casefold(), len(self.lines)
        top = round(self.scroll_offset.y)
        for away in range(1, count + 1):
            y = (top + step * away) % count
            if text in ink.plain(self.line_at(y)).casefold():
                self.scroll_to(y=y, animate=False, immediate=True)
                return y
        return None

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the selected text, for the clipboard."""
        return selection.extract(self.text()), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        self.refresh()

    def text(self) -> str:
        """Return all lines as text."""
        return "\n".join(ink.plain(line).rstrip() for line in self.lines)
