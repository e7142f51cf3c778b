"""The source around the place of the stop, in the colours of Python."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from gradrepl import model
from gradrepl.draw.looking import source
from gradrepl.tui.panels.base import Paper


def around(site: model.Site, context: int) -> model.Source | None:
    """Return the lines around ``site`` from its file, or None when there is no such file."""
    import linecache

    linecache.checkcache(site.file)
    lines = linecache.getlines(site.file)
    if not 0 < site.line <= len(lines):
        return None
    first = max(1, site.line - context)
    rows = tuple(
        model.SourceLine(number, text.rstrip("\n"), here=number == site.line)
        for number, text in enumerate(lines[first - 1 : site.line + context], first)
    )
    return model.Source(file=site.file, function=site.function, lines=rows)


class SourcePane(Paper):
    """The user's code; the line of the stop is kept in the middle."""

    NAME: ClassVar[str] = "Source"
    HELP: ClassVar[str] = (
        "The lines of your file around where the program stands, or where the selected op or "
        "node was made. ▶ is the line here, ◆ a line with a breakpoint. At the right end stands "
        "what the line made."
    )
    record: model.Source | None = None

    def show(self, found: model.Source | None, note: str = "") -> None:
        """Show ``found`` with its line in view."""
        self.record = found
        if found is None:
            self.caption("Source", note)
            self.write([])
            return
        self.caption(found.file.rsplit("/", 1)[-1] or "Source", note or found.function)
        self.resized()

    def resized(self) -> None:
        """Draw for this width, the line of the stop in the middle."""
        if self.record is None:
            return
        self.write(source(self.record, self.room))
        here = next((i for i, line in enumerate(self.record.lines) if line.here), 0)
        height = max(1, self.size.height)
        self.scroll_to(0, max(0, here - height // 2), animate=False, immediate=True, force=True)

    def leave(self) -> None:
        """Keep the text, without the mark: nothing stands there any more."""
        if self.record is not None and self.line_number():
            lines = tuple(replace(line, here=False) for line in self.record.lines)
            top = self.scroll_offset.y
            self.record = replace(self.record, lines=lines)
            self.write(source(self.record, self.room))
            self.scroll_to(0, top, animate=False, immediate=True, force=True)

    def line_number(self) -> int:
        """Return the number of the line of the stop, or 0."""
        lines = self.record.lines if self.record else ()
        return next((line.line for line in lines if line.here), 0)
