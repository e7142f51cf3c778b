"""Bars, curves and plots: norms by depth, by node in run order, over the backwards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from gradrepl import model
from gradrepl.draw import Look, ink
from gradrepl.draw.ink import Line, Role, Row
from gradrepl.draw.numbers import number
from gradrepl.model.health import PROBLEMS

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Of a braille cell, by row and column."""


def levels(values: Sequence[float], columns: int) -> list[tuple[float, float] | None]:
    """Return the lowest and highest of the values in each column; None where one is not finite."""
    edges: list[tuple[float, float] | None] = []
    for column in range(columns):
        first, last = column * len(values) // columns, -(-(column + 1) * len(values) // columns)
        part = values[first:last]
        whole = all(math.isfinite(value) for value in part)
        edges.append((min(part), max(part)) if whole else None)
    return edges


def curve(values: Sequence[float], width: int, height: int, ascii: bool) -> list[str]:
    """Return a plot of ``values`` in ``height`` lines; a column with NaN or Inf is marked '!'."""
    fine, dots = (1, 1) if ascii else (2, 4)
    steps = dots * height - 1
    low, high = _range(values)

    def step(value: float) -> int:
        share = (value - low) / (high - low) if 0 < high - low < math.inf else 0.5
        return round(share * steps)

    ends = [part and (step(part[0]), step(part[1])) for part in levels(values, width * fine)]
    cells = [[0] * -(-len(ends) // fine) for _ in range(height)]
    for column, (before, part) in enumerate(pairwise([None, *ends])):
        for level in _joined(part, before) if part else ():
            line, dot = divmod(steps - level, dots)
            cells[line][column // fine] |= 1 if ascii else _DOTS[dot][column % fine]
    bad = {column // fine for column, part in enumerate(ends) if part is None}
    return [_marked(row, bad, line == 0, ascii) for line, row in enumerate(cells)]


def _range(values: Iterable[float]) -> tuple[float, float]:
    """Return the least and the most of the values that are finite."""
    known = [value for value in values if math.isfinite(value)]
    return (min(known), max(known)) if known else (0.0, 0.0)


def _joined(part: tuple[int, int], before: tuple[int, int] | None) -> range:
    """Return the levels that a column fills, joined with its neighbour."""
    bottom, top = part
    if before is not None:
        bottom, top = min(bottom, before[1] + 1), max(top, before[0] - 1)
    return range(bottom, top + 1)


def _marked(row: list[int], bad: set[int], first: bool, ascii: bool) -> str:
    marks = ["*" if dots and ascii else chr(0x2800 + dots) if dots else " " for dots in row]
    return "".join("!" if first and at in bad else mark for at, mark in enumerate(marks))


EIGHTHS, ASCII_EIGHTHS = "▁▂▃▄▅▆▇█", "_.-=+*%#"
AXIS = 7
"""Cells left of a plot, its axis not counted."""


def _blocks(ascii: bool) -> str:
    return ASCII_EIGHTHS if ascii else EIGHTHS


# -- in a line -----------------------------------------------------------------------------------


def bar(value: float, most: float, cells: int) -> str:
    """Return a bar of at most ``cells`` cells; what is there is never invisible.

    >>> bar(1, 4, 8), bar(0.001, 4, 8), bar(0, 4, 8)
    ('▇▇', '▇', '')
    """
    if not (value > 0 and most > 0):
        return ""
    return "▇" * max(1, min(cells, round(value / most * cells)))


def progress(done: int, total: int, cells: int, ascii: bool = False) -> str:
    """Return how far something is: full cells, then empty ones."""
    full = min(cells, cells * done // total)
    return "#" * full + "." * (cells - full) if ascii else "█" * full + "░" * (cells - full)


def histogram(counts: Sequence[int], ascii: bool = False) -> str:
    """Return the counts as columns, the tallest one full; only a count of 0 is empty.

    >>> histogram((8, 4, 1, 0))
    '█▄▁ '
    """
    blocks, top = " " + _blocks(ascii), max(counts, default=0)
    return "".join(blocks[-(-count * 8 // top)] if top else " " for count in counts)


def strip(values: Sequence[float], cells: int, ascii: bool = False) -> str:
    """Return the last ``cells`` values as columns of eighths, from zero on."""
    shown, blocks = list(values)[-cells:], _blocks(ascii)
    most = max(shown, default=0.0)
    return "".join(blocks[min(7, int(value / most * 8)) if most > 0 else 0] for value in shown)


def sparkline(history: Sequence[float | None], width: int, ascii: bool = False) -> str:
    """Return the last norms as a curve of their logarithm; '!' not finite, '·' none."""
    shown, blocks = history[-width:], _blocks(ascii)
    logs = [math.log10(x) for x in shown if x is not None and 0 < x < math.inf]
    low, high = _range(logs)
    decades = max(high - low, 1.0)  # less than one decade is no mountain
    middle = (low + high) / 2

    def block(value: float | None) -> str:
        if value is None:
            return "." if ascii else "·"
        if not math.isfinite(value):
            return "!"
        share = 0.5 + (math.log10(value) - middle) / decades if value > 0 else 0.0
        return blocks[min(7, max(0, int(share * 8)))]

    return "".join(map(block, shown))


# -- below one another ---------------------------------------------------------------------------


def bars(rows: Sequence[tuple[str, int]], width: int) -> list[Line]:
    """Return a bar for each count, as long as there is room."""
    most = max((count for _, count in rows), default=0)
    names = max((len(name) for name, _ in rows), default=0)
    cells = max(4, width - names - 2 - len(str(most)))
    drawn = ((name, bar(count, most, cells), count) for name, count in rows)
    return [
        Row([(f"{name.rjust(names)} ", "dim"), (full, "number"), (f" {count}", "dim")])
        for name, full, count in drawn
    ]


def decades(norms: Iterable[float | None], least: int = 1) -> tuple[int, int]:
    """Return the powers of ten between which all norms lie, at least so many apart."""
    logs = [math.log10(norm) for norm in norms if norm and 0 < norm < math.inf]
    low, high = (math.floor(min(logs)), math.ceil(max(logs))) if logs else (-1, 0)
    return min(low, high - least), high


def decade_rows(
    columns: Sequence[tuple[int, float | None, str, Role]], cells: int, height: int, least: int = 1
) -> list[Line]:
    """Return marks at (column, norm) on a logarithmic scale, each line with its power of ten.

    What is not finite stands in the first line, zero and nothing in the last.
    """
    low, high = decades((norm for _, norm, _, _ in columns), least)
    step = (high - low) / max(1, height - 1)
    grid: list[dict[int, tuple[str, Role]]] = [{} for _ in range(height)]
    for column, norm, mark, role in columns:
        grid[_decade_row(norm, high, step, height)][column] = mark, role
    labels = {round((high - power) / step): power for power in range(low, high + 1)}
    lines: list[Line] = []
    for at, marks in enumerate(grid):
        power = labels.get(at)
        label = "" if power is None else f"1e{power:+d}" if power else "1"
        line = Row([(ink.right(label, AXIS - 1) + (" ┤" if label else " │"), "dim")])
        end = 0
        for column, span in sorted(marks.items()):
            line += [(" " * (column - end), ""), span] if column > end else [span]
            end = column + 1
        lines.append(line)
    return lines


def _decade_row(norm: float | None, high: int, step: float, height: int) -> int:
    if not norm:
        return height - 1
    if not math.isfinite(norm):
        return 0
    return min(height - 1, max(0, round((high - math.log10(norm)) / step)))


def curve_rows(
    values: Sequence[float | None], name: str, role: Role, width: int, height: int, ascii: bool
) -> list[Line]:
    """Return one curve with the values of its edges; logarithmic where all are above zero."""
    known = [value for value in values if value is not None]
    low, high = _range(known)
    finite = low or high or 0.0 in known
    scaled = _logarithms(known)
    room = max(4, width - AXIS - 2)
    rows = curve(_stretched(scaled or [math.nan], room * (1 if ascii else 2)), room, height, ascii)
    edges = {0: number(high), height - 1: number(low)} if finite else {}
    if height > 2:
        edges.setdefault(height // 2, name)
    return [
        Row([(f"{edges.get(at, ''):>{AXIS + 1}}┤", "dim"), *ink.runs(row, {"!": "bad"}, role)])
        for at, row in enumerate(rows)
    ]


def _logarithms(values: list[float]) -> list[float]:
    """Return logarithms, where all that is finite is above zero; else the values."""
    if not all(value > 0 for value in values if math.isfinite(value)):
        return values
    return [math.log10(value) if 0 < value < math.inf else value for value in values]


def _stretched(values: Sequence[float], columns: int) -> list[float]:
    """Return few values stretched to the whole width, joined by straight lines."""
    count = len(values)
    if count >= columns or count < 2:
        return list(values) * (columns if count == 1 else 1)
    stretched = []
    for column in range(columns):
        place = column * (count - 1) / (columns - 1)
        low = min(int(place), count - 2)
        share = place - low
        if share in (0, 1):  # beside an infinity nothing is multiplied by zero
            stretched.append(values[low + int(share)])
        else:
            stretched.append(values[low] * (1 - share) + values[low + 1] * share)
    return stretched


APART = 12
"""Cells between two parameters in the picture by depth, at most."""
HEIGHT, WIDTH = 7, 72
"""Lines and cells of a plot where nobody says how many."""
KNOWN = 3
"""Known norms from which on a picture by depth tells anything."""


# -- by depth ------------------------------------------------------------------------------------


def depths(
    shown: Sequence[model.Depth], chosen: str, look: Look, height: int = HEIGHT
) -> list[Line]:
    """Return the norm of each parameter by its depth, the loss side at the left.

    Not finite is '!' at the top, exactly zero '0' and no gradient '·' at the bottom.
    """
    if sum(bool(each.norm) for each in shown) < KNOWN:
        return []
    title: Line = [("|g| by depth", "title"), ("  from the loss to the input", "dim")]
    return [title, *depth_plot(shown, chosen, look.width or WIDTH, height)]


def depth_plot(known: Sequence[model.Depth], chosen: str, width: int, height: int) -> list[Line]:
    """Return the plot alone; its last line says what the two ends are, and the chosen one."""
    cells = max(1, width - AXIS - 1)
    shown = _sampled(known, cells, chosen)
    if not shown:
        return []
    last = min(cells - 1, APART * (len(shown) - 1))
    places = [round(at * last / max(1, len(shown) - 1)) for at in range(len(shown))]
    pairs = zip(places, shown, strict=True)
    marks = [(place, each.norm, *_dot(each, chosen)) for place, each in pairs]
    lines = decade_rows(marks, cells, max(1, height - 1))
    at = next((at for at, each in enumerate(shown) if each.name == chosen), None)
    if height > 1:
        lines.append(_ends("" if at is None else chosen, places[at or 0], places[-1], width))
    return lines


def _sampled(known: Sequence[model.Depth], most: int, chosen: str) -> list[model.Depth]:
    """Return every so many of ``known``, and surely the chosen one."""
    if len(known) <= most:
        return list(known)
    places = {at * (len(known) - 1) // max(1, most - 1) for at in range(most)}
    here = next((at for at, each in enumerate(known) if each.name == chosen), None)
    if here is not None and here not in places:
        places.remove(min(places, key=lambda at: abs(at - here)))
        places.add(here)
    return [known[at] for at in sorted(places)]


def _dot(each: model.Depth, chosen: str) -> tuple[str, Role]:
    if each.norm is not None and not math.isfinite(each.norm):
        return "!", "bad"
    bad = each.verdict in PROBLEMS
    glyph = "·" if each.norm is None else "0" if each.norm == 0 else "×" if bad else "●"
    if each.name == chosen:
        return "◉" if glyph in "●×" else glyph, "here"
    return glyph, "bad" if bad else "number"


def _ends(chosen: str, column: int, last: int, width: int) -> Line:
    """Return the chosen one's name under its place, and what the two ends are."""
    lead, row = AXIS + 1, " " * width
    wanted = [(column, chosen)] if chosen else []
    for place, text in [*wanted, (0, "loss side"), (max(last - 9, 0), "input side")]:
        text = ink.clip(text, width - lead)
        first = max(lead, min(lead + place, width - len(text)))
        if not row[max(0, first - 1) : first + len(text) + 1].strip():
            row = row[:first] + text + row[first + len(text) :]
    return Row([(row.rstrip(), "dim")])


# -- over the backwards --------------------------------------------------------------------------


def curves(points: Sequence[model.HealthPoint], width: int, height: int, ascii: bool) -> list[Line]:
    """Return total norm and loss over the backwards, each on its own scale, '!' not finite."""
    if not points:
        return []
    losses = [point.loss for point in points]
    known = any(loss is not None for loss in losses)
    room = max(2, height - 1)
    upper = -(-room // 2) if known and room >= 4 else room
    totals = [point.total for point in points]
    lines = curve_rows(totals, "|g|", "number", width, upper, ascii)
    if known and upper < room:
        lines += curve_rows(losses, "loss", "leaf", width, room - upper, ascii)
    first, last = str(points[0].backward), str(points[-1].backward)
    gap = " " * max(1, width - AXIS - 2 - len(first) - len(last))
    return [*lines, Row([(f"{' ' * (AXIS + 1)}{first}{gap}{last}", "dim")])]


# -- in run order --------------------------------------------------------------------------------


def flow(norms: Sequence[float | None], first: int, width: int, height: int) -> list[Line]:
    """Return the norms of a backward so far; ``first`` numbers the first node."""
    room, rows = max(4, width - AXIS - 1), max(3, height - 2)
    shown = list(norms)[-room:]
    marks = [(at, norm, *_arrived(norm)) for at, norm in enumerate(shown) if norm is not None]
    last = first + len(shown) - 1
    axis = f"#{first} .. #{last} in run order" if shown else "no gradient yet"
    return [
        *decade_rows(marks, room, rows, least=3),
        Row([(" " * AXIS + "└" + "─" * room, "dim")]),
        Row([(" " * (AXIS + 1) + axis, "dim")]),
    ]


def _arrived(norm: float) -> tuple[str, Role]:
    if not math.isfinite(norm):
        return "!", "bad"
    return ("●", "number") if norm else ("0", "bad")
