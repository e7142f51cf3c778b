"""Ops, nodes, stops, backwards and traces."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from gradrepl import draw, model
from gradrepl.draw import Look, drawing, ink
from gradrepl.draw.ink import Line, Row
from gradrepl.draw.lists import op_table
from gradrepl.draw.numbers import broken, count, number, seconds, size
from gradrepl.draw.tables import Fact, facts, more, window
from gradrepl.draw.tensors import bad, kind, named, saved_value, short, source_line, statistics
from gradrepl.model.running import TracedPass

MESSAGE = 100
"""Characters of an exception's message beside its place."""
UNSEEN = "known at its stop"
"""Of the gradient of a node that has not run, or ran while nobody looked."""


# -- ops and nodes -------------------------------------------------------------------------------


@drawing.register
def _(record: model.Op, look: Look) -> Iterable[Line]:
    return facts(op_facts(record))


def op_facts(op: model.Op) -> Iterator[Fact]:
    """Yield what is known of an op, what it made first."""
    yield "op", f"%{op.id} {op.name}"
    yield "line", source_line(op.site)
    yield from _tensors("output {}", op.outputs)
    if len(op.outputs) == 1:
        yield from _made(op.outputs[0])
    yield from ((f"input {at}", short(info)) for at, info in enumerate(op.inputs))
    yield "in place", "; ".join(op.bumped)
    yield "created", ", ".join(op.nodes)
    yield "module", ink.listed(op.module, op.module_class, gap=" ")
    yield "mode", op.mode
    yield "took", seconds(op.duration) if op.duration else ""


def _made(info: model.TensorInfo) -> Iterator[Fact]:
    """Yield what else is known of the only result of an op."""
    yield "values", info.values if info.shape else ""
    of = info.grad_fn or ("leaf, requires_grad" if info.requires_grad else "no gradient")
    version = "" if info.version is None else f", version {info.version}"
    yield "autograd", of + version
    view = ", a view" if info.is_view else ""
    sparse = "" if info.layout == "strided" else f", {info.layout}"
    yield "memory", f"{size(info.nbytes)} on {info.device}{view}{sparse}"


def _tensors(form: str, infos: Sequence[model.TensorInfo | None]) -> Iterator[Fact]:
    for at, info in enumerate(infos):
        yield form.format(at), named(info)


@drawing.register
def _(record: model.Node, look: Look) -> Iterable[Line]:
    return facts(node_facts(record))


def node_facts(node: model.Node) -> Iterator[Fact]:
    """Yield what is known of a node: its rule, gradients in and out, where they go, what it saved.

    A leaf's rule is the same for all, so it is not what is looked for first.
    """
    yield "node", f"#{node.id} {node.name}  {node.label}".rstrip()
    yield "made by", source_line(node.site)
    yield "rule", node.rule
    yield from _tensors("grad_in[{}]", node.grad_in)
    yield "grad_in", "" if node.grad_in else UNSEEN
    yield from ((f"grad_out[{at}]", line) for at, line in enumerate(_outgoing(node)))
    for saved in node.saved:
        yield f"saved {saved.name}", saved_value(saved)
    yield "module", node.module
    yield "hooks", f"{node.hooks} of your own" if node.hooks else ""


def _outgoing(node: model.Node) -> Iterator[Line]:
    """Yield for each edge the gradient that goes along it, and where to."""
    for at in range(max(len(node.edges), len(node.grad_out))):
        line = named(node.grad_out[at]) if at < len(node.grad_out) else []
        label = node.edges[at].label if at < len(node.edges) else "none"
        if label == "none":
            yield line or [("no gradient needed", "dim")]
            continue
        role = "name" if label.startswith("#") else "leaf"
        yield [*line, ("  to " if line else "to ", "dim"), ink.span(label, role)]


# -- stops ---------------------------------------------------------------------------------------


