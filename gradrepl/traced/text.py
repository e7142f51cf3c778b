"""A trace for a terminal: the ops, the passes, the graph of the last one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

import msgspec
from rich.console import Group, RenderableType

from gradrepl import model
from gradrepl.model.traced import TracedPass
from gradrepl.phrases import figure
from gradrepl.render import Look, render
from gradrepl.render.pieces import line, window

SHOWN = 40
"""Rows of a list that are drawn."""


class Traced(Protocol):
    """What a trace tells of itself."""

    @property
    def summary(self) -> str:
        """How much there is, in a line."""

    @property
    def ops(self) -> Sequence[model.OpRow]:
        """The ops, in the order in which they ended."""

    @property
    def passes(self) -> Sequence[TracedPass]:
        """The backward passes, in the order in which they began."""

    @property
    def graph(self) -> model.GraphView | None:
        """The graph of the last pass, drawn."""


def trace(found: Traced) -> RenderableType:
    """Return the drawing of a trace."""
    look = Look()
    ops, passes, graph = found.ops, found.passes, found.graph
    parts: list[RenderableType] = [line(look, f"trace: {found.summary}")]
    if ops:
        parts.append(render(model.Ops(rows=tuple(ops[:SHOWN]), first=0, total=len(ops)), look))
    parts += [line(look, told(each)) for each in passes[:SHOWN]]
    if len(passes) > SHOWN:
        parts.append(window(0, SHOWN, len(passes), "passes", look))
    if graph is not None:
        shown = msgspec.structs.replace(graph, rows=graph.rows[:SHOWN])
        parts.append(render(shown, look))
    return Group(*parts)


def told(each: TracedPass) -> str:
    """Return a pass in a line: 'pass 1: loss.backward() at train.py:12, 21 nodes'."""
    call = f"{each.root or 'a tensor'}.backward()" if each.how == "backward" else "autograd.grad"
    inside = f", inside pass {each.inside}" if each.inside else ""
    more = ", the graph has more" if each.cut else ""
    ended = "" if each.outcome == "finished" else f", {each.outcome}"
    leaves = [node for node in each.visits if node.leaf and node.norm is not None]
    norms = f", leaves' |g| up to {figure(max(n.norm or 0.0 for n in leaves))}" if leaves else ""
    return (
        f"pass {each.number}: {call}{place(each.site)}{inside}, {len(each.visits)} of"
        f" {len(each.nodes)} nodes ran{more}{norms}{ended}"
    )


def place(site: model.Site | None) -> str:
    """Return ' at train.py:12', or nothing."""
    return "" if site is None else f" at {os.path.basename(site.file)}:{site.line}"
