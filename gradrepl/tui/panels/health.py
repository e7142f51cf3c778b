"""The parameters of a watched training, the worst first, each with its verdict."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from gradrepl import model
from gradrepl.draw import health, ink
from gradrepl.draw.ink import Line
from gradrepl.draw.numbers import count
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.panels.rows import RowList

EMPTY = (
    (("No gradient has been watched.", ""),),
    (("", ""),),
    (("  W", "key"), (" or ", "dim"), (":watch grads", "key"),
     ("   look at every parameter's gradient after each backward", "dim")),
    (("  N", "key"), (" or ", "dim"), (":watch nodes", "key"),
     ("   at the gradient that arrives at every node, too", "dim")),
    (("  c", "key"), ("                   let the training run: this screen moves with it", "dim")),
)  # fmt: skip
WAITING = "Watching from the next backward on; 'c' lets the program run."


class HealthLine(NamedTuple):
    """A parameter, or another name of it."""

    id: int
    row: model.HealthRow
    tied: str = ""
    """The other name; empty in the parameter's own line."""

    @property
    def name(self) -> str:
        """The name that stands in this line."""
        return self.tied or self.row.name


class HealthList(RowList[HealthLine]):
    """Every watched parameter; of tied ones every name."""

    NAME: ClassVar[str] = "Gradients"
    HELP: ClassVar[str] = (
        "A row for each watched parameter, the worst first: its verdict in a word, the norm of "
        "its gradient now and over the last backwards. ! is a problem, ▼ an overflow that the "
        "GradScaler caught, ↑ a norm that rises, · not judged (yet, or frozen); ~ was measured "
        "on a sample."
    )
    found: model.Health | None = None

    def show(self, found: model.Health | None) -> None:
        """Show what was found, the cursor kept on the parameter of the same name."""
        was = self.rows.get(self.cursor)
        self.found = found
        rows: list[HealthLine] = []
        for row in found.rows if found is not None else ():
            for tied in ("", *row.also):
                rows.append(HealthLine(len(rows), row, tied))
        self.fill(rows)
        if not rows:
            self.clear()
        same = (line.id for line in rows if was is not None and line.name == was.name)
        self.cursor = next(same, 0 if rows else -1)
        self._title()

    def _title(self) -> None:
        found = self.found
        if found is None:
            self.caption("Gradients")
            return
        of = f"{found.problems} of {found.total} with a problem" if found.problems else (
            count(found.total, "parameter"))  # fmt: skip
        listed = f", the worst {len(found.rows)} listed" if len(found.rows) < found.total else ""
        self.caption(f"Gradients after backward {found.backwards}", of + listed)

    def draw_head(self, width: int) -> Line:
        """Return the column titles."""
        return health.head(width)

    def draw_row(self, row: HealthLine, index: int, width: int) -> Line:
        """Return one parameter."""
        return health.line(row.row, row.tied, width, self.ascii)

    def draw_empty(self, width: int) -> list[Line]:
        """Say how to begin."""
        watching = self.found.watching if self.found is not None else None
        if watching is not None and (watching.grads or watching.breakpoints):
            return [[(" ", ""), *ink.fit([(WAITING, "")], width - 1)]]
        return [ink.fit([(" ", ""), *line], width) for line in EMPTY]

    def chosen(self) -> HealthLine | None:
        """Return the line under the cursor."""
        return self.rows.get(self.cursor)


class Summary(Paper):
    """What holds for all parameters together, in one line."""

    can_focus = False
    record: model.Health | None = None

    def show(self, record: model.Health | None) -> None:
        """Show another state."""
        self.record = record
        self.resized()

    def resized(self) -> None:
        """Fit it to the width."""
        record = self.record
        lead: Line = [(" ", "")]
        line = [] if record is None else [*lead, *health.summary(record)]
        self.write([ink.fit(line, self.room)] if record is not None else [])
