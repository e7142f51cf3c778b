"""Lists: frames, source, ops, nodes, variables, breakpoints."""

from __future__ import annotations

from rich.console import Group, RenderableType

from gradrepl import model
from gradrepl.phrases import breakpoint_line, figure, place
from gradrepl.render.pieces import Look, columns, line, render, window


@render.register
def _(record: model.Frames, look: Look) -> RenderableType:
    # The innermost frame comes last, as in a traceback.
    frames = record.frames[::-1]
    rows = [(place(f.site), f.site.function, f.module, f.site.text) for f in frames]
    here = next((n for n, frame in enumerate(frames) if frame.selected), None)
    path = [line(look, ("path from the loss:", "dim"), " > ".join(record.path))]
    return Group(columns(rows, look, here), *(path if record.path else []))


@render.register
def _(record: model.Source, look: Look) -> RenderableType:
    lines = [line(look, (f"{record.file}  {record.function}", "cyan"))]
    for each in record.lines:
        mark = ">" if each.here else "*" if each.breakpoint else " "
        note = (f"# {each.note}" if each.note else "", "dim")
        style = "bold" if each.here else ""
        lines.append(line(look, (f"{mark}{each.line:>5}  {each.text}", style), note))
    return Group(*lines)


@render.register
def _(record: model.Ops, look: Look) -> RenderableType:
    rows = [
        (f"%{r.id}", "  " * r.depth + r.name, "" if r.shape is None else str(r.shape), r.dtype,
         r.module, f"line {r.line}" if r.line else "", r.note)
        for r in record.rows
    ]  # fmt: skip
    return Group(columns(rows, look), window(record.first, len(rows), record.total, "ops", look))


@render.register
def _(record: model.Nodes, look: Look) -> RenderableType:
    here = next((n for n, row in enumerate(record.rows) if row.state == "here"), None)
    rows = [
        (r.lanes, f"#{r.id}", r.name, r.label, "" if r.shape is None else str(r.shape),
         "" if r.norm is None else f"|g| {figure(r.norm)}", r.state)
        for r in record.rows
    ]  # fmt: skip
    return Group(
        columns(rows, look, here), window(record.first, len(rows), record.total, "nodes", look)
    )


@render.register
def _(record: model.Variables, look: Look) -> RenderableType:
    rows = [(row.name, row.kind, row.text) for row in record.rows]
    more = record.total - len(rows)
    rest = [line(look, (f"and {more} more", "dim"))] if more > 0 else []
    return Group(columns(rows, look), *rest)


@render.register
def _(record: model.BreakpointInfo, look: Look) -> RenderableType:
    return line(look, breakpoint_line(record))


@render.register
def _(record: model.Breakpoints, look: Look) -> RenderableType:
    return Group(*(line(look, breakpoint_line(row)) for row in record.rows)) if record.rows else (
        line(look, "There are no breakpoints; 'b CONDITION' sets one.")
    )  # fmt: skip


@render.register
def _(record: model.Completions, look: Look) -> RenderableType:
    return line(look, *record.words)
