"""Plugins, what they answer with, and findings."""

from __future__ import annotations

from rich.console import Group, RenderableType

from gradrepl import model
from gradrepl.phrases import place
from gradrepl.render.pieces import Look, columns, line, render

SIGNS = {"error": "!", "warning": "!", "note": "-"}


@render.register
def _(record: model.PluginList, look: Look) -> RenderableType:
    if not record.rows:
        return line(look, "no plugins: pip install one, --plugin FILE, or put one into the folder.")
    heads = ("plugin", "where", "version", "from", "state", "hooks")
    rows = [
        (each.name, each.side, each.version, each.origin, each.state, " ".join(each.hooks))
        for each in record.rows
    ]
    problems = [line(look, (f"! {each.name}: {each.problem}", "yellow"))
                for each in record.rows if each.problem]  # fmt: skip
    return Group(columns([heads, *rows], look), *problems)


@render.register
def _(record: model.Table, look: Look) -> RenderableType:
    parts: list[RenderableType] = [line(look, (record.title, "bold"))] if record.title else []
    width = len(record.columns) or max((len(row) for row in record.rows), default=0)
    rows = [(*row, *[""] * width)[:width] for row in record.rows]
    parts.append(columns([record.columns, *rows] if record.columns else rows, look))
    return Group(*parts, *(line(look, (note, "dim")) for note in record.notes))


@render.register
def _(record: model.Brought, look: Look) -> RenderableType:
    fields = ", ".join(f"{name}: {value}" for name, value in record.fields.items())
    return line(look, f"{record.kind}  {fields}"[:2000])


@render.register
def _(record: model.Findings, look: Look) -> RenderableType:
    looked = line(look, (f"looked at: {', '.join(record.looked_at)}", "dim"))
    if not record.rows:
        return Group(line(look, "nothing wrong is seen here."), looked)
    parts = []
    for each in record.rows:
        colour = {"error": "red", "warning": "yellow"}.get(each.severity, "")
        parts.append(line(look, (f"{SIGNS.get(each.severity, '-')} {each.severity} ", colour),
                          each.what))  # fmt: skip
        parts += [line(look, (f"    {text}", "dim")) for text in (each.why, each.do) if text]
        parts += [line(look, (f"    {place(each.site)}", "dim"))] if each.site else []
    return Group(*parts, looked)
