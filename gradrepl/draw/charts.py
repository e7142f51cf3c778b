"""Bars, histograms, sparklines, and plots with an axis of powers of ten."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gradrepl.draw import ink
from gradrepl.draw.ink import Line, Role, Row
from gradrepl.draw.numbers import number
from gradrepl.draw.pictures import curve

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


def spark(values: Sequence[float], ascii: bool = False) -> str:
    """Return values as columns between the least and the most of them; '!' not finite."""
    blocks, finite = _blocks(ascii), [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    scale = 7 / (high - low) if high > low else 0.0
    return "".join(blocks[int((v - low) * scale)] if math.isfinite(v) else "!" for v in values)


def sparkline(history: Sequence[float | None], width: int, ascii: bool = False) -> str:
    """Return the last norms as a curve of their logarithm; '!' not finite, '·' none."""
    shown, blocks = history[-width:], _blocks(ascii)
    logs = [math.log10(x) for x in shown if x is not None and 0 < x < math.inf]
    low, high = (min(logs), max(logs)) if logs else (0.0, 0.0)
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


def bars(rows: Iterable[tuple[str, int]], width: int) -> list[Line]:
    """Return a bar for each count, as long as there is room."""
    rows = list(rows)
    most = max((count for _, count in rows), default=0)
    names = max((len(name) for name, _ in rows), default=0)
    cells = max(4, width - names - 2 - len(str(most)))
    return [
        Row([(f"{name.rjust(names)} ", "dim"), (bar(count, most, cells), "number"),
             (f" {count}", "dim")])
        for name, count in rows
    ]  # fmt: skip


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
        row = height - 1
        if norm is not None and not math.isfinite(norm):
            row = 0
        elif norm:
            row = min(height - 1, max(0, round((high - math.log10(norm)) / step)))
        grid[row][column] = mark, role
    labels = {round((high - power) / step): power for power in range(low, high + 1)}
    lines: list[Line] = []
    for at, marks in enumerate(grid):
        power = labels.get(at)
        label = "" if power is None else f"1e{power:+d}" if power else "1"
        line = Row([(ink.right(label, AXIS - 1) + (" ┤" if label else " │"), "dim")])
        end = 0
        for column, mark in sorted(marks.items()):
            line += [(" " * (column - end), ""), mark] if column > end else [mark]
            end = column + 1
        lines.append(line)
    return lines


def curve_rows(
    values: Sequence[float | None], name: str, role: Role, width: int, height: int, ascii: bool
) -> list[Line]:
    """Return one curve with the values of its edges; logarithmic where all are above zero."""
    known = [value for value in values if value is not None]
    finite = [value for value in known if math.isfinite(value)]
    logarithmic = all(value > 0 for value in finite)
    scaled = [math.log10(v) if logarithmic and 0 < v < math.inf else v for v in known]
    room = max(4, width - AXIS - 2)
    rows = curve(_stretched(scaled or [math.nan], room * (1 if ascii else 2)), room, height, ascii)
    edges = {0: number(max(finite)), height - 1: number(min(finite))} if finite else {}
    if height > 2:
        edges.setdefault(height // 2, name)
    return [
        Row([(f"{edges.get(at, ''):>{AXIS + 1}}┤", "dim"), *ink.runs(row, {"!": "bad"}, role)])
        for at, row in enumerate(rows)
    ]


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
