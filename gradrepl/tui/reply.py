"""Records as lines for the transcript of the dock: one function, by the kind of record."""

from __future__ import annotations

import io
from functools import singledispatch

from gradrepl import model, plugins
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.tui import figures
from gradrepl.tui.panels import inspector, nodes, ops, side, source, tensor_lines

WIDEST = 110
"""Cells beyond which tables do not grow."""


UNBROKEN = 400
"""Cells of a table's row at the most."""


@singledispatch
def lines(record: model.Record, width: int) -> list[Line]:
    """Return ``record`` as lines; at first as every face draws it, however wide that is."""
    drawn = plugins.here().drawn(record, width)
    if drawn is not None:
        return [[span(*part) for part in line] for line in drawn]
    from rich.console import Console

    from gradrepl import render

    console = Console(file=io.StringIO(), width=UNBROKEN, force_terminal=True)
    drawn = console.render_lines(render.render(record, render.Look()), pad=False)
    return [[span(part.text, part.style or "") for part in line if part.text] for line in drawn]


def whole(record: model.Record, width: int) -> list[Line]:
    """Return ``record``, its sentences broken to ``width`` cells, its tables as they are."""
    table = lines.dispatch(type(record)) is lines.dispatch(model.Record)
    found: list[Line] = []
    for line in lines(record, width):
        row = table and "  " in ink.plain(line).strip()
        found += [line] if row else ink.wrap(line, width)
    return found


@lines.register
def _(record: model.Notice, width: int) -> list[Line]:
    return [line for part in record.message.split("\n") for line in ink.wrap([span(part)], width)]


@lines.register
def _(record: model.Text, width: int) -> list[Line]:
    head = [[span(record.title, "title")]] if record.title else []
    return [*head, *ink.paragraph(record.body)]


@lines.register
def _(record: model.Error, width: int) -> list[Line]:
    result: list[Line] = []
    if record.traceback:
        result += [[span(text, "dim")] for text in record.traceback.rstrip("\n").split("\n")]
    shown = bool(record.traceback) and record.message.rstrip() in record.traceback
    if not shown:
        for number, text in enumerate(record.message.split("\n")):
            result += ink.wrap([("! " if not number else "  ", "bad"), span(text, "bad")], width, 2)
    elif result:
        result[-1] = [(ink.plain(result[-1]), "bad")]
    if record.hint:
        result += ink.wrap([("  ", ""), span(record.hint)], width, 2)
    return result


@lines.register
def _(record: model.Value, width: int) -> list[Line]:
    if record.text or record.tensor is None:
        return ink.paragraph(record.text)
    return lines(record.tensor, width)


lines.register(model.Tensor, lines.dispatch(model.Record))
"""Everything about a tensor is more than the screen's short form of one."""


@lines.register
def _(record: model.TensorInfo, width: int) -> list[Line]:
    drawn = tensor_lines.whole(record, min(width, 72))
    return [[span(record.name, "name")], *drawn] if record.name else drawn


@lines.register
def _(record: model.Op, width: int) -> list[Line]:
    return [[span(f"%{record.id} {record.name}", "name")],
            *inspector.draw_op(record, min(width, 72))]  # fmt: skip


@lines.register
def _(record: model.Node, width: int) -> list[Line]:
    title: Line = [span(f"#{record.id} {record.name} ", "name"), span(record.label, "module")]
    return [title, *inspector.draw_node(record, min(width, 72))]


@lines.register
def _(record: model.Stop, width: int) -> list[Line]:
    head = _stop_line(record, width)
    result = [ink.fit(head, width)]
    for note in record.notes:
        result += ink.wrap([span(f"  {note}", "bad")], width, 2)
    result += [
        [span(f"  {watch.expression} = {watch.text}", "here")]
        for watch in record.watches
        if watch.was is not None
    ]
    return result


def _stop_line(stop: model.Stop, width: int) -> Line:
    """Return one line: where, what, and why when it was no plain step."""
    reason: Line = []
    if stop.breakpoints:
        numbers = ", ".join(map(str, stop.breakpoints))
        reason = [span(f"  breakpoint {numbers}", "bad")]
    elif stop.reason and stop.reason not in ("step", "next", "entry", stop.exception):
        reason = [span(f"  {stop.reason}", "dim")]
    if stop.phase == "exception":
        return [("! ", "bad"), span(f"{figures.place(stop.site)}  ", "dim"),
                span(stop.exception.split("\n")[-1], "bad")]  # fmt: skip
    if stop.node is not None:
        return [*_node_line(stop, stop.node), *reason]
    if stop.op is not None:
        return [*_op_line(stop, stop.op), *reason, *_source(stop)]
    return [("● ", "here"), span(stop.reason), span(f"  {figures.place(stop.site)}", "dim")]


