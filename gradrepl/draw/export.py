"""What can be written to files, and what was."""

from __future__ import annotations

from collections.abc import Iterable

from gradrepl import model
from gradrepl.draw import Look, drawing, ink
from gradrepl.draw.ink import Line
from gradrepl.draw.numbers import count, size
from gradrepl.draw.tables import table


@drawing.register
def _(record: model.Exporters, look: Look) -> Iterable[Line]:
    yield from table([(f"export {r.of} FILE{r.suffix}", r.name, r.help) for r in record.rows])
    hint = "':export FILE EXPR' takes the graph of EXPR; ':export! ...' writes over a file."
    yield [(hint, "dim")]


@drawing.register
def _(record: model.Exported, look: Look) -> Iterable[Line]:
    rows = f"{count(record.rows, 'row')}, " if record.rows else ""
    what = f"{record.of} as {record.kind}, {rows}{size(record.nbytes)}"
    yield [ink.span(f"wrote {record.path}: {what}.")]
    if record.note:
        yield [ink.span(f"  {record.note}")]


@drawing.register
def _(record: model.Taken, look: Look) -> Iterable[Line]:
    return [[ink.span(f"{record.what} of {record.of}: {count(record.total, 'row')}")]]


@drawing.register
def _(record: model.TakenNodes, look: Look) -> Iterable[Line]:
    return table([(f"#{r.id}", r.name, r.label, r.module) for r in record.rows])


@drawing.register
def _(record: model.TakenOps, look: Look) -> Iterable[Line]:
    return table([(f"%{r.id}", r.name, r.module) for r in record.rows])
