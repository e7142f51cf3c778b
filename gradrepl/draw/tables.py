"""Facts and tables: pairs of a name and what is known, and rows in aligned columns.

A table is as wide as what stands in it. The columns of a list of any length follow from the width
alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gradrepl.draw import ink, numbers
from gradrepl.draw.ink import Line, Row, Span

Cell = str | Span
Fact = tuple[str, str | Line]
"""A name and what is known; where that is empty, nothing is."""


def facts(pairs: Iterable[Fact]) -> Iterator[Line]:
    """Yield one 'name: value' a line; empty values are left out.

    >>> [ink.plain(line) for line in facts([("dtype", "float32"), ("grad", "")])]
    ['dtype: float32']
    """
    for name, value in pairs:
        if not value:
            continue
        first, *more = ink.paragraph(value) if isinstance(value, str) else [value]
        yield [ink.span(f"{name}: ", "dim"), *first]
        yield from more


def table(
    rows: Sequence[Sequence[Cell]],
    heads: Sequence[str] = (),
    here: int | None = None,
    lead: str = "  ",
    none: str = "none",
) -> list[Line]:
    """Return rows in columns as wide as what stands in them; empty columns are left out.

    The row at ``here`` is marked; ``lead`` stands before every other one, ``none`` for no row.
    """
    if not rows:
        return [[(none, "")]] if none else []
    titles = [[ink.span(head, "title") for head in heads]] if heads else []
    body = [list(map(_span, row)) for row in rows]
    columns = [cells for cells in zip(*titles, *body, strict=True) if _wide(cells[len(titles) :])]
    made: list[Line] = []
    for number, row in enumerate(zip(*columns, strict=True), -len(titles)):
        mark, own = (">" + lead[1:], "here") if number == here else (lead, "")
        pairs = zip(row, map(_wide, columns), strict=True)
        cells = [(ink.pad(text, room + 2), role or own) for (text, role), room in pairs]
        made.append(trimmed(Row([(mark, "here"), *cells])))
    return made


def _wide(cells: Iterable[Span]) -> int:
    return max(ink.cell_len(text) for text, _ in cells)


def _span(cell: Cell) -> Span:
    return ink.span(cell) if isinstance(cell, str) else ink.span(*cell)


def trimmed(line: Row) -> Row:
    """Return a row without the blanks at its end."""
    while line and not line[-1][0].strip():
        line.pop()
    if line:
        line[-1] = line[-1][0].rstrip(), line[-1][1]
    return line


class Column(NamedTuple):
    """A column of a list of any length, which draws only the rows that are seen."""

    title: str
    cells: int
    """0: there is no room for it."""
    gap: int = 0
    """Cells at its end that stay empty."""
    right: bool = False


def column_heads(columns: Sequence[Column], lead: str = "") -> Row:
    """Return the titles of columns."""
    titles = [(each.title[: max(0, each.cells - each.gap)], "title") for each in columns]
    return Row([(lead + ink.plain(in_columns(titles, columns)).rstrip(), "title")])


def in_columns(cells: Sequence[Span | Line], columns: Sequence[Column]) -> Row:
    """Return one row: a text, or a line of them, in each column that there is room for."""
    row = Row()
    for cell, (_, room, gap, right) in zip(cells, columns, strict=True):
        if not room:
            continue
        if isinstance(cell, list):
            cell = ink.fit(cell, room - gap)
            row += [*cell, (" " * (room - ink.width(cell)), "")]
        elif right:
            row.append((ink.right(cell[0], room), cell[1]))
        else:
            row.append((ink.pad(ink.clip(cell[0], room - gap), room), cell[1]))
    return row


def more(shown: int, total: int, what: str = "", lead: str = "") -> Iterator[Line]:
    """Yield the line that says how many there are beyond those shown, if there are any."""
    if total > shown:
        rest = numbers.count(total - shown, f"more {what}") if what else f"{total - shown:,} more"
        yield [(f"{lead}and {rest}", "dim")]


def window(first: int, count: int, total: int, what: str) -> Line:
    """Return the line that says which part of a list is shown: '1-20 of 300 ops'."""
    text = f"{first + 1}-{first + count} of {total} {what}" if count else f"no {what}"
    return [ink.span(text, "dim")]


def notes(texts: Iterable[str], form: str = "({})") -> list[Line]:
    """Return remarks, each on a line."""
    return [[ink.span(form.format(text), "dim")] for text in texts]
