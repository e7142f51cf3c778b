"""The parameters of a watched training, the worst first, each with its verdict."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from gradrepl import model
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, Role, Span, span
from gradrepl.model.health import FROZEN, OVERFLOW, PROBLEMS, RISING, UNSEEN
from gradrepl.render.health import clip, sparkline
from gradrepl.tui import figures
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.panels.rows import RowList

EMPTY = (
    (("No gradient has been watched.", ""),),
    (("", ""),),
    (("  W", "key"), (" or ", "dim"), (":watch grads", "key"),
     ("   look at every parameter's gradient after each backward", "dim")),
    (("  N", "key"), (" or ", "dim"), (":watch nodes", "key"),
     ("   at the gradient that arrives at every node, too", "dim")),
    (("  c", "key"), ("                   let the training run: this screen moves with it", "dim")),
)  # fmt: skip
WAITING = "Watching from the next backward on; 'c' lets the program run."
WIDE = 100
"""Cells from which on there are columns for shape, largest element, and NaN."""
NARROW = 68
"""And from which on for ratio, update and zeros."""
MARKS = {OVERFLOW: ("▼", "warn"), RISING: ("↑", "warn"), UNSEEN: ("·", "dim"), FROZEN: ("·", "dim")}


class HealthLine(NamedTuple):
    """A parameter, or another name of it."""

    id: int
    row: model.HealthRow
    tied: str = ""
    """The other name; empty in the parameter's own line."""

    @property
    def name(self) -> str:
        """The name that stands in this line."""
        return self.tied or self.row.name


class Columns(NamedTuple):
    """Cells of each column; 0: it is left out."""

    name: int
    shape: int
    norm: int
    most: int
    ratio: int
    update: int
    zero: int
    bad: int
    looks: int
    verdict: int


def columns(width: int) -> Columns:
    """Return what there is room for."""
    if width >= WIDE:
        fixed = Columns(0, 14, 8, 8, 8, 9, 5, 5, 0, 12)
        rest = width - 2 - sum(fixed)
        name = min(30, max(18, rest - 26))
        return fixed._replace(name=name, looks=min(48, rest - name))
    if width >= NARROW:
        fixed = Columns(0, 0, 8, 0, 8, 9, 5, 0, 14, 11)
        return fixed._replace(name=max(8, width - 2 - sum(fixed)))
    fixed = Columns(0, 0, 8, 0, 0, 0, 0, 0, 9, 11)
    return fixed._replace(name=max(8, width - 2 - sum(fixed)))


def mark(verdict: str) -> Span:
    """Return the glyph of a verdict: never by colour alone."""
    return ("!", "bad") if verdict in PROBLEMS else MARKS.get(verdict, (" ", ""))


def role(verdict: str) -> Role:
    """Return how a verdict's word is written."""
    if verdict in PROBLEMS:
        return "bad"
    return MARKS.get(verdict, ("", "good"))[1]


def curve(history: tuple[float | None, ...], cells: int, ascii: bool) -> Line:
    """Return the last norms as a sparkline; '!' not finite, a dot where no gradient arrived."""
    text = sparkline(history, cells, ascii).replace(" ", "." if ascii else "·")
    line: Line = []
    for character in text:
        kind = "bad" if character == "!" else "dim" if character in ".·" else "number"
        if line and line[-1][1] == kind:
            line[-1] = (line[-1][0] + character, kind)
        else:
            line.append((character, kind))
    return [*line, (" " * (cells - len(text)), "")]


def update(row: model.HealthRow) -> str:
    """Return the change over the weight; '~' measured on a sample."""
    sampled = "~" if row.update is not None and row.update_of < row.numel else ""
    return sampled + figures.norm(row.update)


def most(row: model.HealthRow) -> str:
    """Return the largest element, either way."""
    if row.norm is not None and row.nans + row.infs:
        return figures.norm(row.norm)
    if row.min is None or row.max is None:
        return "-"
    return figures.norm(max(abs(row.min), abs(row.max)))


