"""A batch, one row a sample, those with something odd on top; and one sample from near."""

from __future__ import annotations

from typing import ClassVar

from textual.strip import Strip

from gradrepl import model
from gradrepl.draw import ink, samples
from gradrepl.draw.ink import Line, span
from gradrepl.model.data import SampleRow
from gradrepl.tui.panels.base import Drawing
from gradrepl.tui.panels.rows import RowList
from gradrepl.tui.views import BY_NAME

NONE = "No DataLoader found in the current scope."
BEGIN: tuple[Line, ...] = (
    [],
    [("  :loader dl    the loader dl", "dim")],
    [("  :load examples/loader_digits.py", "dim")],
    [("                a script with one", "dim")],
)
WAITING = "asked as soon as the program waits"
NEXT: tuple[Line, ...] = (
    [("  n   fetch the next batch, look at it", "")],
    [("  f   then step through making a sample", "")],
)
UNTOUCHED = (
    "It runs the dataset's code here; random numbers and loops of the program stay as they are."
)


def said_of(batch: model.Batch, width: int, most: int) -> list[Line]:
    """Return why no batch can be made of the samples, in at most ``most`` lines."""
    if not batch.problem or most < 1:
        return []
    lines = ink.wrap([("! ", "bad"), span(batch.problem, "bad")], width, 2)
    return [
        *lines[: most - 1],
        ink.fit([part for line in lines[most - 1 :] for part in line], width),
    ]


class BatchList(RowList[SampleRow]):
    """One row for each sample of the batch, the odd ones on top. ! marks what is odd about it:
    another shape or dtype, nan, a constant, slow, the same index twice. Enter shows a sample
    from near.
    """

    NAME: ClassVar[str] = "Batch"
    record: model.Batch | None = None
    loader: model.Loader | None = None
    reason = ""
    """Why there is no loader."""
    _answered = False
    """Has somebody said which loader there is, or that there is none?"""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._columns: tuple[int, list[samples.Column]] = (-1, [])
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

    def resized(self) -> None:
        """Lay out the columns and what is said above them."""
        self._columns = (-1, [])
        if self.record is not None:
            room = max(8, self.size.width - 1)  # its scroll bar may come with the rows
            self._said = said_of(self.record, room, min(4, self.size.height // 3))
            self.HEAD = 1 + len(self._said)
            self.watch_total()
        super().resized()

    def shown(self, width: int) -> list[samples.Column]:
        """Return the columns for this width."""
        if self._columns[0] != width:
            rows = self.record.rows if self.record is not None else ()
            self._columns = width, samples.columns(rows, width)
        return self._columns[1]

    def draw_head(self, width: int) -> Line:
        return samples.head(self.shown(width), width)

    def draw_row(self, row: SampleRow, index: int, width: int) -> Line:
        return samples.line(row, self.shown(width), width)

    def draw_empty(self, width: int) -> list[Line]:
        if not self._answered:
            return [[(f" {WAITING}", "dim")]]
        lines: list[Line]
        if self.loader is None:
            lines = [*ink.wrap([span(self.reason or NONE)], width - 1), *BEGIN]
        else:
            lines = [[span(f"{self.loader.name}: no batch has been looked at.")], [], *NEXT]
            lines += [[(f"  {key.shown:3} {key.help}", "")] for key in BY_NAME["data"].brought]
            lines += [[], *ink.wrap([(UNTOUCHED, "dim")], width - 1)]
        return [ink.fit([(" ", ""), *line], width) for line in lines]

    def render_line(self, y: int) -> Strip:
        """Draw the problem above the titles."""
        if self.total and y < len(self._said):
            return self.strip(self._said[y])
        return super().render_line(y)


class SamplePane(Drawing):
    """The selected sample from near: statistics of each part, its picture, curve or text, and
    each transform with the time that it took. ! marks nan, and the transform that made the
    first one.
    """

    NAME: ClassVar[str] = "Sample"
    record: model.Sample | SampleRow | None = None

    def show(self, record: model.Sample | SampleRow | None) -> None:
        """Show a sample, or what the batch told of one."""
        changed = record is not self.record
        super().show(record)
        if changed:
            self.scroll_home(animate=False, immediate=True)

    def captions(self) -> tuple[str, str]:
        match self.record:
            case model.Sample(index=index, dataset=dataset, length=length):
                of = "" if length is None else f" of {length}"
                alone = "   esc back" if self.has_class("-maximised") else ""
                return f"Sample {index}", f"{dataset}{of}{alone}"
            case SampleRow(place=place, index=index):
                return f"Sample {place}", f"index {index}" if index else ""
        return self.NAME, ""

    def drawn(self) -> list[Line]:
        match self.record:
            case model.Sample() as sample:
                return samples.sample(sample, self.look, self.size.height)
            case SampleRow() as row:
                look: Line = [("enter", "key"), (" its picture, its transforms; ", "dim")]
                make: Line = [("f", "key"), (" make it here, step by step", "dim")]
                hint = [[], *ink.wrap([*look, *make], self.room)] if row.index else []
                return [*samples.row_details(row, self.room), *hint]
        return []
