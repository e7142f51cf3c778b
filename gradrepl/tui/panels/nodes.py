"""The list of autograd nodes of one backward, with the graph drawn in lanes as ``git log`` does."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.model import NodeRow, Pass
from gradrepl.tui import figures
from gradrepl.tui.panels.rows import RowList

MARKS = {
    "done": ("✓", "done"),
    "here": ("●", "here"),
    "predicted": ("·", "ahead"),
    "skipped": ("-", "dim"),
}
EMPTY = (
    ("No backward yet.", ""),
    ("", ""),
    ("  loss.backward()  stops at a breakpoint in it", "dim"),
    ("  :bw loss         stops at its first node", "dim"),
    ("  b node Addmm*    breaks at nodes,", "dim"),
    ("  b leaf NAME      at a parameter", "dim"),
)


def columns(width: int, lanes: int, digits: int = 3) -> tuple[int, int, int, int]:
    """Return the cells of lanes, node, label and shape; the norm takes 8.

    In a narrow list ``label`` is 0: node and label share a column.
    """
    graph = min(max(lanes, 5), max(5, width * 3 // 10)) + 1
    rest = max(12, width - digits - 3 - graph - 8)
    if width < 64:
        return graph, rest, 0, 0
    rest -= 1  # a cell of air at the edge
    shape = 15
    node = max(min(rest - shape - 8, 24), min(rest - shape - 18, 38))
    label = min(rest - shape - node, 30)
    return graph, node, label, shape


def head(width: int, lanes: int, digits: int = 3) -> Line:
    """Return the titles of the columns."""
    graph, node, label, shape = columns(width, lanes, digits)
    text = f" {ink.right('#', digits + 1)} {ink.pad('lanes', graph)}{ink.pad('node', node)}"
    text += ink.pad("of", label) + ink.pad("grad", shape)
    return [(text + ink.right("|grad|", 8), "title")]


def graph_spans(lanes: str, cells: int, here: bool = False) -> Line:
    """Return the lanes with leaves and the current node in their own roles."""
    spans: Line = []
    if here:
        lanes = lanes.replace("○", "◉")
    for character in ink.pad(lanes, cells):
        role = {"◉": "here", "◇": "here" if here else "leaf", "○": "name"}.get(character, "dim")
        if spans and spans[-1][1] == role:
            spans[-1] = (spans[-1][0] + character, role)
        else:
            spans.append((character, role))
    return spans


def names(row: NodeRow, node: int, label: int) -> Line:
    """Return node and label; in one column a leaf's name comes first."""
    ahead, leaf = row.state in ("predicted", "skipped"), row.name == "AccumulateGrad"
    role = {"here": "here"}.get(row.state, "ahead" if ahead else "dim" if leaf else "name")
    of = "ahead" if ahead else "leaf" if leaf else "module"
    if label:
        return [(ink.pad(ink.clip(row.name, node - 1), node), role),
                (ink.pad(ink.tail(row.label, label - 1), label), of)]  # fmt: skip
    short = ink.tail(row.label, max(0, node - 1 - (0 if leaf else len(row.name) + 1)))
    parts: Line = [span(row.name, role), span(f" {short}", of)]
    if leaf and row.label:
        parts = [span(short, of), span(f" {row.name}", role)]
    parts = ink.fit(parts, node - 1)
    return [*parts, (" " * (node - ink.width(parts)), "")]


def draw(row: NodeRow, width: int, lanes: int, digits: int = 3) -> Line:
    """Return one node as a row."""
    graph, node, label, shape = columns(width, lanes, digits)
    mark, role = MARKS.get(row.state, (" ", ""))
    if row.breakpoint and row.state != "here":
        mark, role = "◆", "bad"
    quiet = row.state in ("predicted", "skipped")
    bad = row.norm is not None and not abs(row.norm) < float("inf")
    return [
        (mark, role),
        (ink.right(str(row.id), digits + 1) + " ", "dim"),
        *graph_spans(row.lanes, graph, row.state == "here"),
        *names(row, node, label),
        (ink.pad(figures.shape(row.shape), shape), "ahead" if quiet else "dim"),
        (ink.right(figures.norm(row.norm) + (" !" if bad else ""), 8),
         "bad" if bad else "dim" if quiet else "number"),
    ]  # fmt: skip


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
        return head(width, self.lanes(), self.digits)

    def draw_row(self, row: NodeRow, index: int, width: int) -> Line:
        """Return one node."""
        if self.outcome and row.state in ("here", "predicted"):
            ran = row.state == "here" or self.outcome == "finished"
            row = replace(row, state="done" if ran else "skipped")
        return draw(row, width, self.lanes(), self.digits)

    def draw_empty(self, width: int) -> list[Line]:
        """Say how to begin."""
        return [ink.fit([span(" " + text, role)], width) for text, role in EMPTY]