def draw(line: HealthLine, width: int, ascii: bool = False) -> Line:
    """Return one line of the list."""
    at, row = columns(width), line.row
    if line.tied:
        name = min(len(line.tied) + 4, max(at.name, width // 2))
        return [("  ", ""), (ink.pad(line.tied, name), "dim"),
                span(ink.clip(f"tied to {row.name}", width - name - 2), "dim")]  # fmt: skip
    norm = "None" if row.norm is None else figures.norm(row.norm)
    zero = "-" if row.zeros is None else f"{row.zeros / max(1, row.numel):.0%}"
    bad = row.nans + row.infs
    cells: list[tuple[str, int, Role]] = [
        (figures.shape(row.shape), at.shape, "dim"),
        (norm, at.norm, "bad" if bad else "number" if row.norm is not None else "dim"),
        (most(row), at.most, ""),
        (figures.norm(row.ratio), at.ratio, ""),
        (update(row), at.update, ""),
        (zero, at.zero, ""),
        (str(bad) if bad else "0" if row.norm is not None else "-", at.bad, "bad" if bad else ""),
    ]
    glyph, kind = mark(row.verdict)
    return [
        (f"{glyph} ", kind),
        (ink.pad(ink.clip(row.name, at.name - 1), at.name), "name"),
        *((ink.pad(text, room), role_) for text, room, role_ in cells if room),
        *curve(row.history, at.looks - 2, ascii),
        ("  ", ""),
        (ink.clip(row.label or row.verdict, at.verdict), role(row.verdict)),
    ]


def head(width: int) -> Line:
    """Return the titles of the columns."""
    at = columns(width)
    looks = "looks" if at.looks < 12 else f"{at.looks - 2} looks"
    titles = ("parameter", "shape", "|g|", "max|g|", "|g|/|w|", "upd/w", "zero", "nan", looks,
              "verdict")  # fmt: skip
    text = "".join(ink.pad(title, room) for title, room in zip(titles, at, strict=True) if room)
    return [(f"  {text.rstrip()}", "title")]


def summary(record: model.Health, width: int) -> Line:
    """Return total norm, clipping, scaler, optimizers in one line; the last are cut first."""
    point = record.points[-1] if record.points else None
    parts: list[Line] = []
    if point is not None:
        total = figures.norm(point.total)
        odd = point.total is not None and total in ("nan", "inf")
        parts.append([("total norm ", "dim"), (total, "bad" if odd else "number")])
        if point.loss is not None:
            parts.append([("loss ", "dim"), (figures.number(point.loss), "number")])
    parts += [[span(clip(each), "warn" if each.scaled else "")] for each in record.clipping]
    if record.scale is not None:
        skipped = f", {record.skipped} skipped" if record.skipped else ""
        parts.append([("scaler ", "dim"), (f"{record.scale:g}{skipped}", "")])
    if record.optimizers:
        parts.append([span("; ".join(record.optimizers))])
    if record.more:
        parts.append([("more parameters than are watched", "warn")])
    line: Line = [(" ", "")]
    for part in parts:
        line += [*part, ("   " if width >= WIDE else "  ", "")]
    return ink.fit(line[:-1], width)


class HealthList(RowList[HealthLine]):
    """Every watched parameter; of tied ones every name."""

    NAME: ClassVar[str] = "Gradients"
    HELP: ClassVar[str] = (
        "A row for each watched parameter, the worst first: its verdict in a word, the norm of "
        "its gradient now and over the last backwards. ! is a problem, ▼ an overflow that the "
        "GradScaler caught, ↑ a norm that rises, · not judged (yet, or frozen); ~ was measured "
        "on a sample."
    )
    found: model.Health | None = None

    def show(self, found: model.Health | None) -> None:
        """Show what was found, the cursor kept on the parameter of the same name."""
        was = self.rows.get(self.cursor)
        self.found = found
        rows: list[HealthLine] = []
        for row in found.rows if found is not None else ():
            for tied in ("", *row.also):
                rows.append(HealthLine(len(rows), row, tied))
        self.fill(rows)
        if not rows:
            self.clear()
        same = (line.id for line in rows if was is not None and line.name == was.name)
        self.cursor = next(same, 0 if rows else -1)
        self._title()

    def _title(self) -> None:
        found = self.found
        if found is None:
            self.caption("Gradients")
            return
        of = f"{found.problems} of {found.total} with a problem" if found.problems else (
            f"{found.total} parameters")  # fmt: skip
        listed = f", the worst {len(found.rows)} listed" if len(found.rows) < found.total else ""
        self.caption(f"Gradients after backward {found.backwards}", of + listed)

    def draw_head(self, width: int) -> Line:
        """Return the column titles."""
        return head(width)

    def draw_row(self, row: HealthLine, index: int, width: int) -> Line:
        """Return one parameter."""
        return draw(row, width, self.ascii)

    def draw_empty(self, width: int) -> list[Line]:
        """Say how to begin."""
        watching = self.found.watching if self.found is not None else None
        if watching is not None and (watching.grads or watching.breakpoints):
            return [[(" ", ""), *ink.fit([(WAITING, "")], width - 1)]]
        return [ink.fit([(" ", ""), *line], width) for line in EMPTY]

    def chosen(self) -> HealthLine | None:
        """Return the line under the cursor."""
        return self.rows.get(self.cursor)


class Summary(Paper):
    """What holds for all parameters together, in one line."""

    can_focus = False
    record: model.Health | None = None

    def show(self, record: model.Health | None) -> None:
        """Show another state."""
        self.record = record
        self.resized()

    def resized(self) -> None:
        """Fit it to the width."""
        self.write([] if self.record is None else [summary(self.record, self.room)])
