"""The guided walk, a sentence and a line to type at a time."""

from __future__ import annotations

from rich.console import Group, RenderableType

from gradrepl import model
from gradrepl.phrases import answer
from gradrepl.render.pieces import Look, line, render


@render.register
def _(record: model.TourStep, look: Look) -> RenderableType:
    where = f"tour {record.number} of {record.total}:" if record.number else "tour:"
    lines = [line(look, (where, "bold"), record.text)]
    if record.guess:
        lines.append(line(look, ("type:", "dim"), "the number that you expect"))
    elif record.entry:
        lines.append(line(look, ("type:", "dim"), (record.entry, "bold")))
    return Group(*lines)


@render.register
def _(record: model.TourAnswer, look: Look) -> RenderableType:
    return line(look, (answer(record), "bold"), record.why)
