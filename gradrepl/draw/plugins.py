"""Plugins, what they answer with, and findings."""

from __future__ import annotations

from collections.abc import Iterable

from gradrepl import model
from gradrepl.draw import Look, drawing, ink
from gradrepl.draw.findings import finding
from gradrepl.draw.ink import Line
from gradrepl.draw.tables import notes, table

LONG = 2000
"""Characters of what a plugin says that are shown."""


@drawing.register
def _(record: model.PluginList, look: Look) -> Iterable[Line]:
    if not record.rows:
        yield [("no plugins: pip install one, --plugin FILE, or put one into the folder.", "")]
        return
    heads = ("plugin", "where", "version", "from", "state", "hooks")
    yield from table(
        [((p.name, "name"), p.side, p.version, p.origin, p.state, " ".join(p.hooks))
         for p in record.rows],
        heads,
    )  # fmt: skip
    for each in record.rows:
        if each.problem:
            yield [ink.span(f"! {each.name}: {each.problem}", "warn")]


@drawing.register
def _(record: model.Table, look: Look) -> Iterable[Line]:
    if record.title:
        yield [ink.span(record.title, "title")]
    width = len(record.columns) or max((len(row) for row in record.rows), default=0)
    rows = [(*row, *[""] * width)[:width] for row in record.rows]
    yield from table(rows, record.columns)
    yield from notes(record.notes, "{}")


@drawing.register
def _(record: model.Brought, look: Look) -> Iterable[Line]:
    fields = ", ".join(f"{name}: {value}" for name, value in record.fields.items())
    return [ink.join(f"{record.kind}  {fields}"[:LONG])]


@drawing.register
def _(record: model.Findings, look: Look) -> Iterable[Line]:
    looked = ", ".join(record.looked_at)
    for each in record.rows:
        yield from finding(each, look.plain)
    if record.rows:
        yield [ink.span(f"looked at: {looked}", "dim")]
    else:
        yield [ink.span(f"No problem found in {looked or 'what was looked at'}.")]
