"""The Backward screen: the nodes of one backward, and everything about the selected one."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace

import gradrepl
from gradrepl import model
from gradrepl.draw import charts, lists, running
from gradrepl.draw.ink import Line
from gradrepl.tui.entries import Ask
from gradrepl.tui.pages.step import StepPage
from gradrepl.tui.panels.base import Drawing
from gradrepl.tui.panels.rows import MARGIN, RowList

if TYPE_CHECKING:  # loaded with the conversation, which every request is for
    import gradrepl.protocol

PLOTTED = 200
"""Nodes of which the newest norms are plotted, at most."""
REMEMBERED = 1000
"""Nodes of one backward whose gradients are kept as their stops told them."""


class NodeList(RowList[model.NodeRow]):
    """The nodes of this backward in the engine's order. ✓ has run, ● runs next, · is predicted,
    ◆ has a breakpoint. The lanes lead a gradient down from the loss: ○ is a node, ◉ the one
    here, ◇ a leaf that keeps its gradient; ─┬─╮ is where a gradient parts, and lanes that join
    add up. |grad| is the norm of what arrived; ! marks nan or inf.
    """

    NAME: ClassVar[str] = "Graph"
    EMPTY = (
        [("No backward yet.", "")],
        [],
        [("  loss.backward()  stops at a breakpoint in it", "dim")],
        [("  :bw loss         stops at its first node", "dim")],
        [("  b node Addmm*    breaks at nodes,", "dim")],
        [("  b leaf NAME      at a parameter", "dim")],
    )
    outcome = ""
    """How this backward ended; empty while it runs."""

    def end(self, over: model.Pass) -> None:
        """Show what is known of a backward that is over."""
        self.outcome, self.here = over.outcome, -1
        self.title(over.root, f"{over.nodes_run}/{over.total} {over.outcome.partition(' ')[0]}")
        self.refresh()

    def title(self, root: str, right: str) -> None:
        """Write the caption."""
        self.caption(f"Graph from {root}" if root else "Graph", right)

    def lanes(self) -> int:
        """Return how wide the lanes of the known rows are."""
        top, height = round(self.scroll_offset.y), self.size.height
        seen = (self.rows.get(index) for index in range(top, top + height))
        return max((len(row.lanes.rstrip()) for row in seen if row is not None), default=5)

    def draw_head(self, width: int) -> Line:
        return lists.node_head(width, self.lanes(), self.digits)

    def draw_row(self, row: model.NodeRow, index: int, width: int) -> Line:
        if self.outcome and row.state in ("here", "predicted"):
            ran = row.state == "here" or self.outcome == "finished"
            row = replace(row, state="done" if ran else "skipped")
        return lists.node_row(row, width, self.lanes(), self.digits)


class Flow(Drawing):
    """The norm of the gradient that arrived at each node so far, on a logarithmic scale, the
    loss at the left. ● is a norm, ! is nan or inf, 0 is exactly zero. Below stand the leaves ◇
    that have got their gradient.
    """

    NAME: ClassVar[str] = "Flow"
    norms: tuple[float | None, ...] = ()
    first = 1
    """The number of the node that has the first of the norms."""
    record: tuple[model.Accumulated, ...] = ()

    def captions(self) -> tuple[str, str]:
        return "Gradient flow so far", "log10 |g|"

    def drawn(self) -> list[Line]:
        height = self.size.height
        newest = self.record[-max(1, height - 9) :]
        below: list[Line] = [[("no leaf has its gradient yet", "dim")]]
        if newest:
            leaves = (running.accumulated(leaf, self.room) for leaf in newest)
            below = [[("accumulated", "title")], *leaves]
        rows = max(5, height - len(below) - 1)
        return [*charts.flow(self.norms, self.first, self.room, rows), [], *below]


class BackwardPage(StepPage):
    """The graph in run order, and how large the gradients were so far."""

    VIEW: ClassVar[str] = "bwd"

    def __init__(self) -> None:
        self.nodes = NodeList("nodes")
        super().__init__(self.nodes)
        self.below = self.flow = Flow("flow")
        self.seen: dict[int, model.Node] = {}
        """The nodes of this backward at which we stopped: only a stop knows the gradients."""

    def receive(self, record: model.Record) -> str | None:
        """Take the nodes that we stop at, and how a backward ended."""
        if isinstance(record, model.Stop) and record.node is not None:
            self.meet_process()
            self._remember(record.node)
        elif isinstance(record, model.Pass):
            self.nodes.end(record)
            self.flow.show(record.accumulated)
        return None

    def _remember(self, node: model.Node) -> None:
        """Keep what a stop told of its node; an earlier place means another backward."""
        if any(id > node.id for id in self.seen):
            self.seen.clear()
        self.seen[node.id] = node
        while len(self.seen) > REMEMBERED:
            del self.seen[next(iter(self.seen))]

    def forget(self) -> None:
        self.seen.clear()

    def jobs(self, ask: Ask, moved: bool) -> Iterable[Awaitable[None]]:
        return [self._graph(ask, moved), self._norms(ask)]

    async def _graph(self, ask: Ask, moved: bool) -> None:
        panel, stop = self.nodes, self._stop
        place = stop.position - 1 if stop is not None and stop.node is not None else -1
        top = round(panel.scroll_offset.y) if place < 0 or not moved else place
        count = max(1, panel.size.height) + 2 * MARGIN
        answer = await ask(gradrepl.protocol.NodeRows(first=max(0, top - MARGIN), count=count))
        if isinstance(answer, model.Nodes) and answer.total:
            self._show_graph(answer, moved)
        elif isinstance(answer, model.Nodes):
            panel.here = -1

    def _show_graph(self, nodes: model.Nodes, moved: bool) -> None:
        """Show rows of the graph; where the program has ``moved``, the cursor goes there."""
        panel = self.nodes
        panel.outcome = ""
        if moved or panel.total != nodes.total:
            panel.renew()
        panel.supply(nodes.rows, nodes.first, nodes.total)
        states = [row.state for row in nodes.rows]
        panel.here = nodes.first + states.index("here") if "here" in states else -1
        panel.title(
            self._stop.root if self._stop else "", f"{nodes.run}/{nodes.total}   · predicted"
        )
        if moved or panel.cursor < 0:
            last = max(0, min(nodes.run, nodes.total) - 1)
            panel.stand(panel.here if panel.here >= 0 else last, quietly=self.raised)

    async def window(self, first: int, count: int) -> model.Nodes | None:
        request = gradrepl.protocol.NodeRows(first=first, count=count)
        answer = await self.host.entries.ask_now()(request)
        return answer if isinstance(answer, model.Nodes) else None

    async def _norms(self, ask: Ask) -> None:
        panel, stop = self.flow, self._stop
        if not panel.visible_now or stop is None or stop.node is None:
            return
        count = min(PLOTTED, max(1, panel.size.width), stop.position)
        first = stop.position - count
        answer = await ask(gradrepl.protocol.NodeRows(first=first, count=count))
        if isinstance(answer, model.Nodes):
            panel.norms, panel.first = tuple(row.norm for row in answer.rows), first + 1
            panel.show(stop.accumulated)

    async def detail(self, ask: Ask, row: model.NodeRow) -> model.Record | None:
        answer = await ask(gradrepl.protocol.NodeDetail(id=row.id))
        seen = self.seen.get(row.id)
        if seen is not None and isinstance(answer, model.Node):
            return replace(answer, grad_in=seen.grad_in, grad_out=seen.grad_out)
        return answer or seen

    def node_here(self) -> str:
        return f"#{self.selected.id}" if self.selected is not None else ""

    def place(self) -> str:
        """Return '#7' of a node that has not run."""
        ahead = self.selected is not None and self.selected.state == "predicted"
        return self.node_here() if ahead else ""

    def condition_of(self, row: model.NodeRow) -> str:
        """Return 'leaf NAME' or 'node NAME'."""
        leaf = row.name == "AccumulateGrad" and row.label
        return f"leaf {row.label}" if leaf else f"node {row.name}"
