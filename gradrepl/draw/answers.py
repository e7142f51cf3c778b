"""What any command may answer with: sentences, progress, tables, findings, plugins, files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from gradrepl import model
from gradrepl.draw import Look, charts, drawing, ink
from gradrepl.draw.ink import Line
from gradrepl.draw.numbers import count, of, seconds, size
from gradrepl.draw.tables import notes, table
from gradrepl.draw.tensors import source_line

# -- sentences, errors, ends -----------------------------------------------------------------------


@drawing.register
def _(record: model.Notice, look: Look) -> Iterable[Line]:
    return ink.paragraph(record.message)


@drawing.register
def _(record: model.Text, look: Look) -> Iterable[Line]:
    head: list[Line] = [[ink.span(record.title, "title")]] if record.title else []
    return [*head, *ink.paragraph(record.body.strip("\n"))]


@drawing.register
def _(record: model.Error, look: Look) -> Iterable[Line]:
    trace = record.traceback.rstrip()
    lines = ink.paragraph(trace, "dim") if trace else []
    last = trace.rpartition("\n")[2]
    message = record.message.partition("\n")[0]  # in a trace, notes may follow it
    if lines and record.kind and (last.startswith(record.kind) or message in trace):
        lines[-1] = [(ink.plain(lines[-1]), "bad")]
    else:
        lead = "" if trace or record.message.startswith(record.kind + ":") else "Error: "
        lines += ink.paragraph(lead + record.message, "bad")
    if record.hint:
        lines += [[("  ", ""), *line] for line in ink.paragraph(record.hint)]
    return lines


@drawing.register
def _(record: model.Ended, look: Look) -> Iterable[Line]:
    why = f" by {record.exception}" if record.exception else ""
    script = os.path.basename(record.script) or "The script"
    role = "bad" if record.code or why else ""
    return ink.paragraph(f"{script} ended{why} with code {record.code}.", role)


@drawing.register
def _(record: model.Gone, look: Look) -> Iterable[Line]:
    how = f"was {record.how}" if record.how.startswith("killed") else record.how
    yield [ink.span(f"The program is gone: it {how}.", "bad")]
    yield [(":restart", "key"), (" starts it again, ", ""), ("q", "key"), (" leaves.", "")]


BAR = 20
"""Cells of the bar that says how far something is."""


@drawing.register
def _(record: model.Progress, look: Look) -> Iterable[Line]:
    return [progress(record, look)]


def progress(record: model.Progress, look: Look) -> Line:
    """Return the one line that says how far something is."""
    drawn = ""
    if record.total and not look.plain:
        drawn = charts.progress(record.done, record.total, BAR, look.ascii)
    stop = "" if record.over else record.stop
    what = f"{record.what}: {record.done}{of(record.total)} {record.unit}"
    line = ink.join((drawn, "good"), what, seconds(record.seconds), record.more, (stop, "key"))
    return ink.fit(line, look.width)


# -- findings --------------------------------------------------------------------------------------


ROLES = {"error": "bad", "warning": "warn"}


def finding(each: model.Finding, plain: bool = False) -> Iterator[Line]:
    """Yield the lines of one diagnosis; '!' is a warning, '·' a hint."""
    role = ROLES.get(each.severity, "dim")
    mark = f"{each.severity}: " if plain else "! " if each.severity in ROLES else "· "
    yield [(mark, role), ink.span(each.message, role if each.severity in ROLES else "")]
    if each.evidence:
        yield [ink.span(f"    {each.evidence}", "dim")]
    if each.fix:
        yield [ink.span(f"    {each.fix}")]
    for line in each.sites:
        role = "" if line.role == "root" else f"{line.role}: "
        yield [ink.span(f"    {role}{source_line(line.site)}", "code")]


# -- plugins, and what any of them may answer with -------------------------------------------------


LONG = 2000
"""Characters of what a plugin says that are shown."""


@drawing.register
def _(record: model.PluginList, look: Look) -> Iterable[Line]:
    if not record.rows:
        yield [("no plugins: pip install one, --plugin FILE, or put one into the folder.", "")]
        return
    heads = ("plugin", "where", "version", "from", "state", "hooks")
    rows = [
        ((p.name, "name"), p.side, p.version, p.origin, p.state, " ".join(p.hooks))
        for p in record.rows
    ]
    yield from table(rows, heads)
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


# -- files: what can be written, and what was ------------------------------------------------------


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
