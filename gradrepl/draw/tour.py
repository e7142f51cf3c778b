"""The guided walk, a sentence and a line to type at a time."""

from __future__ import annotations

from collections.abc import Iterable

from gradrepl import model
from gradrepl.draw import Look, drawing, ink
from gradrepl.draw.ink import Line
from gradrepl.draw.numbers import number


@drawing.register
def _(record: model.TourStep, look: Look) -> Iterable[Line]:
    where = f"tour {record.number} of {record.total}:" if record.number else "tour:"
    yield ink.join((where, "title"), record.text)
    if record.guess:
        yield ink.join(("type:", "dim"), ("the number that you expect", "key"))
    elif record.entry:
        yield ink.join(("type:", "dim"), (record.entry, "key"))


@drawing.register
def _(record: model.TourAnswer, look: Look) -> Iterable[Line]:
    arrived = f"{number(record.arrived)} arrived."
    if record.said is None:
        head = (arrived, "dim")
    elif record.right:
        head = (f"Right: {arrived}", "good")
    else:
        head = (f"Not {number(record.said)}: {arrived}", "bad")
    return [ink.join(head, record.why)]