def _op_line(stop: model.Stop, op: model.Op) -> Line:
    line: Line = [("● ", "here"), span(f"%{op.id} {op.name}", "name")]
    if stop.when == "before":
        line.append(("  not run yet", "dim"))
    elif op.outputs:
        first = op.outputs[0]
        line += [span(f"  {figures.tensor(first)}", "number")]
        bad = figures.broken(first.stats)
        line.append(span(f"  {bad} !" if bad else "", "bad"))
    if stop.site:
        line.append(span(f"  {figures.place(stop.site)}", "dim"))
    return line


def _source(stop: model.Stop) -> Line:
    """Return the user's line: last, as it is what may be cut off."""
    return [span(f"  {stop.site.text.strip()}", "code")] if stop.site else []


def _node_line(stop: model.Stop, node: model.Node) -> Line:
    total = f"/{stop.total}" if stop.total else ""
    line: Line = [("● ", "here"), span(f"#{node.id}", "name"), span(f"{total} ", "dim"),
                  span(node.name, "name")]  # fmt: skip
    if node.label:
        line.append(span(f" {node.label}", "module"))
    done = stop.when == "after"
    for info in (node.grad_out if done else node.grad_in)[:1]:
        if info is not None and info.stats is not None:
            side_ = "out" if done else "in"
            line += [(f"  {side_} |g| ", "dim"), (figures.norm(info.stats.norm), "number")]
    if done:
        line.append(("  done", "done"))
    return line


@lines.register
def _(record: model.Pass, width: int) -> list[Line]:
    good = record.outcome == "finished"
    mark = ("✓ ", "good") if good else ("! ", "bad")
    time = f" in {figures.seconds(record.seconds)}" if record.seconds else ""
    text = f"Backward {record.outcome}: {record.nodes_run} of {record.total} nodes{time}"
    count = record.accumulated_count or len(record.accumulated)
    tail = f", {count} leaves have their gradient" if count else ""
    return ink.wrap([mark, span(text), span(tail, "dim")], width, 2)


@lines.register
def _(record: model.Ended, width: int) -> list[Line]:
    good = not record.code
    text = f"{record.script or 'The script'} ended with code {record.code}."
    head: Line = [("✓ " if good else "! ", "good" if good else "bad"), span(text)]
    more = [[span(f"  {record.exception}", "bad")]] if record.exception else []
    return [head, *more]


@lines.register
def _(record: model.Gone, width: int) -> list[Line]:
    how = f"was {record.how}" if record.how.startswith("killed") else record.how
    text = f"The debuggee is gone: it {how}. What was shown stays. "
    return ink.wrap([("! ", "bad"), span(text, "bad"), (":restart", "key"), (" starts anew.", "")],
                    width, 2)  # fmt: skip


@lines.register
def _(record: model.Frames, width: int) -> list[Line]:
    drawn = side.draw_frames(record, min(width, WIDEST))
    path: list[Line] = []
    if record.path:
        path = ink.wrap([("from the loss: ", "dim"), span(" → ".join(record.path))], width, 2)
    return [*drawn, *path]


@lines.register
def _(record: model.Source, width: int) -> list[Line]:
    return source.draw(record, width)


@lines.register
def _(record: model.Ops, width: int) -> list[Line]:
    size = min(width, WIDEST)
    last = record.first + len(record.rows)
    note = f"ops {record.first + 1}..{last} of {record.total}"
    return [ops.head(size), *(ops.draw(row, False, "after", size) for row in record.rows),
            [span(note, "dim")]]  # fmt: skip


@lines.register
def _(record: model.Nodes, width: int) -> list[Line]:
    size = min(width, WIDEST)
    lanes = max((len(row.lanes.rstrip()) for row in record.rows), default=5)
    note = f"{record.run} of {record.total} nodes have run; rows with · are predicted"
    return [nodes.head(size, lanes), *(nodes.draw(row, size, lanes) for row in record.rows),
            [span(note, "dim")]]  # fmt: skip


@lines.register
def _(record: model.Variables, width: int) -> list[Line]:
    return side.draw_names(record, width) or [[("no names yet", "dim")]]


@lines.register
def _(record: model.BreakpointInfo, width: int) -> list[Line]:
    return side.draw_breakpoints(model.Breakpoints(rows=(record,)), min(width, 72))


@lines.register
def _(record: model.Breakpoints, width: int) -> list[Line]:
    return side.draw_breakpoints(record, min(width, 72)) or [[("no breakpoints", "dim")]]


@lines.register
def _(record: model.Completions, width: int) -> list[Line]:
    return ink.wrap([span("  ".join(record.words))], width)
