"""Tensors, ops, nodes, stops and passes."""

from __future__ import annotations

import textwrap

from rich.console import Group, RenderableType
from rich.text import Text

from gradrepl import model
from gradrepl.phrases import (
    comparison_facts,
    figure,
    named,
    node_facts,
    op_facts,
    place,
    stop_facts,
    tensor_facts,
)  # fmt: skip
from gradrepl.render.pieces import Look, facts, line, render

MESSAGE = 100
"""Characters of an exception's message beside its place."""


@render.register
def _(record: model.TensorInfo, look: Look) -> RenderableType:
    return facts(tensor_facts(record), look)


@render.register
def _(record: model.Comparison, look: Look) -> RenderableType:
    return facts(comparison_facts(record), look)


@render.register
def _(record: model.Op, look: Look) -> RenderableType:
    return facts(op_facts(record), look)


@render.register
def _(record: model.Node, look: Look) -> RenderableType:
    return facts(node_facts(record), look)


@render.register
def _(record: model.Stop, look: Look) -> RenderableType:
    lines: list[RenderableType] = []
    if look.plain:
        lines.append(facts(stop_facts(record), look))
    elif record.node is not None:
        lines += _node_lines(record, record.node, look)
    elif record.op is not None:
        lines.append(_op_line(record, record.op, look))
    else:
        where = (place(record.site), "cyan")
        lines.append(line(look, _short(record), where, record.site.text if record.site else ""))
    if record.exception and record.exception not in record.reason and not look.plain:
        lines.append(line(look, (record.exception, "red")))
    if not look.plain:
        lines += [line(look, (f"  {note}", "yellow")) for note in record.notes]
    lines += [_watch(watch, look) for watch in record.watches]
    return Group(*lines)


def _short(stop: model.Stop) -> str:
    """The reason; of an exception's message, which Python has printed already, the beginning."""
    if stop.phase != "exception":
        return stop.reason
    return textwrap.shorten(stop.reason, MESSAGE, placeholder=" …")


def _why(stop: model.Stop) -> str:
    """The reason, unless it is only that we stepped."""
    return "" if stop.reason in ("step", "next") else stop.reason


def _op_line(stop: model.Stop, op: model.Op, look: Look) -> Text:
    about = "before it runs" if stop.when == "before" else "; ".join(map(named, op.outputs))
    return line(
        look,
        "  " * op.depth + f"%{op.id}",
        (op.name, "bold green"),
        op.site.text if op.site else "",
        about,
        (op.mode, "yellow"),
        (f"in {stop.module}" if stop.module else "", "dim"),
        (place(op.site), "cyan"),
        (_why(stop), "yellow"),
    )


def _node_lines(stop: model.Stop, node: model.Node, look: Look) -> list[RenderableType]:
    total = f"{stop.position}/{stop.total}" if stop.total else str(stop.position)
    first = line(
        look,
        f"#{node.id}",
        (node.name, "bold magenta"),
        node.label,
        (f"{stop.when} it runs, {total}", "dim"),
        (place(node.site), "cyan"),
        (_why(stop), "yellow"),
    )
    lines: list[RenderableType] = [first]
    lines += [line(look, f"    in   {named(tensor)}") for tensor in node.grad_in]
    for number, edge in enumerate(node.edges):
        ran = number < len(node.grad_out)
        value = named(node.grad_out[number]) if ran else ""
        lines.append(line(look, f"    to   {edge.label}", value))
    return lines


def _watch(watch: model.Watch, look: Look) -> Text:
    old = f"(was {watch.was})" if watch.was is not None else ""
    return line(look, (f"{watch.expression}:", "dim"), watch.text, (old, "dim"))


@render.register
def _(record: model.Pass, look: Look) -> RenderableType:
    root = f" of {record.root}" if record.root else ""
    outcome = textwrap.shorten(record.outcome, MESSAGE, placeholder=" …")
    text = f"Backward{root} {outcome}: {record.nodes_run} of {record.total} nodes ran."
    bad = "" if record.outcome == "finished" else "red"
    lines = [line(look, (text, bad))]
    for leaf in record.accumulated:
        norm = f"|g| {figure(leaf.norm)}" if leaf.norm is not None else ""
        lines.append(line(look, f"  {leaf.name}", str(leaf.shape), norm))
    more = record.accumulated_count - len(record.accumulated)
    if more > 0:
        lines.append(line(look, f"  and {more} more"))
    return Group(*lines)
