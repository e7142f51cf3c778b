"""Displayed expressions, with what they were at the stop before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from gradrepl import model
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.tui.panels.base import Paper


def draw(watches: Sequence[model.Watch], width: int) -> list[Line]:
    """Return one line for each expression."""
    if not watches:
        return [[(" D ", "key"), ("shows an expression here at every stop", "dim")]]
    longest = min(max(len(watch.expression) for watch in watches), width * 45 // 100)
    lines: list[Line] = []
    for watch in watches:
        left: Line = [
            span(" " + ink.pad(watch.expression, longest) + "  ", "name"),
            span(watch.text, "here" if watch.was is not None else ""),
        ]
        end: Line = [] if watch.was is None else [span(f"was {watch.was}", "dim")]
        lines.append(ink.between(left, end, width))
    return lines


class Watches(Paper):
    """The watched expressions."""

    NAME: ClassVar[str] = "Watch"
    HELP: ClassVar[str] = (
        "Expressions that are worked out anew at every stop, and what each was before. D adds "
        "one, X takes one away."
    )
    watches: tuple[model.Watch, ...] = ()

    def show(self, watches: tuple[model.Watch, ...]) -> None:
        """Show ``watches``."""
        self.watches = watches
        self.resized()

    def resized(self) -> None:
        """Draw for this width."""
        self.caption("Watch", "D add  X remove")
        self.write(draw(self.watches, self.room))
