"""What can be written to files, and what was."""

from __future__ import annotations

from rich.console import Group, RenderableType

from gradrepl import model
from gradrepl.render.pieces import Look, columns, line, render

_UNITS = ("bytes", "KB", "MB", "GB")


@render.register
def _(record: model.Exporters, look: Look) -> RenderableType:
    rows = [(f"export {r.of} FILE{r.suffix}", r.name, r.help) for r in record.rows]
    hint = "':export FILE EXPR' takes the graph of EXPR; ':export! ...' writes over a file."
    return Group(columns(rows, look), line(look, (hint, "dim")))


@render.register
def _(record: model.Exported, look: Look) -> RenderableType:
    rows = f"{record.rows:,} rows, " if record.rows else ""
    said = f"wrote {record.path}: {record.of} as {record.kind}, {rows}{_size(record.nbytes)}."
    lines = [line(look, said)]
    if record.note:
        lines.append(line(look, f"  {record.note}"))
    return Group(*lines)


@render.register
def _(record: model.Taken, look: Look) -> RenderableType:
    return line(look, f"{record.what} of {record.of}: {record.total:,} rows")


@render.register
def _(record: model.TakenNodes, look: Look) -> RenderableType:
    rows = [(f"#{r.id}", r.name, r.label, r.module) for r in record.rows]
    return columns(rows, look)


@render.register
def _(record: model.TakenOps, look: Look) -> RenderableType:
    return columns([(f"%{r.id}", r.name, r.module) for r in record.rows], look)


def _size(nbytes: int) -> str:
    size, unit = float(nbytes), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{nbytes} bytes"
