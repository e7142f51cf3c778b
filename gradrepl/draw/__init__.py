"""Drawings: one function a record makes lines of it, and every client shows those lines.

The prompt prints them, the screen paints them, files and ``--plain`` take their text. The records
of ``gradrepl.model.memory`` are drawn in ``gradrepl.draw.memory``, and so on; a function there,
marked ``@drawing.register``, is all that a new record needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import singledispatch
from importlib import import_module

import msgspec

from gradrepl import model
from gradrepl.draw import ink, tables
from gradrepl.draw.ink import Line

__all__ = ["Look", "drawing", "lines", "text"]


class Look(msgspec.Struct, frozen=True):
    """How things are to look. Meaning is never in the colour alone."""

    width: int | None = None
    """Cells of a line; None: as wide as it takes, so that it can be copied."""
    plain: bool = False
    """One fact a line, in words, for a screen reader."""
    ascii: bool = False
    colour: bool = False
    """Pictures may be drawn by the colour of their cells."""
    brief: bool = False
    """Of a stop or a backward only what is new: panels show the rest."""
    height: int | None = None
    """Lines that there is room for; None: as many as it takes."""


others: list[Callable[[model.Record, Look], Iterable[Line] | None]] = []
"""Who else may know how to draw a record: the plugins, where they are loaded."""


@singledispatch
def drawing(record: model.Record, look: Look) -> Iterable[Line]:
    """Return the lines of ``record``; of one that nobody can draw its fields."""
    for other in others:
        drawn = other(record, look)
        if drawn is not None:
            return [type(line)(ink.span(*part) for part in line) for line in drawn]
    fields = [(name, str(getattr(record, name))) for name in record.__struct_fields__]
    return tables.facts([("type", type(record).__name__), *fields])


def lines(record: model.Record, look: Look = Look()) -> list[Line]:  # noqa: B008
    """Return ``record`` as lines: sentences are broken to the width, tables are not.

    >>> [ink.plain(line) for line in lines(model.Notice(message="done."))]
    ['done.']
    """
    room = type(record).__module__
    if room.startswith("gradrepl.model."):
        import_module(room.replace(".model.", ".draw.", 1))
    made = [part for line in drawing(record, look) for part in broken(line, look.width)]
    if look.ascii:
        made = [type(line)((ink.ascii_only(text), role) for text, role in line) for line in made]
    return made


def broken(line: Line, width: int | None) -> list[Line]:
    """Return ``line`` broken to ``width``; what follows is indented a little more."""
    if width is None or isinstance(line, ink.Row) or ink.width(line) <= width:
        return [line]
    text = ink.plain(line)
    return ink.wrap(line, width, min(len(text) - len(text.lstrip(" ")) + 2, width // 2))


def text(record: model.Record, look: Look = Look()) -> str:  # noqa: B008
    """Return the text of ``record``, a newline at its end.

    >>> text(model.Ended(code=0, script="train.py"))
    'train.py ended with code 0.\\n'
    """
    return "".join(f"{ink.plain(line).rstrip()}\n" for line in lines(record, look))
