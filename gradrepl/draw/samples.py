"""Batches and samples: a row for each sample, and one from near with its picture or curve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from gradrepl import model
from gradrepl.draw import Look, charts, drawing, ink
from gradrepl.draw.charts import bar
from gradrepl.draw.ink import Line, Role, Row, Span
from gradrepl.draw.numbers import count, dtype, of, seconds, shape, span
from gradrepl.draw.tables import notes, table
from gradrepl.draw.tensors import statistics
from gradrepl.model.data import Part, SampleRow

ROWS = 16
"""Rows of a batch that are listed where nobody can scroll."""
NOTE = 8
"""Cells that the last column, what is odd, has at least; more where a word there is longer."""
BESIDE = 68
"""Cells from which on the picture stands beside what is said of a sample."""
HIGH, WIDE = 36, 72
"""Dots of a picture at the most, and cells where nobody says how many."""
CURVE = 5
"""Lines of a curve."""
NARROW = 38
"""Cells below which classes stand side by side."""
SCARCE = 0.5
"""A class with less than this share of what an even one would have is marked."""
SINGLE = ("int", "float", "bool", "number", "None")
"""Kinds of parts that are one value."""


# -- the list of a batch -------------------------------------------------------------------------


class Column(NamedTuple):
    """One column of the list."""

    name: str
    title: str
    text: Callable[[SampleRow], str]
    role: Role = ""
    most: int = 10
    right: bool = False
    concerns: tuple[str, ...] = ()
    """What is odd in this column."""
    cells: int = 0


def _milliseconds(duration: float | None) -> str:
    """Return a duration in milliseconds: '0.012', '3.1', '1400'."""
    amount = (duration or 0.0) * 1000
    text = f"{amount:.0f}" if amount >= 100 else f"{amount:.2g}" if amount >= 0.01 else "<0.01"
    return "" if duration is None else text


RANGE_ODD = ("nan", "inf", "constant", "other range")
RANGE = Column("range", "range", lambda row: span(row.min, row.max), most=19, concerns=RANGE_ODD)
COLUMNS = (
    Column("place", "i", lambda row: str(row.place), "dim", right=True),
    Column("index", "index", lambda row: row.index, "number", 12, True, ("duplicate",)),
    Column(
        "worker",
        "worker",
        lambda row: "" if row.worker is None else str(row.worker),
        "dim",
        right=True,
    ),
    Column("took", "ms", lambda row: _milliseconds(row.seconds), "dim", 10, True, ("slow",)),
    Column("label", "label", lambda row: row.label, "name", 16),
    Column("shape", "shape", lambda row: shape(row.shape), "", 20, concerns=("other shape",)),
    Column("dtype", "dtype", lambda row: dtype(row.dtype), "dim", concerns=("other dtype",)),
    RANGE,
)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def columns(rows: Sequence[SampleRow], width: int | None) -> list[Column]:
    """Return the columns that these rows need and ``width`` has room for.

    The last one has what is left. It says what is odd, and where the range has no column of its
    own, the range of the others.
    """
    shown = [
        column._replace(cells=cells if width is None else min(column.most, cells))
        for column in COLUMNS
        if (cells := _longest(column, rows))
    ]
    note = max(NOTE, *(len(word) for row in rows for word in row.odd), NOTE)
    for name in ("dtype", "took", "range", "worker", "label", "shape"):
        if width is None or 1 + sum(column.cells + 2 for column in shown) + note <= width:
            break
        shown = [column for column in shown if column.name != name]
    return shown


def _longest(column: Column, rows: Sequence[SampleRow]) -> int:
    """Return the cells that a column takes; 0 where there is nothing in it."""
    longest = max((ink.cell_len(ink.clean(column.text(row))) for row in rows), default=0)
    return longest and max(longest, len(column.title))


def _has_range(shown: Sequence[Column]) -> bool:
    return any(column.name == "range" for column in shown)


def head(shown: Sequence[Column], width: int | None) -> Line:
    """Return the titles of the columns."""
    text = " " + "".join(_in(column, column.title) for column in shown)
    if _has_range(shown):
        return Row([(text + "odd", "title")])
    fits = width is None or len(text) + len("range, odd") <= width
    return Row([(text + ("range, odd" if fits else "range"), "title")])


def _in(column: Column, text: str) -> str:
    return (ink.right if column.right else ink.pad)(text, column.cells) + "  "


def line(row: SampleRow, shown: Sequence[Column], width: int | None) -> Line:
    """Return one sample; what is odd about it has a glyph and a word."""
    odd = bool(row.odd or row.error)
    made: Line = Row([("!" if odd else " ", "bad")])
    for column in shown:
        bad = any(word in row.odd for word in column.concerns)
        made.append((_in(column, column.text(row)), "bad" if bad else column.role))
    wrong = row.error or ", ".join(row.odd)
    if wrong:
        made.append(ink.span(wrong, "bad"))
    elif not _has_range(shown):
        made.append(ink.span(RANGE.text(row)))
    return ink.fit(made, width)


@drawing.register
def _(record: model.Batch, look: Look) -> Iterable[Line]:
    title = f"batch {record.number}{of(record.total)}  {record.loader}"
    yield ink.join((title, "title"), count(record.size, "sample"))
    if record.problem:
        yield [ink.span(f"! {record.problem}", "bad")]
    rows = record.rows[:ROWS]
    if rows:
        shown = columns(rows, look.width)
        yield from [head(shown, look.width), *(line(row, shown, look.width) for row in rows)]
    if record.size > len(rows):
        yield [(f"  and {record.size - len(rows)} more", "dim")]
    for odd in [odd for odd in record.odd if odd.what != "raises"][:ROWS]:
        yield [ink.span(f"! {odd.sentence}", "warn")]
    yield from about_batch(record)
    if record.labels:
        yield ink.join(("labels", "dim"), labels(record.labels))


def about_batch(record: model.Batch) -> Iterator[Line]:
    """Yield what is known of a batch beside its rows."""
    if record.collated:
        parts = ", ".join(f"{p.key}: {kind(p)}" if p.key else kind(p) for p in record.collated)
        yield ink.join(("collated", "dim"), parts)
    wait = "" if record.wait is None else f", the program waited {seconds(record.wait)}"
    worker = "" if record.worker is None else f", for worker {record.worker}"
    yield [ink.span(f"fetched here in {seconds(record.seconds)}{worker}{wait}", "dim")]
    yield from notes([record.how] if record.how else [], "{}")
    yield from notes(record.notes)


def labels(counts: Iterable[tuple[str, int]]) -> str:
    """Return '3: 31, 0: 30': how often each label came."""
    return ", ".join(f"{label}: {many}" for label, many in counts)


# -- classes -------------------------------------------------------------------------------------


def _ordered(classes: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return classes by name; numbers as numbers."""

    def key(item: tuple[str, int]) -> tuple[bool, int, str]:
        decimal = item[0].lstrip("-").isdecimal()
        return not decimal, int(item[0]) if decimal else 0, item[0]

    return sorted(classes, key=key)


