"""Beside the list of parameters: norms by depth, curves over the backwards, one in detail."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar

from gradrepl import model
from gradrepl.draw import ink
from gradrepl.draw.charts import curve
from gradrepl.draw.ink import Line, Role, span
from gradrepl.model.health import PROBLEMS
from gradrepl.tui import figures
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.panels.health import HealthLine, mark, role, update

LABEL = 6
"""Cells of the labels at a vertical axis, with the axis."""
APART = 12
"""Cells between two parameters in the picture by depth, at most."""
FILL = "▇"
LATER = " Known after the first watched backward."
NAN = float("nan")


# -- by depth ----------------------------------------------------------------------------------


def draw_depths(
    depths: Sequence[model.Depth], chosen: str, width: int, height: int
) -> list[Line]:  # fmt: skip
    """Return log10|g| of each parameter, the loss side at the left; the last line has names.

    Not finite is '!' at the top, exactly zero or no gradient is '0' or '·' at the bottom.
    """
    rows, cells = max(1, height - 1), max(1, width - LABEL)
    shown = _sampled(depths, cells, chosen)
    if not shown:
        return [[(LATER, "dim")]]
    columns = _columns(len(shown), cells)
    logs = [math.log10(each.norm) for each in shown if each.norm and math.isfinite(each.norm)]
    low, high = (math.floor(min(logs)), math.ceil(max(logs))) if logs else (-1, 0)
    high = max(high, low + 1)
    places = [_height(each.norm, low, high, rows) for each in shown]
    lines = []
    for row in range(rows):
        line: Line = [(_level(low, high, row, rows), "dim")]
        end = 0
        for each, place, column in zip(shown, places, columns, strict=True):
            if place == row:
                line += [(" " * (column - end), ""), _dot(each, chosen)]
                end = column + 1
        lines.append(line)
    if height > 1:
        at = next((at for at, each in enumerate(shown) if each.name == chosen), None)
        lines.append(_names("" if at is None else chosen, columns[at or 0], columns[-1], width))
    return lines


def _columns(count: int, cells: int) -> list[int]:
    """Return in which cell each of ``count`` stands: over the whole width, not too far apart."""
    last = min(cells - 1, APART * (count - 1))
    return [round(at * last / max(1, count - 1)) for at in range(count)]


def _sampled(depths: Sequence[model.Depth], most: int, chosen: str) -> list[model.Depth]:
    """Return every so many of ``depths``, and surely the chosen one."""
    if len(depths) <= most:
        return list(depths)
    places = {at * (len(depths) - 1) // max(1, most - 1) for at in range(most)}
    here = next((at for at, each in enumerate(depths) if each.name == chosen), None)
    if here is not None and here not in places:
        places.remove(min(places, key=lambda at: abs(at - here)))
        places.add(here)
    return [depths[at] for at in sorted(places)]


def _height(norm: float | None, low: int, high: int, rows: int) -> int:
    """Return the line, from the top, in which a norm stands."""
    if norm is not None and not math.isfinite(norm):
        return 0
    if not norm:
        return rows - 1
    share = (high - math.log10(norm)) / (high - low)
    return min(rows - 1, int(share * rows))


def _level(low: int, high: int, row: int, rows: int) -> str:
    """Return the label of a line: the power of ten that stands in it, if one does."""
    upper, lower = (high - at * (high - low) / rows for at in (row, row + 1))
    power = math.floor(upper + 1e-9)
    inside = power > lower + 1e-9 or row == rows - 1
    return f"{power:+4} ┤" if inside else "     │"


def _dot(each: model.Depth, chosen: str) -> tuple[str, Role]:
    if each.norm is not None and not math.isfinite(each.norm):
        return "!", "bad"
    bad = each.verdict in PROBLEMS
    glyph = "·" if each.norm is None else "0" if each.norm == 0 else "×" if bad else "●"
    if each.name == chosen:
        return "◉" if glyph in "●×" else glyph, "here"
    return glyph, "bad" if bad else "number"


def _names(chosen: str, column: int, last: int, width: int) -> Line:
    """Return the chosen one's name under its place, and what the two ends are."""
    row = [" "] * width
    wanted = [(column, chosen)] if chosen else []
    for place, text in [*wanted, (0, "loss side"), (max(last - 9, 0), "input side")]:
        text = ink.clip(text, width - LABEL)
        first = max(LABEL, min(LABEL + place, width - len(text)))
        free = row[max(0, first - 1) : first + len(text) + 1]
        if all(cell == " " for cell in free):
            row[first : first + len(text)] = list(text)
    return [span("".join(row).rstrip(), "dim")]


# -- over the backwards ------------------------------------------------------------------------


