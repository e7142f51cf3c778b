"""Values, frames, source in colours, lists, names, breakpoints."""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from gradrepl import model
from gradrepl.draw import Look, drawing, ink
from gradrepl.draw.ink import Line, Row
from gradrepl.draw.lists import node_table, op_table
from gradrepl.draw.numbers import count, dtype, times
from gradrepl.draw.tables import facts, more, table, window
from gradrepl.draw.tensors import statistics, tensor_facts

WIDEST = 110
"""Cells beyond which lists do not grow."""
TENSORS = ("Tensor", "Parameter", "tensor")
PLUMBING = ("module", "function", "type", "builtin_function_or_method", "ABCMeta")
"""Kinds of names that come last: what was imported and defined."""


def _widest(look: Look) -> int | None:
    return None if look.width is None else min(look.width, WIDEST)


# -- values --------------------------------------------------------------------------------------


@drawing.register
def _(record: model.Value, look: Look) -> Iterable[Line]:
    if not record.text and record.tensor is not None:
        return facts(tensor_facts(record.tensor))
    lines = ink.paragraph(record.text)
    if record.tensor is not None and record.text.startswith("<tensor "):  # too large to print
        figures = statistics(record.tensor.stats, record.tensor.shape)
        lines[-1] = ink.behind(lines[-1], figures)
    return lines


@drawing.register
def _(record: model.Completions, look: Look) -> Iterable[Line]:
    return [ink.join(*record.words)]


# -- where we are --------------------------------------------------------------------------------


@drawing.register
def _(record: model.Frames, look: Look) -> Iterable[Line]:
    yield from frames(record, _widest(look))
    if record.path:
        yield ink.join(("path from the loss:", "dim"), " > ".join(record.path))


def frames(record: model.Frames, width: int | None) -> list[Line]:
    """Return the user's frames, the innermost last, as in a traceback."""
    shown = record.frames[::-1]
    here = next((at for at, frame in enumerate(shown) if frame.selected), None)
    cells = [
        (site.place, (site.function, "name"), (module, "module"), (site.text.strip(), "code"))
        for site, module in ((frame.site, frame.module) for frame in shown)
    ]
    return [ink.fit(line, width) for line in table(cells, here=here, none="")]


@drawing.register
def _(record: model.Source, look: Look) -> Iterable[Line]:
    yield ink.join((f"{record.file}  {record.function}", "title"))
    yield from source(record, look.width)


def source(record: model.Source, width: int | None) -> list[Line]:
    """Return lines of source, each with its mark, its number, and what ran on it."""
    digits = max((len(str(line.line)) for line in record.lines), default=1)
    texts = [line.text.rstrip("\n") for line in record.lines]
    coloured = part_of_file(record.file, record.lines[0].line if texts else 1, texts)
    pairs = zip(record.lines, coloured, strict=True)
    return [_source_line(line, code, width, digits) for line, code in pairs]


def _source_line(line: model.SourceLine, code: Line, width: int | None, digits: int) -> Line:
    mark = ("▶", "here") if line.here else ("◆", "bad") if line.breakpoint else (" ", "")
    role = "here" if line.here else "dim"
    left = Row([mark, (ink.right(str(line.line), digits + 1) + "  ", role)])
    left += code
    room = 200 if width is None else width - ink.width(left) - 4
    if not line.note or room < 6:
        return left
    at = ink.width(left)
    column = max(44, at + 2) if width is None or width >= 60 else at + 2
    note = ink.clip(line.note, room)
    if width is not None:
        column = min(column, width - ink.cell_len(note) - 2)
    left += [(" " * max(2, column - at), ""), ("# " + note, "comment")]
    return left


# -- lists ---------------------------------------------------------------------------------------


@drawing.register
def _(record: model.Ops, look: Look) -> Iterable[Line]:
    yield from op_table(record.rows, _widest(look), look.plain) if record.rows else ()
    yield window(record.first, len(record.rows), record.total, "ops")


@drawing.register
def _(record: model.Nodes, look: Look) -> Iterable[Line]:
    yield from node_table(record.rows, _widest(look), look.plain) if record.rows else ()
    shown = window(record.first, len(record.rows), record.total, "nodes")
    yield [*shown, (f", {record.run} have run", "dim")]


@drawing.register
def _(record: model.Variables, look: Look) -> Iterable[Line]:
    return names(record, look.width) or [[("no names yet", "dim")]]


def names(record: model.Variables, width: int | None) -> list[Line]:
    """Return the names that can be typed here, tensors first."""
    rows = sorted(record.rows, key=lambda row: row.kind in PLUMBING)
    rows.sort(key=lambda row: row.kind not in TENSORS)
    longest = max((len(row.name) for row in rows), default=0)
    longest = longest if width is None else min(12, longest)
    lines: list[Line] = [
        ink.fit(
            Row([(f"  {ink.pad(row.name, longest)}  ", "name"), ink.span(_short(row), "dim")]),
            width,
        )
        for row in rows
    ]
    return [*lines, *more(len(record.rows), record.total, lead="  ")]


