"""Beside the list of parameters: norms by depth, curves over the backwards, one in detail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from gradrepl import model
from gradrepl.draw import broken, charts, health
from gradrepl.draw.ink import Line, span
from gradrepl.draw.numbers import count, shape
from gradrepl.model.health import PROBLEMS
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.panels.health import HealthLine

LATER: list[Line] = [[(" Known after the first watched backward.", "dim")]]


class _Drawing(Paper):
    """Draws the whole record for its width and height."""

    record: model.Health | None = None
    line: HealthLine | None = None

    def show(self, record: model.Health | None, line: HealthLine | None) -> None:
        """Show another state, or another parameter as the chosen one."""
        self.record, self.line = record, line
        self.resized()

    def resized(self) -> None:
        """Draw for the new size."""
        self.title()
        if self.visible_now:
            known = self.record
            self.write((self.drawn(known) if known is not None else []) or LATER)

    def title(self) -> None:
        """Write the caption."""
        self.caption(self.NAME)

    def drawn(self, record: model.Health) -> list[Line]:
        """Return the lines."""
        raise NotImplementedError

    @property
    def chosen(self) -> str:
        """The name of the chosen parameter, or ''."""
        return self.line.row.name if self.line is not None else ""


class Depths(_Drawing):
    """The norms by depth: where they shrink, and where they grow."""

    NAME: ClassVar[str] = "|g| by depth"
    HELP: ClassVar[str] = (
        "The norm of each parameter's gradient by its depth: the layers near the loss at one "
        "end, those near the input at the other, so that vanishing is a slope. ● is a "
        "parameter, × one with a problem, ◉ the selected one, ! nan or inf, 0 exactly zero, · "
        "not known."
    )

    def drawn(self, record: model.Health) -> list[Line]:
        """Return the picture."""
        return charts.depth_plot(record.depths, self.chosen, self.room, max(2, self.size.height))


class Curves(_Drawing):
    """The total norm and the loss over the backwards that are kept."""

    NAME: ClassVar[str] = "Total norm and loss"
    HELP: ClassVar[str] = (
        "The norm of all gradients together and the loss over the last backwards, each on its "
        "own scale. ! marks where one was nan or inf."
    )

    def title(self) -> None:
        """Say how many backwards there are."""
        many = len(self.record.points) if self.record is not None else 0
        self.caption(self.NAME, count(many, "backward") if many else "")

    def drawn(self, record: model.Health) -> list[Line]:
        """Return the curves."""
        return charts.curves(record.points, self.room, max(3, self.size.height), self.ascii)


class Details(_Drawing):
    """Which number crossed which limit, where it shrinks, and all figures."""

    NAME: ClassVar[str] = "Parameter"
    HELP: ClassVar[str] = (
        "The selected parameter from near: which number crossed which limit, its last gradients "
        "drawn, its update beside its weight, and with :watch nodes where the gradient shrinks "
        "or grows on its way."
    )

    def title(self) -> None:
        """Say whose."""
        row = self.line.row if self.line is not None else None
        self.caption(row.name if row else self.NAME, shape(row.shape) if row else "")

    def drawn(self, record: model.Health) -> list[Line]:
        """Return what is known of the chosen one."""
        if self.line is None:
            return []
        row, look = self.line.row, self.look
        known = health.details(row, look)[1:]
        lines = [part for line in known for part in broken(line, look.width)]
        return [*lines, [], *_todo(row)]


def _todo(row: model.HealthRow) -> Iterator[Line]:
    if row.verdict in PROBLEMS:
        yield [("b", "key"), span(f" break at the verdict {row.verdict}", "dim")]
    yield [("w", "key"), (": explain this verdict", "dim")]
