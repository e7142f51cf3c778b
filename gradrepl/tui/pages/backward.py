"""The Backward screen: the nodes of one backward, and everything about the selected one."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator
from typing import ClassVar

from msgspec.structs import replace
from textual.widget import Widget

from gradrepl import model
from gradrepl.tui.pages.page import Ask
from gradrepl.tui.pages.step import StepPage
from gradrepl.tui.panels.flow import Flow
from gradrepl.tui.panels.nodes import NodeList
from gradrepl.tui.panels.rows import MARGIN, Window

PLOTTED = 200
"""Nodes of which the newest norms are plotted, at most."""
REMEMBERED = 1000
"""Nodes of one backward whose gradients are kept as their stops told them."""


class BackwardPage(StepPage):
    """The graph in run order, and how large the gradients were so far."""

    VIEW: ClassVar[str] = "bwd"

    def __init__(self) -> None:
        self.nodes = NodeList("nodes")
        super().__init__(self.nodes)
        self.nodes.fetch = self._rows
        self.flow = Flow("flow")
        self.seen: dict[int, model.Node] = {}
        """The nodes of this backward at which we stopped: only a stop knows the gradients."""

    def below(self) -> Iterator[Widget]:
        """Yield the norms so far."""
        yield self.flow

    # -- being fed ----------------------------------------------------------------------------

    def told(self, record: model.Record) -> str | None:
        """Take the nodes that we stop at, and how a backward ended."""
        if isinstance(record, model.Stop) and record.node is not None:
            self.meet_process()
            self._remember(record.node)
        elif isinstance(record, model.Pass):
            self.nodes.end(record)
            self.flow.end(record.accumulated)
        return None

    def _remember(self, node: model.Node) -> None:
        """Keep what a stop told of its node; an earlier place means another backward."""
        if any(id > node.id for id in self.seen):
            self.seen.clear()
        self.seen[node.id] = node
        while len(self.seen) > REMEMBERED:
            del self.seen[next(iter(self.seen))]

    def forget(self) -> None:
        """Forget the nodes of another process."""
        self.seen.clear()

    def jobs(self, ask: Ask, moved: bool) -> Iterable[Awaitable[None]]:
        """Return what brings the graph and the norms up to date."""
        return [self._graph(ask, moved), self._norms(ask)]

    async def _graph(self, ask: Ask, moved: bool) -> None:
        from gradrepl import protocol

        panel, stop = self.nodes, self._stop
        place = stop.position - 1 if stop is not None and stop.node is not None else -1
        top = round(panel.scroll_offset.y) if place < 0 or not moved else place
        first = max(0, top - MARGIN)
        count = max(1, panel.size.height) + 2 * MARGIN
        answer = await ask(protocol.NodeRows(first=first, count=count))
        if not isinstance(answer, model.Nodes):
            return
        if not answer.total:
            panel.here = -1
            return
        panel.outcome = ""
        if moved or panel.total != answer.total:
            panel.renew()
        panel.supply(answer.rows, answer.first, answer.total)
        here = [i for i, row in enumerate(answer.rows, answer.first) if row.state == "here"]
        panel.here = here[0] if here else -1
        root = f" from {stop.root}" if stop and stop.root else ""
        panel.caption(f"Graph{root}", f"{answer.run}/{answer.total}   · predicted")
        if moved or panel.cursor < 0:
            raised = stop is not None and stop.phase == "exception"
            last = max(0, min(answer.run, answer.total) - 1)
            panel.stand(panel.here if here else last, quietly=raised)

    async def _rows(self, first: int, count: int) -> Window[model.NodeRow] | None:
        from gradrepl import protocol

        answer = await self.host.entries.ask_now()(protocol.NodeRows(first=first, count=count))
        if not isinstance(answer, model.Nodes):
            return None
        return Window(answer.rows, answer.first, answer.total)

    async def _norms(self, ask: Ask) -> None:
        panel, stop = self.flow, self._stop
        if not panel.visible_now or stop is None or stop.node is None:
            return
        from gradrepl import protocol

        count = min(PLOTTED, max(1, panel.size.width), stop.position)
        first = stop.position - count
        answer = await ask(protocol.NodeRows(first=first, count=count))
        if isinstance(answer, model.Nodes):
            panel.show([row.norm for row in answer.rows], first + 1, stop.accumulated)

    async def select(self, ask: Ask) -> None:
        """Show the node on which the cursor has come, with the gradients that its stop told."""
        row, stop = self.nodes.rows.get(self.nodes.cursor), self._stop
        if row is None:
            return
        here = stop.node if stop is not None and stop.phase != "exception" else None
        if stop is not None and here is not None and here.id == row.id:
            self.inspector.show(here, stop.when)
            return
        from gradrepl import protocol

        answer = await ask(protocol.NodeDetail(id=row.id))
        seen = self.seen.get(row.id)
        if seen is not None and isinstance(answer, model.Node):
            answer = replace(answer, grad_in=seen.grad_in, grad_out=seen.grad_out)
        if answer is not None or seen is not None:
            self.inspector.show(answer or seen, note="selected" if stop else "")

    # -- what the selected row stands for ---------------------------------------------------------

    def node_here(self) -> str:
        """Return '#7'."""
        row = self.nodes.rows.get(self.nodes.cursor)
        return f"#{row.id}" if row is not None else ""

    def place(self) -> str:
        """Return '#7' of a node that has not run."""
        row = self.nodes.rows.get(self.nodes.cursor)
        return f"#{row.id}" if row is not None and row.state == "predicted" else ""

    def condition_of(self, row: model.NodeRow) -> str:
        """Return 'leaf NAME' or 'node NAME'."""
        leaf = row.name == "AccumulateGrad" and row.label
        return f"leaf {row.label}" if leaf else f"node {row.name}"
