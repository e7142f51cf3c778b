"""The Health screen: gradients while a training runs, and what is wrong with them.

At a stop it asks for all there is; while the program runs it asks, a few times a second, for what
the debuggee answers at once from what it keeps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.containers import Horizontal

from gradrepl import model, protocol
from gradrepl.draw import charts, health, ink
from gradrepl.draw.ink import Line, span
from gradrepl.draw.numbers import count, shape
from gradrepl.errors import LinkError
from gradrepl.model.health import PROBLEMS
from gradrepl.tui.entries import Ask
from gradrepl.tui.pages.page import Page
from gradrepl.tui.panels.base import Drawing
from gradrepl.tui.panels.rows import RowList

OFTEN = 0.25
"""Seconds between two looks while the program runs."""
SELDOM = 2.0
"""After an answer that was none."""
SHARE = 200
"""Nor is it asked again before so many times what the last answer cost the program have passed."""
LISTED = 100
NAMED = 2
"""Parameters that one line of the transcript names."""
LOOKS = 48
WATCH_GRADS = "   look at every parameter's gradient after each backward"
WATCH_NODES = "   at the gradient that arrives at every node, too"
WAITING = "Watching from the next backward on; 'c' lets the program run."


class HealthLine(NamedTuple):
    """A parameter, or another name of it."""

    row: model.HealthRow
    tied: str = ""
    """The other name; empty in the parameter's own line."""

    @property
    def name(self) -> str:
        """The name that stands in this line."""
        return self.tied or self.row.name


class HealthList(RowList[HealthLine]):
    """A row for each watched parameter, the worst first: its verdict in a word, the norm of its
    gradient now and over the last backwards. ! is a problem, ▼ an overflow that the GradScaler
    caught, ↑ a norm that rises, · not judged (yet, or frozen); ~ was measured on a sample.
    """

    NAME: ClassVar[str] = "Gradients"
    EMPTY = (
        [("No gradient has been watched.", "")],
        [],
        [("  W", "key"), (" or ", "dim"), (":watch grads", "key"), (WATCH_GRADS, "dim")],
        [("  N", "key"), (" or ", "dim"), (":watch nodes", "key"), (WATCH_NODES, "dim")],
        [("  c", "key"), (f"{'':19}let the training run: this screen moves with it", "dim")],
    )
    record: model.Health | None = None

    def show(self, record: model.Health | None) -> None:
        """Show what is known, the cursor kept on the parameter of the same name."""
        self.record = record
        rows = record.rows if record is not None else ()
        lines = [HealthLine(row, tied) for row in rows for tied in ("", *row.also)]
        self.refill(lines, lambda line: line.name)
        if record is None:
            self.caption("Gradients")
            return
        of = f"{record.problems} of {record.total} with a problem"
        of = of if record.problems else count(record.total, "parameter")
        listed = f", the worst {len(record.rows)} listed" if len(record.rows) < record.total else ""
        self.caption(f"Gradients after backward {record.backwards}", of + listed)

    def draw_head(self, width: int) -> Line:
        return health.head(width)

    def draw_row(self, row: HealthLine, index: int, width: int) -> Line:
        return health.line(row.row, row.tied, width, self.ascii)

    def draw_empty(self, width: int) -> list[Line]:
        watching = self.record.watching if self.record is not None else None
        if watching is not None and (watching.grads or watching.breakpoints):
            return [[(" ", ""), *ink.fit([(WAITING, "")], width - 1)]]
        return super().draw_empty(width)


class Summary(Drawing, can_focus=False):
    """What holds for all parameters together, in one line."""

    record: model.Health | None = None

    def drawn(self) -> list[Line]:
        if self.record is None:
            return []
        return [ink.fit([(" ", ""), *health.summary(self.record)], self.room)]


class Picture(Drawing):
    """Draws the whole record, or what it says of one parameter, while there is room for it."""

    record: model.Health | None = None
    line: HealthLine | None = None
    """The chosen parameter."""

    def drawn(self) -> list[Line]:
        if not self.visible_now:
            return self.lines
        later: Line = [(" Known after the first watched backward.", "dim")]
        return (self.picture(self.record) if self.record is not None else []) or [later]

    def picture(self, record: model.Health) -> list[Line]:
        """Return the lines."""
        raise NotImplementedError


class Depths(Picture):
    """The norm of each parameter's gradient by its depth: the layers near the loss at one end,
    those near the input at the other, so that vanishing is a slope. ● is a parameter, × one
    with a problem, ◉ the selected one, ! nan or inf, 0 exactly zero, · not known.
    """

    NAME: ClassVar[str] = "|g| by depth"

    def picture(self, record: model.Health) -> list[Line]:
        chosen = self.line.row.name if self.line is not None else ""
        return charts.depth_plot(record.depths, chosen, self.room, max(2, self.size.height))


class Curves(Picture):
    """The norm of all gradients together and the loss over the last backwards, each on its own
    scale. ! marks where one was nan or inf.
    """

    NAME: ClassVar[str] = "Total norm and loss"

    def captions(self) -> tuple[str, str]:
        """Return how many backwards there are, too."""
        many = len(self.record.points) if self.record is not None else 0
        return self.NAME, count(many, "backward") if many else ""

    def picture(self, record: model.Health) -> list[Line]:
        return charts.curves(record.points, self.room, max(3, self.size.height), self.ascii)


