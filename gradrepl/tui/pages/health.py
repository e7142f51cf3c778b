"""The Health screen: gradients while a training runs, and what is wrong with them.

At a stop it asks for all there is; while the program runs it asks, a few times a second, for what
the debuggee answers at once from what it keeps.
"""

from __future__ import annotations

import time
from typing import ClassVar

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.containers import Horizontal

from gradrepl import model, protocol
from gradrepl.errors import LinkError
from gradrepl.model.health import PROBLEMS
from gradrepl.tui.pages.page import Ask, Page
from gradrepl.tui.panels.health import HealthLine, HealthList, Summary
from gradrepl.tui.panels.health_pictures import Curves, Depths, Details

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
        """Lay out the list beside the details, the pictures below."""
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

    # -- being fed ----------------------------------------------------------------------------

    async def renew(self, ask: Ask) -> None:
        """Show all gradients."""
        answer = await ask(protocol.AskHealth())
        self.show(answer if isinstance(answer, model.Health) else None)
        await self.select(ask)

    async def select(self, ask: Ask) -> None:
        """Show the selected parameter, and ask for what is worked out only for it."""
        line = self.gradients.chosen()
        self._draw(line)
        if line is None or not self.near.visible_now:
            return
        answer = await ask(protocol.AskHealth(name=line.row.name))
        rows = answer.rows if isinstance(answer, model.Health) else ()
        row = next((row for row in rows if row.name == line.row.name), None)
        if row is not None and self.gradients.chosen() == line:
            self._draw(line._replace(row=row))

    def show(self, record: model.Health | None) -> None:
        """Show another state."""
        self.gradients.show(record)
        self.summary.show(record)
        self._draw(self.gradients.chosen())

    def _draw(self, line: HealthLine | None) -> None:
        record = self.gradients.found
        for panel in (self.depths, self.curves, self.near):
            panel.show(record, line)

    def told(self, record: model.Record) -> str | None:
        """Take what is told of watching; new verdicts are one line, as the list shows them."""
        if isinstance(record, model.Verdicts):
            return verdicts(record)
        if isinstance(record, model.Watching) and self.is_attached:
            found = self.gradients.found
            if found is None and (record.grads or record.breakpoints):
                self.show(model.Health(watching=record))
            elif found is not None:
                self.show(replace(found, watching=record))
        return None

    # -- while the program runs ---------------------------------------------------------------

    def _tick(self) -> None:
        host = self.host
        if self.stage.page is not self or self._asking or time.monotonic() < self._due:
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

    # -- keys ---------------------------------------------------------------------------------

    def condition(self) -> str:
        """Return 'verdict nan' for one that is; 'verdict bad' for one that is well."""
        line = self.gradients.chosen()
        if line is None:
            return "verdict bad"
        return f"verdict {line.row.verdict if line.row.verdict in PROBLEMS else 'bad'}"

    def name_here(self) -> str:
        """Return the selected parameter's name."""
        line = self.gradients.chosen()
        return line.name if line is not None else ""

    def action_why(self) -> None:
        """Say in the transcript why the selected parameter has its verdict."""
        line = self.near.line or self.gradients.chosen()
        if line is None:
            self.host.say("No gradient has been watched: W watches them.")
            return
        row = line.row
        told = " ".join([row.why or "no rule is broken.", *row.where])
        sentence = f"{row.name} {row.label or row.verdict}: {told}"
        self.stage.note(sentence)

    def action_turn(self) -> None:
        """Where there is no room for both pictures, show the other one."""
        self.toggle_class("-turned")


def verdicts(record: model.Verdicts) -> str:
    """Return new verdicts in one line."""
    named = [f"{each.name} {each.label}" for each in record.changes[:NAMED]]
    more = record.total - len(named)
    rest = f" and {more} more" if more > 0 else ""
    return f"backward {record.changes[0].backward}: {', '.join(named)}{rest}"
