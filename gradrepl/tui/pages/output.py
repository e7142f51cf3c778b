"""The Log screen: what the program printed, both streams, as a terminal would show it."""

from __future__ import annotations

from itertools import islice
from typing import ClassVar, cast

from textual.geometry import Size

from gradrepl.draw.ink import Line
from gradrepl.draw.numbers import count
from gradrepl.tui.pages.page import PaperPage
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.ring import Printed, Ring, decode


def draw(printed: Printed) -> Line:
    """Return one line of output; stderr has a mark."""
    mark = ("! ", "warn") if printed.stream == "stderr" else ("  ", "")
    return [mark, *decode(printed.text)]


class LogPane(Paper):
    """Everything that the program printed, in its order. ! marks what came by stderr. The rest
    of the screen never mixes with it.
    """

    NAME: ClassVar[str] = "Log"
    stick = True

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.keep(Ring(0))

    def keep(self, ring: Ring) -> None:
        """Show what is in ``ring``; of its lines only the number is used until they are drawn."""
        self.ring, self.lines = ring, cast("list[Line]", ring.lines)

    def on_show(self) -> None:
        """Show what has come while nobody looked."""
        self.renew()

    def renew(self) -> None:
        """Show what has come since the last time."""
        lines, at_end = self.ring.lines, self.is_vertical_scroll_end
        newest = islice(reversed(lines), max(1, self.size.height))
        longest = max((len(line.text) + 2 for line in newest), default=0)
        note = count(self.ring.seen, "line")
        note += f", the last {len(lines)} kept" if self.ring.seen > len(lines) else ""
        self.caption("Output", f"{note}   ! stderr" if lines else "nothing printed yet")
        self.virtual_size = Size(max(self.virtual_size.width, longest), len(lines))
        if at_end:
            self.to_end()
        self.refresh()

    def line_at(self, y: int) -> Line:
        return draw(self.ring.lines[y])

    def text(self) -> str:
        return self.ring.text()


class OutputPage(PaperPage):
    """Both streams in their order; it stays at the end until it is scrolled up."""

    VIEW: ClassVar[str] = "log"
    paper: LogPane

    def __init__(self) -> None:
        super().__init__()
        self.list = self.details = self.paper = LogPane(self.VIEW)

    def on_mount(self) -> None:
        """Show what has been printed so far."""
        self.paper.keep(self.stage.ring)

    def printed(self) -> bool:
        """Show what was printed."""
        self.paper.renew()
        return True

    def gives_way(self, typing: bool) -> bool:
        """Unless an entry is being typed."""
        return not typing
