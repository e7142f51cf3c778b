"""The list of autograd nodes of one backward, with the graph drawn in lanes as ``git log`` does."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from gradrepl.draw import ink, lists
from gradrepl.draw.ink import Line, span
from gradrepl.model import NodeRow, Pass
from gradrepl.tui.panels.rows import RowList

EMPTY = (
    ("No backward yet.", ""),
    ("", ""),
    ("  loss.backward()  stops at a breakpoint in it", "dim"),
    ("  :bw loss         stops at its first node", "dim"),
    ("  b node Addmm*    breaks at nodes,", "dim"),
    ("  b leaf NAME      at a parameter", "dim"),
)


class NodeList(RowList[NodeRow]):
    """The nodes in run order: those that ran, the one here, and the predicted rest."""

    NAME: ClassVar[str] = "Graph"
    HELP: ClassVar[str] = (
        "The nodes of this backward in the engine's order. ✓ has run, ● runs next, · is "
        "predicted, ◆ has a breakpoint. The lanes lead a gradient down from the loss: ○ is a "
        "node, ◉ the one here, ◇ a leaf that keeps its gradient; ─┬─╮ is where a gradient "
        "parts, and lanes that join add up. |grad| is the norm of what arrived; ! marks nan or "
        "inf."
    )
    outcome = ""
    """How this backward ended; empty while it runs."""

    def end(self, over: Pass) -> None:
        """Show what is known of a backward that is over."""
        self.outcome, self.here = over.outcome, -1
        root = f" from {over.root}" if over.root else ""
        outcome = over.outcome.partition(" ")[0]
        self.caption(f"Graph{root}", f"{over.nodes_run}/{over.total} {outcome}")
        self.refresh()

    def lanes(self) -> int:
        """Return how wide the lanes of the known rows are."""
        top, height = round(self.scroll_offset.y), self.size.height
        seen = (self.rows.get(index) for index in range(top, top + height))
        return max((len(row.lanes.rstrip()) for row in seen if row is not None), default=5)

    def draw_head(self, width: int) -> Line:
        """Return the column titles."""
        return lists.node_head(width, self.lanes(), self.digits)

    def draw_row(self, row: NodeRow, index: int, width: int) -> Line:
        """Return one node."""
        if self.outcome and row.state in ("here", "predicted"):
            ran = row.state == "here" or self.outcome == "finished"
            row = replace(row, state="done" if ran else "skipped")
        return lists.node_row(row, width, self.lanes(), self.digits)

    def draw_empty(self, width: int) -> list[Line]:
        """Say how to begin."""
        return [ink.fit([span(" " + text, role)], width) for text, role in EMPTY]