@drawing.register
def _(record: model.Stop, look: Look) -> Iterable[Line]:
    if look.plain:
        yield from facts(_stop_facts(record))
        yield from (_watch(watch) for watch in record.watches)
        return
    yield Row(ink.fit(_head(record), look.width))
    shown = record.phase == "exception" or record.exception in record.reason
    if record.exception and not shown:
        yield [ink.span(f"  {record.exception}", "bad")]
    yield from ([ink.span(f"  {note}", "warn")] for note in record.notes)
    if not look.brief and record.node is not None:
        yield from _gradients(record.node)
    for watch in record.watches:
        if watch.was is not None or not look.brief:
            yield _watch(watch)


def _head(stop: model.Stop) -> Line:
    """Return one line: where, what, and why when it was no plain step; the source comes last."""
    site, reason = stop.site, _reason(stop)
    place = (site.place if site else "", "dim")
    text = (site.text.strip() if site else "", "code")
    if stop.phase == "exception":
        message = textwrap.shorten(stop.exception or stop.reason, MESSAGE, placeholder=" …")
        return [("! ", "bad"), *ink.join(place, (message, "bad"), text)]
    mark = ("● ", "here")
    if stop.node is not None:
        return ink.behind([mark, *_node_head(stop, stop.node)], ink.join(reason, place))
    if stop.op is not None:
        op = stop.op
        name: Line = [mark, ink.span(f"%{op.id} {op.name}", "name")]
        figures = [] if stop.when == "before" else _about(op)
        module = ink.join((f"in {stop.module}" if stop.module else "", "module"))
        return ink.behind(name, _result(stop, op), ink.join(reason, place, text), figures, module)
    return [mark, *ink.join(stop.reason, place, text)]


def _reason(stop: model.Stop) -> tuple[str, str]:
    """Return why it stopped, unless it was only a step."""
    plain = stop.reason in ("step", "next", "entry", stop.exception)
    return ("" if plain else stop.reason), "bad" if stop.breakpoints else "warn"


def _result(stop: model.Stop, op: model.Op) -> Line:
    """Return what the op made, and what is wrong with it."""
    if stop.when == "before":
        return ink.join(("not run yet", "dim"), (op.mode, "warn"))
    shown = [
        part
        for info in op.outputs[:2]
        for part in ((info.name, "name"), (kind(info), "number"), (bad(info.stats), "bad"))
    ]
    return ink.join(*shown, (op.mode, "warn"))


def _about(op: model.Op) -> Line:
    """Return the figures of what the op made, where they are not said with its shape."""
    info = op.outputs[0] if op.outputs else None
    if info is None or info.stats is None:
        return []
    if not info.shape and info.stats.mean is not None:
        return [("= ", "dim"), (number(info.stats.mean), "number")]
    return [] if bad(info.stats) else statistics(info.stats, info.shape)


def _node_head(stop: model.Stop, node: model.Node) -> Line:
    total = f"/{stop.total}" if stop.total else ""
    line: Line = [(f"#{node.id}", "name"), (f"{total} ", "dim"), ink.span(node.name, "name")]
    line += [ink.span(f" {node.label}", "module")] if node.label else []
    ran = stop.when == "after"
    for info in (node.grad_out if ran else node.grad_in)[:1]:
        if info is not None and info.stats is not None:
            norm, wrong = info.stats.norm, bad(info.stats)
            role = "bad" if wrong or broken(norm) else "number"
            line += [(f"  {'out' if ran else 'in'} |g| ", "dim"), (number(norm), role)]
            line += [(f"  {wrong}", "bad")] if wrong else []
    return [*line, ("  done", "done")] if ran else line


def _gradients(node: model.Node) -> Iterator[Line]:
    yield from ([("    in   ", "dim"), *named(info)] for info in node.grad_in)
    for edge, line in zip(node.edges, _outgoing(node), strict=False):
        if edge.label != "none":
            yield [("    out  ", "dim"), *line]


