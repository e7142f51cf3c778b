"""What drawings are made of: lines, facts, columns, and how things are to look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import singledispatch

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from gradrepl import model, plugins
from gradrepl.draw.ink import Line

ASCII = str.maketrans("│─╭╮╰╯├┤┬┴┼●○◉◇◆✓·▶→∈μ…×", "|-/\\\\/+++++@oO=*+.>>~m.x")

STYLES = {
    "title": "bold",
    "key": "bold",
    "dim": "dim",
    "bad": "red",
    "warn": "yellow",
    "good": "green",
}
"""The prompt's styles by the roles of a plugin's drawing."""


class Look(msgspec.Struct, frozen=True):
    """How things are to look."""

    plain: bool = False
    ascii: bool = False


@singledispatch
def render(record: model.Record, look: Look) -> RenderableType:
    """Return what to draw for ``record``: a plugin's as it says, a stranger's by its fields."""
    drawn = plugins.here().drawn(record, None)
    if drawn is not None:
        return Group(*(styled(each, look) for each in drawn))
    fields = [(name, str(getattr(record, name))) for name in record.__struct_fields__]
    return facts([("type", type(record).__name__), *fields], look)


def styled(spans: Line, look: Look) -> Text:
    """Return a line of (text, role) in the styles of the prompt."""
    parts = ((text, "" if look.plain else STYLES.get(role, "")) for text, role in spans)
    return fit(Text.assemble(*parts), look)


def line(look: Look, *parts: str | tuple[str, str]) -> Text:
    """One line of (text, style) parts, two spaces between those that are not empty."""
    made = Text()
    for part in parts:
        text, style = (part, "") if isinstance(part, str) else part
        if text:
            made.append("  " if made else "")
            made.append(text, style="" if look.plain else style)
    return fit(made, look)


def fit(text: Text, look: Look) -> Text:
    """Return ``text`` in ASCII where that is asked for."""
    if look.ascii:
        text.plain = text.plain.translate(ASCII)
    return text


def facts(facts: Iterable[tuple[str, str]], look: Look) -> Group:
    """One 'name: value' a line; empty values are left out."""
    style = "" if look.plain else "dim"
    lines = [Text.assemble((f"{name}: ", style), text) for name, text in facts if text]
    return Group(*(fit(line, look) for line in lines))


def columns(rows: Sequence[tuple[str, ...]], look: Look, here: int | None = None) -> Group:
    """Rows in aligned columns; the row at ``here`` is marked and bold."""
    if not rows:
        return Group(line(look, "none"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for number, row in enumerate(rows):
        cells = "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        mark = "> " if number == here else "  "
        lines.append(line(look, (mark + cells, "bold" if number == here else "")))
    return Group(*lines)


def window(first: int, count: int, total: int, what: str, look: Look) -> Text:
    """Return the line that says which part of a list is shown: '1-20 of 300 ops'."""
    shown = f"{first + 1}-{first + count} of {total} {what}" if count else f"no {what}"
    return line(look, (shown, "dim"))
