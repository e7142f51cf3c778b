"""A record as something to see: one function, :func:`render`, serves every face.

It returns Rich renderables whose text is taken as it is: a user's ``[/b]`` is never markup. With
``Look.plain`` every line holds one fact, without colour or ornament, for a screen reader.
Meaning is never in the colour alone.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from functools import singledispatch

import msgspec
from rich.console import Console, Group, RenderableType
from rich.text import Text

from gradrepl import model
from gradrepl.phrases import (
    breakpoint_line,
    figure,
    named,
    node_facts,
    op_facts,
    place,
    stop_facts,
    tensor_facts,
)

ASCII = str.maketrans("│─╭╮╰╯├┤┬┴┼●○◉◇◆✓·▶→∈μ…×", "|-/\\\\/+++++@oO=*+.>>~m.x")


class Look(msgspec.Struct, frozen=True):
    """How things are to look."""

    plain: bool = False
    ascii: bool = False


def printed(record: model.Record, look: Look = Look(), width: int = 100) -> str:  # noqa: B008
    """Return the text of ``record`` without colour, a newline at its end."""
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, markup=False, emoji=False)
    show(console, record, look)
    return out.getvalue()


def show(console: Console, record: model.Record, look: Look) -> None:
    """Print ``record``; long lines are left to the terminal, so that they can be copied."""
    console.print(render(record, look), soft_wrap=True, highlight=False, markup=False, emoji=False)


@singledispatch
def render(record: model.Record, look: Look) -> RenderableType:
    """Return what to draw for ``record``; a record that nobody knows shows its fields."""
    fields = [(name, str(getattr(record, name))) for name in record.__struct_fields__]
    return _facts([("type", type(record).__name__), *fields], look)


# -- pieces ------------------------------------------------------------------------------------


def _line(look: Look, *parts: str | tuple[str, str]) -> Text:
    """One line of (text, style) parts, two spaces between those that are not empty."""
    made = Text()
    for part in parts:
        text, style = (part, "") if isinstance(part, str) else part
        if text:
            made.append("  " if made else "")
            made.append(text, style="" if look.plain else style)
    return _fit(made, look)


def _fit(text: Text, look: Look) -> Text:
    if look.ascii:
        text.plain = text.plain.translate(ASCII)
    return text


def _facts(facts: Iterable[tuple[str, str]], look: Look) -> Group:
    """One 'name: value' a line; empty values are left out."""
    style = "" if look.plain else "dim"
    lines = [Text.assemble((f"{name}: ", style), text) for name, text in facts if text]
    return Group(*(_fit(line, look) for line in lines))


def _columns(rows: Sequence[tuple[str, ...]], look: Look, here: int | None = None) -> Group:
    """Rows in aligned columns; the row at ``here`` is marked and bold."""
    if not rows:
        return Group(_line(look, "none"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for number, row in enumerate(rows):
        cells = "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        mark = "> " if number == here else "  "
        lines.append(_line(look, (mark + cells, "bold" if number == here else "")))
    return Group(*lines)


# -- tensors, ops, nodes -----------------------------------------------------------------------


@render.register
def _(record: model.TensorInfo, look: Look) -> RenderableType:
    return _facts(tensor_facts(record), look)


@render.register
def _(record: model.Op, look: Look) -> RenderableType:
    return _facts(op_facts(record), look)


@render.register
def _(record: model.Node, look: Look) -> RenderableType:
    return _facts(node_facts(record), look)


# -- stops -------------------------------------------------------------------------------------


@render.register
def _(record: model.Stop, look: Look) -> RenderableType:
    lines: list[RenderableType] = []
    if look.plain:
        lines.append(_facts(stop_facts(record), look))
    elif record.node is not None:
        lines += _node_lines(record, record.node, look)
    elif record.op is not None:
        lines.append(_op_line(record, record.op, look))
    else:
        where = (place(record.site), "cyan")
        lines.append(_line(look, record.reason, where, record.site.text if record.site else ""))
    if record.exception and record.exception not in record.reason and not look.plain:
        lines.append(_line(look, (record.exception, "red")))
    lines += [_watch(watch, look) for watch in record.watches]
    return Group(*lines)


def _why(stop: model.Stop) -> str:
    """The reason, unless it is only that we stepped."""
    return "" if stop.reason in ("step", "next") else stop.reason


def _op_line(stop: model.Stop, op: model.Op, look: Look) -> Text:
    about = "before it runs" if stop.when == "before" else "; ".join(map(named, op.outputs))
    return _line(
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
    first = _line(
        look,
        f"#{node.id}",
        (node.name, "bold magenta"),
        node.label,
        (f"{stop.when} it runs, {total}", "dim"),
        (place(node.site), "cyan"),
        (_why(stop), "yellow"),
    )
    lines: list[RenderableType] = [first]
    lines += [_line(look, f"    in   {named(tensor)}") for tensor in node.grad_in]
    for number, edge in enumerate(node.edges):
        ran = number < len(node.grad_out)
        value = named(node.grad_out[number]) if ran else ""
        lines.append(_line(look, f"    to   {edge.label}", value))
    return lines


def _watch(watch: model.Watch, look: Look) -> Text:
    old = f"(was {watch.was})" if watch.was is not None else ""
    return _line(look, (f"{watch.expression}:", "dim"), watch.text, (old, "dim"))


@render.register
def _(record: model.Pass, look: Look) -> RenderableType:
    root = f" of {record.root}" if record.root else ""
    text = f"Backward{root} {record.outcome}: {record.nodes_run} of {record.total} nodes ran."
    bad = "" if record.outcome == "finished" else "red"
    lines = [_line(look, (text, bad))]
    for leaf in record.accumulated:
        norm = f"|g| {figure(leaf.norm)}" if leaf.norm is not None else ""
        lines.append(_line(look, f"  {leaf.name}", str(leaf.shape), norm))
    more = record.accumulated_count - len(record.accumulated)
    if more > 0:
        lines.append(_line(look, f"  and {more} more"))
    return Group(*lines)


# -- lists -------------------------------------------------------------------------------------


@render.register
def _(record: model.Frames, look: Look) -> RenderableType:
    # The innermost frame comes last, as in a traceback.
    frames = record.frames[::-1]
    rows = [(place(f.site), f.site.function, f.module, f.site.text) for f in frames]
    here = next((n for n, frame in enumerate(frames) if frame.selected), None)
    path = [_line(look, ("path from the loss:", "dim"), " > ".join(record.path))]
    return Group(_columns(rows, look, here), *(path if record.path else []))


@render.register
def _(record: model.Source, look: Look) -> RenderableType:
    lines = [_line(look, (f"{record.file}  {record.function}", "cyan"))]
    for each in record.lines:
        mark = ">" if each.here else "*" if each.breakpoint else " "
        note = (f"# {each.note}" if each.note else "", "dim")
        style = "bold" if each.here else ""
        lines.append(_line(look, (f"{mark}{each.line:>5}  {each.text}", style), note))
    return Group(*lines)


@render.register
def _(record: model.Ops, look: Look) -> RenderableType:
    rows = [
        (f"%{r.id}", "  " * r.depth + r.name, "" if r.shape is None else str(r.shape), r.dtype,
         r.module, f"line {r.line}" if r.line else "", r.note)
        for r in record.rows
    ]  # fmt: skip
    return Group(_columns(rows, look), _window(record.first, len(rows), record.total, "ops", look))


@render.register
def _(record: model.Nodes, look: Look) -> RenderableType:
    here = next((n for n, row in enumerate(record.rows) if row.state == "here"), None)
    rows = [
        (r.lanes, f"#{r.id}", r.name, r.label, "" if r.shape is None else str(r.shape),
         "" if r.norm is None else f"|g| {figure(r.norm)}", r.state)
        for r in record.rows
    ]  # fmt: skip
    window = _window(record.first, len(rows), record.total, "nodes", look)
    return Group(_columns(rows, look, here), window)


def _window(first: int, count: int, total: int, what: str, look: Look) -> Text:
    shown = f"{first + 1}-{first + count} of {total} {what}" if count else f"no {what}"
    return _line(look, (shown, "dim"))


@render.register
def _(record: model.Variables, look: Look) -> RenderableType:
    rows = [(row.name, row.kind, row.text) for row in record.rows]
    more = record.total - len(rows)
    rest = [_line(look, (f"and {more} more", "dim"))] if more > 0 else []
    return Group(_columns(rows, look), *rest)


@render.register
def _(record: model.BreakpointInfo, look: Look) -> RenderableType:
    return _line(look, breakpoint_line(record))


@render.register
def _(record: model.Breakpoints, look: Look) -> RenderableType:
    return Group(*(_line(look, breakpoint_line(row)) for row in record.rows)) if record.rows else (
        _line(look, "There are no breakpoints; 'b CONDITION' sets one.")
    )  # fmt: skip


@render.register
def _(record: model.Completions, look: Look) -> RenderableType:
    return _line(look, *record.words)


# -- words -------------------------------------------------------------------------------------


@render.register
def _(record: model.Value, look: Look) -> RenderableType:
    return _fit(Text(record.text), look)


@render.register
def _(record: model.Notice, look: Look) -> RenderableType:
    return _line(look, (record.message, "dim"))


@render.register
def _(record: model.Text, look: Look) -> RenderableType:
    return Group(_line(look, (record.title, "bold")), _fit(Text(record.body.strip("\n")), look))


@render.register
def _(record: model.Error, look: Look) -> RenderableType:
    lines: list[RenderableType] = []
    trace = record.traceback.rstrip()
    if trace:
        lines.append(_fit(Text(trace), look))
    told = bool(record.kind) and trace.rpartition("\n")[2].startswith(record.kind)
    if not told:
        lead = "" if trace or record.message.startswith(record.kind + ":") else "Error: "
        lines.append(_line(look, (lead + record.message, "red")))
    if record.hint:
        lines.append(_line(look, f"  {record.hint}"))
    return Group(*lines)


@render.register
def _(record: model.Ended, look: Look) -> RenderableType:
    why = f" by {record.exception}" if record.exception else ""
    script = os.path.basename(record.script) or "The script"
    return _line(look, f"{script} ended{why} with code {record.code}.")


@render.register
def _(record: model.Gone, look: Look) -> RenderableType:
    lost = f"The debuggee is gone: it {_was(record.how)}."
    return Group(
        _line(look, (lost, "red")), _line(look, "  ':restart' starts it again, 'q' leaves.")
    )


def _was(how: str) -> str:
    return f"was {how}" if how.startswith("killed") else how
