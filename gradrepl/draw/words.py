"""Sentences, errors and ends."""

from __future__ import annotations

import os
from collections.abc import Iterable

from gradrepl import model
from gradrepl.draw import Look, drawing, ink
from gradrepl.draw.ink import Line


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