def draw_curves(
    points: Sequence[model.HealthPoint], width: int, height: int, ascii: bool
) -> list[Line]:
    """Return total norm and loss over the backwards, each on its own scale, '!' not finite."""
    if not points:
        return [[(LATER, "dim")]]
    losses = [point.loss for point in points]
    known = any(loss is not None for loss in losses)
    room = max(2, height - 1)
    upper = -(-room // 2) if known and room >= 4 else room
    lines = _curve([point.total for point in points], "|g|", "number", width, upper, ascii)
    if known and upper < room:
        lines += _curve(losses, "loss", "leaf", width, room - upper, ascii)
    first, last = str(points[0].backward), str(points[-1].backward)
    gap = max(1, width - LABEL - 1 - len(first) - len(last))
    corner = " " * (LABEL - 1)
    return [*lines, [(f"{corner}{first}{' ' * gap}{last}", "dim")]]


def _curve(
    values: Sequence[float | None], name: str, kind: str, width: int, height: int, ascii: bool
) -> list[Line]:
    """Return one curve with the values of its edges; logarithmic where all are above zero."""
    plain = [value for value in values if value is not None]
    logarithmic = all(value > 0 for value in plain if math.isfinite(value))
    drawn = [_scaled(value, logarithmic) for value in plain] or [NAN]
    finite = [value for value in plain if math.isfinite(value)]
    ends = ("", "")
    if finite:
        ends = figures.number(max(finite)), figures.number(min(finite))
    room = max(4, width - LABEL - 2)
    rows = curve(_filled(drawn, room * (1 if ascii else 2)), room, height, ascii)
    lines: list[Line] = []
    for at, row in enumerate(rows):
        label = ends[0] if at == 0 else ends[1] if at == height - 1 else ""
        label = name if height > 2 and at == height // 2 else label
        line: Line = [(f"{label:>{LABEL + 1}}┤", "dim")]
        line += [(part, "bad" if part == "!" else kind) for part in _parts(row)]
        lines.append(line)
    return lines


def _filled(values: Sequence[float], columns: int) -> list[float]:
    """Return few values stretched to the whole width, joined by straight lines."""
    count = len(values)
    if count >= columns or count < 2:
        return list(values) * (columns if count == 1 else 1)
    found = []
    for column in range(columns):
        place = column * (count - 1) / (columns - 1)
        low = min(int(place), count - 2)
        share = place - low
        if share == 0:
            found.append(values[low])
        elif share == 1:
            found.append(values[low + 1])
        else:
            found.append(values[low] * (1 - share) + values[low + 1] * share)
    return found


def _scaled(value: float, logarithmic: bool) -> float:
    return math.log10(value) if logarithmic and 0 < value < math.inf else value


def _parts(row: str) -> Iterator[str]:
    """Yield the row in parts, each '!' by itself."""
    for number, part in enumerate(row.split("!")):
        if number:
            yield "!"
        if part:
            yield part


# -- one parameter -----------------------------------------------------------------------------


def draw_details(row: model.HealthRow, record: model.Health, width: int) -> list[Line]:
    """Return all that is known of one parameter."""
    lines: list[Line] = []
    for also in row.also:
        lines.append([span(f"also {also}", "dim")])
    since = f" since backward {row.since}" if row.since else ""
    glyph = mark(row.verdict)[0].strip()
    label = f"{glyph} {row.label or row.verdict}".strip()
    lines.append([span(label, role(row.verdict)), span(since, "dim")])
    for sentence in (row.why, *row.where):
        lines += ink.wrap([span(sentence)], width) if sentence else []
    lines.append([])
    lines += [_fact(name, text, width) for name, text in _facts(row) if text]
    if row.spread:
        at = f" of backward {row.spread_at}" if row.spread_at else ""
        lines += [[], [("elements by log10 |g|", "title"), (at, "dim")]]
        lines += draw_spread(row.spread, width)
    lines += [[], *_todo(row)]
    return lines


def _facts(row: model.HealthRow) -> Iterator[tuple[str, str]]:
    yield "|g|", "None" if row.norm is None else figures.norm(row.norm)
    yield "|g|/|w|", "" if row.ratio is None else figures.norm(row.ratio)
    if row.update is not None:
        steps = f" in {row.update_steps} steps" if row.update_steps > 1 else ""
        yield (
            "upd/w",
            f"{update(row)} (1e{math.log10(row.update):+.1f}){steps}"
            if (0 < row.update < math.inf)
            else f"{update(row)}{steps}",
        )
    if row.min is not None:
        yield "range", f"[{figures.number(row.min)}, {figures.number(row.max)}]"
    if row.zeros is not None:
        yield "zero", f"{row.zeros} of {row.numel}"
    bad = [f"{n} {what}" for n, what in ((row.nans, "NaN"), (row.infs, "Inf")) if n]
    yield "not finite", f"{', '.join(bad)} of {row.numel}" if bad else ""
    finite = [norm for norm in row.history if norm is not None and math.isfinite(norm)]
    yield "|g| before", ", ".join(map(figures.norm, finite[-3:])) if bad else ""
    yield "figures of", f"backward {row.figures_at}" if row.figures_at else ""
    yield "reached by", f"backward {row.reached_at}" if row.reached_at else "none"
    yield "optimizer", row.optimizer + ("" if row.lr is None else f" lr {row.lr:g}")


def _fact(name: str, text: str, width: int) -> Line:
    return ink.fit([(ink.pad(name, 11), "dim"), span(text, "number")], width)


def draw_spread(spread: Sequence[tuple[float, int]], width: int) -> list[Line]:
    """Return a histogram, the largest elements first."""
    most = max(count for _, count in spread)
    digits = max(len(str(count)) for _, count in spread)
    cells = max(4, width - 6 - digits)
    return [
        [
            (f"{power:+4.0f} ", "dim"),
            (FILL * -(-count * cells // max(1, most)), "number"),
            (f" {count}", "dim"),
        ]
        for power, count in reversed(spread)
    ]


def _todo(row: model.HealthRow) -> Iterator[Line]:
    if row.verdict in PROBLEMS:
        yield [("b", "key"), span(f" break at the verdict {row.verdict}", "dim")]
    yield [("w", "key"), (" why, as a sentence in the transcript", "dim")]


# -- panels ------------------------------------------------------------------------------------


class _Drawing(Paper):
    """Draws the whole record for its width and height."""

    record: model.Health | None = None
    line: HealthLine | None = None

    def show(self, record: model.Health | None, line: HealthLine | None) -> None:
        """Show another state, or another parameter as the chosen one."""
        self.record, self.line = record, line
        self.resized()

    def resized(self) -> None:
        """Draw for the new size."""
        self.title()
        if self.visible_now:
            known = self.record
            self.write([[(LATER, "dim")]] if known is None else self.drawn(known))

    def title(self) -> None:
        """Write the caption."""
        self.caption(self.NAME)

    def drawn(self, record: model.Health) -> list[Line]:
        """Return the lines."""
        raise NotImplementedError

    @property
    def chosen(self) -> str:
        """The name of the chosen parameter, or ''."""
        return self.line.row.name if self.line is not None else ""


class Depths(_Drawing):
    """The norms by depth: where they shrink, and where they grow."""

    NAME: ClassVar[str] = "log10 |g| by depth"
    HELP: ClassVar[str] = (
        "The norm of each parameter's gradient by its depth: the layers near the loss at one "
        "end, those near the input at the other, so that vanishing is a slope. ● is a "
        "parameter, × one with a problem, ◉ the selected one, ! nan or inf, 0 exactly zero, · "
        "not known."
    )

    def drawn(self, record: model.Health) -> list[Line]:
        """Return the picture."""
        return draw_depths(record.depths, self.chosen, self.room, max(2, self.size.height))


class Curves(_Drawing):
    """The total norm and the loss over the backwards that are kept."""

    NAME: ClassVar[str] = "Total norm and loss"
    HELP: ClassVar[str] = (
        "The norm of all gradients together and the loss over the last backwards, each on its "
        "own scale. ! marks where one was nan or inf."
    )

    def title(self) -> None:
        """Say how many backwards there are."""
        count = len(self.record.points) if self.record is not None else 0
        self.caption(self.NAME, f"{count} backwards" if count else "")

    def drawn(self, record: model.Health) -> list[Line]:
        """Return the curves."""
        return draw_curves(record.points, self.room, max(3, self.size.height), self.ascii)


class Details(_Drawing):
    """Which number crossed which limit, where it shrinks, and all figures."""

    NAME: ClassVar[str] = "Parameter"
    HELP: ClassVar[str] = (
        "The selected parameter from near: which number crossed which limit, its last gradients "
        "drawn, its update beside its weight, and with :watch nodes where the gradient shrinks "
        "or grows on its way."
    )

    def title(self) -> None:
        """Say whose."""
        row = self.line.row if self.line is not None else None
        self.caption(row.name if row else self.NAME, figures.shape(row.shape) if row else "")

    def drawn(self, record: model.Health) -> list[Line]:
        """Return what is known of the chosen one."""
        if self.line is None:
            return [[(LATER, "dim")]]
        return draw_details(self.line.row, record, self.room)