def _watch(watch: model.Watch) -> Line:
    line: Line = [ink.span(f"  {watch.expression} = ", "dim"), ink.span(watch.text, "here")]
    return line if watch.was is None else [*line, ink.span(f"  (was {watch.was})", "dim")]


def _stop_facts(stop: model.Stop) -> Iterator[Fact]:
    """Yield where and why the program is stopped."""
    what = ""
    if stop.node is not None:
        total = f" of {stop.total}" if stop.total else ""
        what = f"node #{stop.node.id} {stop.node.name} {stop.node.label}".rstrip()
        what += f", number {stop.position}{total}"
    elif stop.op is not None:
        what = f"op %{stop.op.id} {stop.op.name}"
    yield "stopped", f"{stop.when} {what}" if what else stop.phase
    yield "why", stop.reason
    yield from (("note", note) for note in stop.notes)
    yield "line", source_line(stop.site)
    yield "module", stop.module
    yield "exception", stop.exception
    if stop.node is not None:
        yield from _tensors("grad_in[{}]", stop.node.grad_in)
        yield from _tensors("grad_out[{}]", stop.node.grad_out)
    elif stop.op is not None:
        yield from _tensors("output {}", stop.op.outputs)
        yield "mode", stop.op.mode


def exception(stop: model.Stop) -> list[Line]:
    """Return what was raised and where, with room for all of its message."""
    lines = [*ink.paragraph(stop.exception, "bad"), *ink.paragraph("\n".join(stop.notes))]
    if stop.site:
        where = [ink.span(stop.site.place, "dim"), ink.span(f" {stop.site.function}", "dim")]
        lines += [[], where, [ink.span(stop.site.text.strip(), "code")]]
    return [*lines, [], [("u d ", "key"), ("frames   ", "dim"), ("p ", "key"), ("print", "dim")]]


@drawing.register
def _(record: model.Cost, look: Look) -> Iterable[Line]:
    of = "a step" if record.steps else "so far"
    parts = ", ".join(f"{what} {seconds(took)}" for what, took in record.parts)
    text = f"Looking takes {seconds(record.seconds)} of {seconds(record.total)} {of}"
    yield [ink.span(f"{text}: {parts}." if parts else f"{text}.")]


@drawing.register
def _(record: model.Pass, look: Look) -> Iterable[Line]:
    good = record.outcome == "finished"
    outcome = textwrap.shorten(record.outcome, MESSAGE, placeholder=" …")
    root = f" of {record.root}" if record.root else ""
    took = f" in {seconds(record.seconds)}" if record.seconds else ""
    text = f"Backward{root} {outcome}: {record.nodes_run} of {count(record.total, 'node')}{took}"
    many = record.accumulated_count or len(record.accumulated)
    got = "1 leaf got its gradient" if many == 1 else f"{many} leaves got their gradient"
    mark = ("✓ ", "good") if good else ("! ", "bad")
    yield [mark, ink.span(text), ink.span(f", {got}." if many else ".", "dim")]
    if not look.brief:
        yield from map(accumulated, record.accumulated)
        yield from more(len(record.accumulated), record.accumulated_count, lead="  ")


def accumulated(leaf: model.Accumulated, width: int | None = None) -> Line:
    """Return a leaf that has got its gradient, and the norm of it."""
    left = [("◇ ", "leaf"), ink.span(leaf.name, "leaf"), ink.span(f" {leaf.shape}", "dim")]
    end: Line = [("|g| ", "dim"), (number(leaf.norm), "number")] if leaf.norm is not None else []
    return ink.between(left, end, width)


# -- a trace, for a terminal -----------------------------------------------------------------------


SHOWN = 40
"""Rows of a list that are drawn."""


def trace(
    summary: str,
    ops: Sequence[model.OpRow],
    passes: Sequence[TracedPass],
    graph: model.GraphView | None,
) -> Iterator[Line]:
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
