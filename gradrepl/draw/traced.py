"""A trace for a terminal: the ops, the passes, the graph of the last one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from gradrepl import draw, model
from gradrepl.draw import ink
from gradrepl.draw.ink import Line
from gradrepl.draw.lists import op_table
from gradrepl.draw.numbers import count, number
from gradrepl.draw.tables import window
from gradrepl.model.traced import TracedPass

SHOWN = 40
"""Rows of a list that are drawn."""


def trace(
    summary: str, ops: Sequence[model.OpRow], passes: Sequence[TracedPass],
    graph: model.GraphView | None,
) -> Iterator[Line]:  # fmt: skip
    """Yield the drawing of a trace."""
    yield [ink.span(f"trace: {summary}")]
    if ops:
        yield from op_table(ops[:SHOWN], None)
        yield window(0, min(len(ops), SHOWN), len(ops), "ops")
    yield from ([ink.span(in_a_line(each))] for each in passes[:SHOWN])
    if len(passes) > SHOWN:
        yield window(0, SHOWN, len(passes), "passes")
    if graph is not None:
        yield from draw.lines(msgspec.structs.replace(graph, rows=graph.rows[:SHOWN]))


def in_a_line(each: TracedPass) -> str:
    """Return a pass in a line: 'pass 1: loss.backward() at train.py:12, 21 of 21 nodes ran'."""
    call = f"{each.root or 'a tensor'}.backward()" if each.how == "backward" else "autograd.grad"
    place = f" at {each.site.place}" if each.site else ""
    inside = f", inside pass {each.inside}" if each.inside else ""
    more = ", the graph has more" if each.cut else ""
    ended = "" if each.outcome == "finished" else f", {each.outcome}"
    known = [node.norm for node in each.visits if node.leaf and node.norm is not None]
    norms = f", leaves' |g| up to {number(max(known))}" if known else ""
    ran = f"{len(each.visits)} of {count(len(each.nodes), 'node')} ran"
    return f"pass {each.number}: {call}{place}{inside}, {ran}{more}{norms}{ended}"