def _short(row: model.Variable) -> str:
    """Return a name's value with short dtypes."""
    first = row.text.partition(") ")[2].partition(" ")[0]
    text = row.text.replace(f") {first}", f") {dtype(first)}", 1) if first else row.text
    return text if row.kind in TENSORS or row.kind in text else f"{row.kind}  {text}"


# -- breakpoints ---------------------------------------------------------------------------------


@drawing.register
def _(record: model.BreakpointInfo, look: Look) -> Iterable[Line]:
    return [breakpoint_line(record, look)]


@drawing.register
def _(record: model.Breakpoints, look: Look) -> Iterable[Line]:
    none: Line = [("There are no breakpoints; 'b CONDITION' sets one.", "")]
    return [breakpoint_line(row, look) for row in record.rows] or [none]


def breakpoint_line(row: model.BreakpointInfo, look: Look) -> Line:
    """Return a breakpoint and what else is to be said of it."""
    text = row.text.rpartition("/")[2] if row.text.startswith("/") else row.text
    mark = [] if look.plain else [("◆ ", "bad") if row.enabled else ("○ ", "dim")]
    return [*mark, (f"Breakpoint {row.id}: ", "dim"), ink.span(text), *breakpoint_notes(row)]


def breakpoint_notes(row: model.BreakpointInfo) -> Line:
    """Return '  (disabled, once, hit 3 times)', or nothing."""
    remarks = ink.listed(
        "" if row.enabled else "disabled",
        "once" if row.temporary else "",
        f"hit {times(row.hits)}" if row.hits else "",
        f"ignored {count(row.ignore, 'more time')}" if row.ignore else "",
        f"runs {' ;; '.join(row.commands)}" if row.commands else "",
    )
    return [ink.span(f"  ({remarks})", "dim")] if remarks else []


def breakpoints(rows: Sequence[model.BreakpointInfo], width: int) -> Iterator[Line]:
    """Yield breakpoints short enough for a narrow column."""
    for row in rows:
        drawn = breakpoint_line(row, Look())
        drawn[1] = f"{row.id} ", "dim"
        yield ink.fit(Row(drawn), width)


# -- displays ------------------------------------------------------------------------------------


def displays(watches: Sequence[model.Watch], width: int) -> list[Line]:
    """Return what is displayed at every stop, and what it was at the one before."""
    longest = min(max((len(watch.expression) for watch in watches), default=0), width * 45 // 100)
    lines: list[Line] = []
    for watch in watches:
        left: Line = [
            (f" {ink.pad(watch.expression, longest)}  ", "name"),
            ink.span(watch.text, "here" if watch.was is not None else ""),
        ]
        end: Line = [] if watch.was is None else [ink.span(f"was {watch.was}", "dim")]
        lines.append(ink.between(left, end, width))
    return lines


# -- Python in colours, lexed as a whole -----------------------------------------------------------


WHOLE = 1 << 16
"""Characters up to which a file is lexed from its first line on: that takes a tenth of a second."""


@lru_cache(maxsize=256)
def python(text: str) -> tuple[Line, ...]:
    r"""Return the lines of Python as spans with roles.

    >>> python("'''for\nall'''")
    ([("'''for", 'string')], [("all'''", 'string')])
    """
    from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]
    from pygments.token import (  # type: ignore[import-untyped]
        Comment,
        Keyword,
        Number,
        String,
    )

    roles = ((Comment, "comment"), (String, "string"), (Keyword, "keyword"), (Number, "number"))
    lines: list[Line] = [[]]
    for kind, value in PythonLexer(stripnl=False, ensurenl=False).get_tokens(text):
        role = next((role for token, role in roles if kind in token), "")
        for number, part in enumerate(value.split("\n")):
            if number:
                lines.append([])
            if part:
                lines[-1].append(ink.span(part, role))
    plain = text.split("\n")
    same = len(lines) == len(plain)  # the lexer takes a lone carriage return for a line's end, too
    return tuple(lines) if same else tuple([ink.span(line)] for line in plain)


def part_of_file(file: str, first: int, texts: Sequence[str]) -> Sequence[Line]:
    """Return lines of a file from number ``first`` on, in the colours that they have in it."""
    linecache.checkcache(file)
    lines = [line.rstrip("\n") for line in linecache.getlines(file)]
    known = lines[first - 1 : first - 1 + len(texts)] == list(texts)
    whole = "\n".join(lines)
    if known and len(whole) <= WHOLE:
        return python(whole)[first - 1 : first - 1 + len(texts)]
    return python("\n".join(texts))
