"""The Log screen: what the program printed, both streams, as a terminal would show it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual.geometry import Size

from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.ring import Printed, Ring

if TYPE_CHECKING:
    from rich.ansi import AnsiDecoder
    from rich.console import Console


@cache
def _decoder() -> tuple[AnsiDecoder, Console]:
    from rich.ansi import AnsiDecoder
    from rich.console import Console

    return AnsiDecoder(), Console(color_system="truecolor", force_terminal=True, width=10_000)


def decode(text: str) -> Line:
    """Return ``text`` with its escape codes for colours as styles; others are dropped."""
    if "\x1b" not in text:
        return [span(text)]
    decoder, console = _decoder()
    decoder.style = Style.null()
    decoded = next(iter(decoder.decode(text)), None)
    if decoded is None:
        return []
    return [
        (ink.clean(part.text), part.style or "")
        for part in decoded.render(console)
        if part.text and not part.control
    ]


def draw(printed: Printed) -> Line:
    """Return one line of output; stderr has a mark."""
    mark = ("! ", "warn") if printed.stream == "stderr" else ("  ", "")
    return [mark, *decode(printed.text)]


class LogPane(Paper):
    """A view of the ring that stays at the end until it is scrolled up."""

    NAME: ClassVar[str] = "Log"
    HELP: ClassVar[str] = (
        "Everything that the program printed, in its order. ! marks what came by stderr. The "
        "rest of the screen never mixes with it."
    )
    stick = True

    def __init__(self, id: str) -> None:
        self.ring = Ring(0)
        super().__init__(id=id)

    def on_show(self) -> None:
        """Show what has come while nobody looked."""
        self.renew()

    def renew(self) -> None:
        """Show what has come since the last time."""
        lines, at_end = self.ring.lines, self.is_vertical_scroll_end
        visible = max(1, self.size.height)
        recent = (lines[index] for index in range(max(0, len(lines) - visible), len(lines)))
        longest = max((len(line.text) + 2 for line in recent), default=0)
        fallen = self.ring.seen - len(lines)
        note = f"{self.ring.seen} line{'' if self.ring.seen == 1 else 's'}"
        note += f", the last {len(lines)} kept" if fallen else ""
        if lines:
            note += "   ! stderr"
        self.caption("Output", note if self.ring.seen else "nothing printed yet")
        self.virtual_size = Size(max(self.virtual_size.width, longest), len(lines))
        if at_end:
            self.scroll_end(animate=False, immediate=True, x_axis=False, force=True)
        self.refresh()

    def line_at(self, y: int) -> Line:
        """Return line ``y``, decoded now."""
        return draw(self.ring.lines[y])

    @property
    def lines(self) -> list[Line]:
        """The ring's lines; only their number is used for drawing."""
        return self.ring.lines  # type: ignore[return-value]

    @lines.setter
    def lines(self, value: list[Line]) -> None:
        """The ring is the only source."""

    def text(self) -> str:
        """Return all output as text."""
        return self.ring.text()
