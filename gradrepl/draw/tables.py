"""Facts and tables: pairs of a name and what is known, and rows in aligned columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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
    rows: Sequence[Sequence[Cell]], heads: Sequence[str] = (), here: int | None = None,
    lead: str = "  ",
) -> list[Line]:  # fmt: skip
    """Return rows in columns as wide as what stands in them; empty columns are left out.

    The row at ``here`` is marked; ``lead`` stands before every other one.
    """
    if not rows:
        return [[("none", "")]]
    body = [[_span(cell) for cell in row] for row in rows]
    kept = [at for at in range(len(body[0])) if any(row[at][0] for row in body)]
    all_rows = [*([[(ink.clean(head), "title") for head in heads]] if heads else []), *body]
    widths = [max(ink.cell_len(row[at][0]) for row in all_rows) for at in kept]
    made: list[Line] = []
    for number, row in enumerate(all_rows, -1 if heads else 0):
        line = Row([(">" + lead[1:] if number == here else lead, "here")])
        for at, cells in zip(kept, widths, strict=True):
            text, role = row[at]
            gap = " " * (cells - ink.cell_len(text) + 2)
            line.append((text + gap, "here" if number == here and not role else role))
        made.append(_trimmed(line))
    return made


def _span(cell: Cell) -> Span:
    return ink.span(cell) if isinstance(cell, str) else ink.span(*cell)


def _trimmed(line: Row) -> Row:
    while line and not line[-1][0].strip():
        line.pop()
    if line:
        line[-1] = line[-1][0].rstrip(), line[-1][1]
    return line


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