class Details(Picture):
    """The selected parameter from near: which number crossed which limit, its last gradients
    drawn, its update beside its weight, and with :watch nodes where the gradient shrinks or
    grows on its way.
    """

    NAME: ClassVar[str] = "Parameter"

    def captions(self) -> tuple[str, str]:
        row = self.line.row if self.line is not None else None
        return (row.name, shape(row.shape)) if row else (self.NAME, "")

    def picture(self, record: model.Health) -> list[Line]:
        if self.line is None:
            return []
        row, look = self.line.row, self.look
        return [*health.details(row, look)[1:], [], *_todo(row)]


def _todo(row: model.HealthRow) -> Iterator[Line]:
    if row.verdict in PROBLEMS:
        yield [("b", "key"), span(f" break at the verdict {row.verdict}", "dim")]
    yield [("w", "key"), (": explain this verdict", "dim")]


class HealthPage(Page):
    """Every parameter's gradient, by verdict, by depth, over time."""

    VIEW: ClassVar[str] = "health"

    def __init__(self) -> None:
        super().__init__()
        self.list = self.gradients = HealthList("gradients")
        self.summary = Summary("health-sum")
        self.depths = Depths("health-depths")
        self.curves = Curves("health-curves")
        self.details = self.near = Details("health-near")
        self._asking = False
        self._due = 0.0

    def compose(self) -> ComposeResult:
        with Horizontal(id="health-top"):
            yield self.gradients
            yield self.near
        yield self.summary
        with Horizontal(id="health-low"):
            yield self.depths
            yield self.curves

    def on_mount(self) -> None:
        """Look again and again while the program runs."""
        self.gradients.show(None)
        self.set_interval(OFTEN, self._tick)

    async def renew(self, ask: Ask) -> None:
        answer = await ask(protocol.AskHealth())
        self.show(answer if isinstance(answer, model.Health) else None)
        await self.select(ask)

    async def select(self, ask: Ask) -> None:
        """Show the selected parameter, and ask for what is worked out only for it."""
        line = self.gradients.selected
        self._draw(line)
        if line is None or not self.near.visible_now:
            return
        answer = await ask(protocol.AskHealth(name=line.row.name))
        rows = answer.rows if isinstance(answer, model.Health) else ()
        row = next((row for row in rows if row.name == line.row.name), None)
        if row is not None and self.gradients.selected == line:
            self._draw(line._replace(row=row))

    def show(self, record: model.Health | None) -> None:
        """Show another state."""
        self.gradients.show(record)
        self.summary.show(record)
        self._draw(self.gradients.selected)

    def _draw(self, line: HealthLine | None) -> None:
        for panel in (self.depths, self.curves, self.near):
            panel.line = line
            panel.show(self.gradients.record)

    def receive(self, record: model.Record) -> str | None:
        """Take what is told of watching; new verdicts are one line, as the list shows them."""
        if isinstance(record, model.Verdicts):
            return verdicts(record)
        if isinstance(record, model.Watching) and self.is_attached:
            known = self.gradients.record
            if known is not None:
                self.show(replace(known, watching=record))
            elif record.grads or record.breakpoints:
                self.show(model.Health(watching=record))
        return None

    def _tick(self) -> None:
        host = self.host
        if not self.is_open or self._asking or time.monotonic() < self._due:
            return
        if host.talk.prompt is None and host.talk.ready is not None and host.talk.gone is None:
            host.begin("health", self._look)

    async def _look(self) -> None:
        """Ask for what is kept of the looks; it is answered while the program runs."""
        self._asking = True
        request = protocol.AskHealth(running=True, count=LISTED, looks=LOOKS)
        try:
            answer = await self.host.talk.ask(request)
        except LinkError:
            answer = None
        finally:
            self._asking = False
        if not isinstance(answer, model.Health):
            self._due = time.monotonic() + SELDOM
            return
        self._due = time.monotonic() + SHARE * answer.took
        if self.host.talk.prompt is None:
            self.show(answer)

    def condition(self) -> str:
        """Return 'verdict nan' for one that is; 'verdict bad' for one that is well."""
        line = self.gradients.selected
        if line is None:
            return "verdict bad"
        return f"verdict {line.row.verdict if line.row.verdict in PROBLEMS else 'bad'}"

    def name_here(self) -> str:
        line = self.gradients.selected
        return line.name if line is not None else ""

    def action_why(self) -> None:
        """Say in the transcript why the selected parameter has its verdict."""
        line = self.near.line or self.gradients.selected
        if line is None:
            self.host.say("No gradient has been watched: W watches them.")
            return
        row = line.row
        why = " ".join([row.why or "no rule is broken.", *row.where])
        self.stage.note(f"{row.name} {row.label or row.verdict}: {why}")

    def action_turn(self) -> None:
        """Where there is no room for both pictures, show the other one."""
        self.toggle_class("-turned")


def verdicts(record: model.Verdicts) -> str:
    """Return new verdicts in one line."""
    named = [f"{each.name} {each.label}" for each in record.changes[:NAMED]]
    more = record.total - len(named)
    rest = f" and {more} more" if more > 0 else ""
    return f"backward {record.changes[0].backward}: {', '.join(named)}{rest}"
