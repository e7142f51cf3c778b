"""Displayed expressions, with what they were at the stop before."""

from __future__ import annotations

from typing import ClassVar

from gradrepl import model
from gradrepl.draw.ink import Line
from gradrepl.draw.looking import displays
from gradrepl.tui.panels.base import Paper

EMPTY: Line = [(" D ", "key"), ("shows an expression here at every stop", "dim")]


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
        self.write(displays(self.watches, self.room) or [EMPTY])
