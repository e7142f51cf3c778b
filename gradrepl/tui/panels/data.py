"""The list of a batch: one row a sample, those with something odd on top."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from textual.strip import Strip

from gradrepl import model
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, Role, span
from gradrepl.model.data import SampleRow
from gradrepl.phrases import figure
from gradrepl.tui import figures
from gradrepl.tui.panels.rows import RowList

BEGIN = (
    ("No DataLoader is in reach.", ""),
    ("", ""),
    ("  :loader dl    the loader dl", "dim"),
    ("  :load examples/loader_digits.py", "dim"),
    ("                a script with one", "dim"),
)
WAITING = "asked as soon as the program waits"
NEXT = (
    ("  n   fetch the next batch, look at it", ""),
    ("  f   then step through making a sample", ""),
    ("  t   measure it with 0, 1, 2, 4 workers", ""),
)
UNTOUCHED = (
    "It runs the dataset's code here; random numbers and loops of the program stay as they are."
)
NOTE = 8
"""Cells that the last column, what is odd, has at least; more where a word there is longer."""


class Column(NamedTuple):
    """One column of the list."""

    name: str
    title: str
    cells: int
    right: bool
    text: Callable[[SampleRow], str]
    role: Role = ""


def span_of(row: SampleRow) -> str:
    """Return '0..1'; what cannot be ordered is named."""
    if row.min is None or row.max is None:
        return ""
    if row.min != row.min or row.max != row.max:
        return "nan"
    return f"{figure(row.min + 0.0)}..{figure(row.max + 0.0)}"


def milliseconds(seconds: float | None) -> str:
    """Return a duration in milliseconds, three digits: '0.012', '3.1', '1400'."""
    if seconds is None:
        return ""
    amount = seconds * 1000
    return f"{amount:.0f}" if amount >= 100 else f"{amount:.2g}" if amount >= 0.01 else "<0.01"


def columns(rows: tuple[SampleRow, ...], width: int) -> list[Column]:
    """Return the columns that these rows need and ``width`` has room for.

    The last one has what is left. It says what is odd, and where the range has no column of its
    own, the range of the others.
    """
    digits = max((len(str(row.place)) for row in rows), default=1)
    note = max(NOTE, *(len(word) for row in rows for word in row.odd), NOTE)
    wanted = [
        Column("place", "i", digits, True, lambda row: str(row.place), "dim"),
        _column("index", "index", rows, lambda row: row.index, right=True, most=12),
        _column("worker", "wrk", rows, lambda row: _worker(row), right=True),
        _column("took", "ms", rows, lambda row: milliseconds(row.seconds), right=True),
        _column("label", "label", rows, lambda row: row.label, most=16),
        _column("shape", "shape", rows, _shape, most=20),
        _column("dtype", "dtype", rows, lambda row: figures.dtype(row.dtype), most=10),
        _column("range", "range", rows, span_of, most=18),
    ]
    shown = [column for column in wanted if column.cells]
    for name in ("dtype", "took", "range", "worker", "label", "shape"):
        if _cells(shown) + note <= width:
            break
        shown = [column for column in shown if column.name != name]
    return shown


def _shape(row: SampleRow) -> str:
    return "" if row.shape is None else figures.shape(row.shape)


def _worker(row: SampleRow) -> str:
    return "" if row.worker is None else str(row.worker)


def _cells(shown: list[Column]) -> int:
    return 1 + sum(column.cells + 2 for column in shown)


def _column(
    name: str, title: str, rows: tuple[SampleRow, ...], text: Callable[[SampleRow], str],
    right: bool = False, most: int = 10,
) -> Column:  # fmt: skip
    """Return a column as wide as what is in it; 0 cells where nothing is."""
    longest = max((ink.width([span(text(row))]) for row in rows), default=0)
    if not longest:
        return Column(name, title, 0, right, text)
    roles = {"index": "number", "label": "name", "worker": "dim", "took": "dim", "dtype": "dim"}
    cells = min(most, max(longest, len(title)))
    return Column(name, title, cells, right, text, roles.get(name, ""))


def head(shown: list[Column], width: int) -> Line:
    """Return the titles of the columns."""
    text = " "
    for column in shown:
        cell = ink.right if column.right else ink.pad
        text += cell(column.title, column.cells) + "  "
    if any(column.name == "range" for column in shown):
        return [(text + "odd", "title")]
    fits = len(text) + len("range, odd") <= width
    return [(text + ("range, odd" if fits else "range"), "title")]


def draw(row: SampleRow, shown: list[Column], width: int) -> Line:
    """Return one sample; what is odd about it has a glyph and a word."""
    odd = bool(row.odd or row.error)
    line: Line = [("!" if odd else " ", "bad")]
    for column in shown:
        cell = ink.right if column.right else ink.pad
        text = column.text(row)
        bad = odd and _concerns(column.name, row)
        line.append((cell(text, column.cells) + "  ", "bad" if bad else column.role))
    said = row.error or ", ".join(row.odd)
    if not said and all(column.name != "range" for column in shown):
        return ink.fit([*line, span(span_of(row))], width)
    return ink.fit([*line, span(said, "bad")], width)


def _concerns(column: str, row: SampleRow) -> bool:
    """Is it this column in which the sample is another than the rest?"""
    words = {
        "shape": ("other shape",), "dtype": ("other dtype",), "took": ("slow",),
        "index": ("duplicate",), "range": ("nan", "inf", "constant", "other range"),
    }  # fmt: skip
    return any(word in row.odd for word in words.get(column, ()))


def said_of(batch: model.Batch, width: int, most: int) -> list[Line]:
    """Return why no batch can be made of the samples, in at most ``most`` lines."""
    if not batch.problem or most < 1:
        return []
    lines = ink.wrap([("! ", "bad"), span(batch.problem, "bad")], width, 2)
    return [
        *lines[: most - 1],
        ink.fit([part for line in lines[most - 1 :] for part in line], width),
    ]


def draw_empty(loader: model.Loader | None, said: str, width: int) -> list[Line]:
    """Say how to begin; ``said`` is why there is no loader, where that is known."""
    if loader is None:
        first = ink.wrap([span(said)], width - 1, 0) if said else [[(BEGIN[0][0], "")]]
        rest = [[(text, role)] for text, role in BEGIN[1:]]
        return [ink.fit([(" ", ""), *line], width) for line in [*first, *rest]]
    lines: list[Line] = [[span(f"{loader.name}: no batch has been looked at.")], []]
    lines += [[(text, role)] for text, role in NEXT]
    lines += [[], *ink.wrap([(UNTOUCHED, "dim")], width - 1)]
    return [ink.fit([(" ", ""), *line], width) for line in lines]


class BatchList(RowList[SampleRow]):
    """The samples of the batch that was looked at last."""

    NAME: ClassVar[str] = "Batch"
    HELP: ClassVar[str] = (
        "One row for each sample of the batch, the odd ones on top. ! marks what is odd about "
        "it: another shape or dtype, nan, a constant, slow, the same index twice. Enter shows a "
        "sample from near."
    )
    record: model.Batch | None = None
    loader: model.Loader | None = None
    reason = ""
    """Why there is no loader."""
    _answered = False
    """Has somebody said which loader there is, or that there is none?"""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._columns: tuple[int, list[Column]] = (-1, [])
        self._said: list[Line] = []

    def of(self, loader: model.Loader | None, reason: str = "") -> None:
        """Belong to ``loader``; a batch of another one goes away."""
        self.loader, self.reason, self._answered = loader, reason, True
        if self.record is not None and (loader is None or loader.name != self.record.loader):
            self.record = None
            self.clear()
        if self.record is None:
            self.caption("Batch", loader.name if loader else "")
            self.refresh()

    def show(self, batch: model.Batch) -> None:
        """Show a batch, the cursor on its first row."""
        self.record = batch
        self.resized()
        self.fill(batch.rows)
        of = "" if batch.total is None else f" of {batch.total}"
        epoch = "" if batch.epoch is None else f"  epoch {batch.epoch}"
        more = f"{len(batch.rows)} of " if len(batch.rows) < batch.size else ""
        self.caption(f"Batch {batch.number}{of}", f"{batch.loader}  {more}{batch.size}{epoch}")
        self.cursor = -1
        self.go(0)

    def chosen(self) -> SampleRow | None:
        """Return the sample under the cursor."""
        return self.rows.get(self.cursor)

    def resized(self) -> None:
        """Lay out the columns and what is said above them."""
        self._columns = (-1, [])
        if self.record is not None:
            room = max(8, self.size.width - 1)  # its scroll bar may come with the rows
            self._said = said_of(self.record, room, min(4, self.size.height // 3))
            self.HEAD = 1 + len(self._said)
            self.watch_total()
        super().resized()

    def shown(self, width: int) -> list[Column]:
        """Return the columns for this width."""
        if self._columns[0] != width:
            rows = self.record.rows if self.record is not None else ()
            self._columns = width, columns(rows, width)
        return self._columns[1]

    def draw_head(self, width: int) -> Line:
        """Return the column titles."""
        return head(self.shown(width), width)

    def draw_row(self, row: SampleRow, index: int, width: int) -> Line:
        """Return one sample."""
        return draw(row, self.shown(width), width)

    def draw_empty(self, width: int) -> list[Line]:
        """Say how to begin."""
        if not self._answered:
            return [[(f" {WAITING}", "dim")]]
        return draw_empty(self.loader, self.reason, width)

    def render_line(self, y: int) -> Strip:
        """Draw the problem above the titles."""
        if self.total and y < len(self._said):
            return self.strip(self._said[y])
        return super().render_line(y)