def classes(counts: Sequence[tuple[str, int]], width: int, shares: bool = False) -> list[Line]:
    """Return a bar for each class, side by side where names are short and there is no room.

    With ``shares`` one below the other, with the share of each, what is scarce marked.
    """
    rows = _ordered(counts)
    if not rows:
        return []
    most = max(many for _, many in rows)
    name = min(width // 3, max(ink.cell_len(ink.clean(label)) for label, _ in rows))
    across = 2 if not shares and width < NARROW and name <= 4 and len(rows) > 4 else 1
    cell = (width - 2 * (across - 1)) // across
    cells = max(2, cell - name - len(str(most)) - 3 - (8 if shares else 0))
    digits = len(str(most))
    drawn: list[Line] = []
    for label, many in rows:
        full = bar(many, most, cells)
        space = " " * (cells - ink.cell_len(full))
        line: Line = [(f" {ink.right(label, name)} ", "name"), (full, "number")]
        if shares:
            drawn.append([*line, (space, ""), *_share(many, rows, digits)])
        else:
            drawn.append([*line, (f" {many}{space}", "")])
    down = -(-len(drawn) // across)
    return [Row(*ink.pack(drawn[at::down], None)) for at in range(down)]


def _share(many: int, rows: Sequence[tuple[str, int]], digits: int) -> Line:
    """Return how many a class has, and what part that is; '!' where it is scarce."""
    total = sum(many for _, many in rows)
    scarce = many * len(rows) < SCARCE * total
    text = ink.right(f"{many / total:.1%}", 7) + ("!" if scarce else " ")
    return [(f" {ink.right(str(many), digits)}", ""), (text, "warn" if scarce else "dim")]


# -- one sample ----------------------------------------------------------------------------------


def kind(part: Part) -> str:
    """Return '(1, 28, 28) f32' of a part, or what else it is."""
    return f"{shape(part.shape)} {dtype(part.dtype) or part.kind}".strip()


@drawing.register
def _(record: model.Sample, look: Look) -> Iterable[Line]:
    yield [ink.span(f"{record.dataset}[{record.index}]{of(record.length)}", "title")]
    yield from sample(record, look)


def sample(record: model.Sample, look: Look, height: int = 24) -> list[Line]:
    """Return a sample; where it is wide its picture stands beside what is said of it."""
    image = next((part for part in record.parts if part.lines), None)
    if image is None or look.width is None or look.width < BESIDE or look.plain:
        return [*_parts(record, look, height), *_told(record, look)]
    left = _picture(image, look.width // 2, max(16, 2 * height), look)
    cells = max(map(ink.width, left), default=0) + 2
    narrow = Look(width=look.width - cells, ascii=look.ascii, colour=look.colour)
    rest = [*_parts(record, narrow, height, beside=image), *_told(record, narrow)]
    rest = [part for each in rest for part in ink.wrap(each, narrow.width, 2)]
    return list(map(Row, ink.beside(left, rest, cells)))


def _parts(
    record: model.Sample, look: Look, height: int, beside: Part | None = None
) -> Iterator[Line]:
    for part in record.parts:
        yield part_line(part)
        if part is not beside and not look.plain:
            yield from _shown(part, look, max(16, 2 * (height - 8)))


def part_line(part: Part) -> Line:
    """Return one part: its key, kind and statistics, or its value."""
    if part.kind in SINGLE or (part.text and part.shape == ()):
        return ink.join((part.key, "name"), (kind(part), "dim"), part.text, gap=" ")
    text = "" if part.kind in ("str", "bytes", "list", "tensor") else part.text
    line = ink.join((part.key, "name"), (kind(part), "number"), text, gap=" ")
    return ink.behind(line, statistics(part.stats, part.shape))


def _shown(part: Part, look: Look, high: int) -> list[Line]:
    """Return what a part looks like: its picture, its curve, or its text."""
    width = (look.width or WIDE) - 1
    if part.lines:
        return [Row([(" ", ""), *row]) for row in _picture(part, width, high, look)]
    if len(part.values) > 1:
        drawn = charts.curve(part.values, width, CURVE, look.ascii)
        return [Row([(" ", ""), *ink.runs(row, {"!": "bad"}, "number")]) for row in drawn]
    if part.kind in ("str", "bytes") or (part.kind == "list" and part.text):
        return [[(" ", ""), ink.span(part.text, "string")]]
    return []


def _picture(part: Part, wide: int, high: int, look: Look) -> list[Line]:
    """Return an image in half blocks, or where there is no colour in characters."""
    dots = scaled(part.lines, wide, min(HIGH, high))
    if not look.colour:
        return [Row([(text, "")]) for text in ramp(dots)]
    return list(map(Row, halves(dots)))


def _told(record: model.Sample, look: Look) -> Iterator[Line]:
    """Yield what is odd, how long it took, what it drew from, and where it is made."""
    yield from ([("! ", "bad"), ink.span(text, "bad")] for text in record.odd)
    yield from (ink.fit(line, look.width) for line in _steps(record.steps))
    pairs = (
        ("label", record.label),
        ("took", seconds(record.seconds)),
        ("draws from", ", ".join(record.random)),
        ("as worker", "" if record.worker is None else f"{record.worker}, seed {record.seed}"),
        ("made at", record.site.place if record.site else ""),
    )
    parts = [[(f"{name} ", "dim"), ink.span(text)] for name, text in pairs if text]
    yield from ink.pack(parts, look.width)
    yield from notes(record.notes)


def _steps(steps: Sequence[model.TransformStep]) -> list[Line]:
    """Return the transforms with the time of each, and the one that made the first NaN."""
    rows = []
    for step in steps:
        stats, bad = step.out.stats, f"{step.nans} nan !" if step.nans else ""
        made = f"first {bad}" if step.first_nan else bad
        edges = span(stats.min, stats.max) if stats else ""
        name: Span = (step.name, "bad" if step.first_nan else "name")
        rows.append((name, (seconds(step.seconds), "dim"), (made, "bad"), kind(step.out), edges))
    return [[("transforms", "title")], *table(rows)] if rows else []


def row_details(row: SampleRow, width: int) -> list[Line]:
    """Return what a batch told of a sample, before it was looked at alone."""
    lines = [part_line(part) for part in row.parts]
    for part in row.parts:
        lines += _shown(part, Look(width=width), 0) if part.kind == "str" else []
    for text in filter(None, (row.error, ", ".join(row.odd))):
        lines.append([("! ", "bad"), ink.span(text, "bad")])
    return [part for each in lines for part in ink.wrap(each, width, 2)]


# -- images in the cells of a terminal -------------------------------------------------------------

# An image is rows of brightness, 0..255. In half blocks a cell is two dots, one above the other;
# the ramp has one character for them, for where there is no colour.


Rows = Sequence[Sequence[int]]
HALF = "▀"
RAMP = " .:-=+*#%@"
LEAST = 4
"""Cells in which nothing can be recognised any more."""


def scaled(rows: Rows, wide: int, high: int) -> list[list[int]]:
    """Return ``rows`` with at most ``wide`` x ``high`` dots, as large as whole dots allow."""
    if not rows or not rows[0]:
        return []
    height, width = len(rows), len(rows[0])
    times = min(max(LEAST, wide) // width, max(LEAST, high) // height)
    if times >= 1:
        wider = [[value for value in row for _ in range(times)] for row in rows]
        return [row for row in wider for _ in range(times)]
    shrink = min(max(LEAST, wide) / width, max(LEAST, high) / height)
    columns, lines = max(1, int(width * shrink)), max(1, int(height * shrink))
    return [
        [_mean(rows, (line, lines), (column, columns)) for column in range(columns)]
        for line in range(lines)
    ]


def _mean(rows: Rows, line: tuple[int, int], column: tuple[int, int]) -> int:
    """Return the mean of the dots that fall into one of fewer lines and columns."""
    height, width = len(rows), len(rows[0])
    top, bottom = line[0] * height // line[1], -(-(line[0] + 1) * height // line[1])
    left, right = column[0] * width // column[1], -(-(column[0] + 1) * width // column[1])
    dots = [value for row in rows[top:bottom] for value in row[left:right]]
    return round(sum(dots) / len(dots))


def halves(rows: Rows) -> list[Line]:
    """Return two rows of dots a line, dots alike side by side as one span of their brightness."""
    return [
        [(HALF * len([*alike]), pair) for pair, alike in groupby(zip(upper, lower, strict=True))]
        for upper, lower in _in_twos(rows)
    ]


def ramp(rows: Rows) -> list[str]:
    """Return two rows of dots a line, as characters that are darker or lighter."""
    lines = []
    for upper, lower in _in_twos(rows):
        mean = [(above + below) // 2 for above, below in zip(upper, lower, strict=True)]
        lines.append("".join(RAMP[value * (len(RAMP) - 1) // 255] for value in mean))
    return lines


def _in_twos(rows: Rows) -> list[Rows]:
    """Return each two rows, one above the other; of an odd number the last one twice."""
    return [(row, rows[min(2 * at + 1, len(rows) - 1)]) for at, row in enumerate(rows[::2])]
