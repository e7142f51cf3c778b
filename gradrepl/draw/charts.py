"""Bars, curves, pictures: norms by depth, by node in run order, over the backwards; images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gradrepl import model
from gradrepl.draw import Look, ink
from gradrepl.draw.ink import Line, Role, Row
from gradrepl.draw.numbers import number
from gradrepl.model.health import PROBLEMS

Rows = Sequence[Sequence[int]]
Run = tuple[str, tuple[int, int] | None]
"""Characters, and the brightness of their upper and lower half; None: in the text's own colour."""

HALF = "▀"
RAMP = " .:-=+*#%@"
LEAST = 4
"""Cells in which nothing can be recognised any more."""
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Of a braille cell, by row and column."""


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


def halves(rows: Rows) -> list[list[Run]]:
    """Return two rows of dots a line, dots alike side by side as one run."""
    lines: list[list[Run]] = []
    for at in range(0, len(rows), 2):
        upper = rows[at]
        lower = rows[at + 1] if at + 1 < len(rows) else None
        runs: list[Run] = []
        for column, above in enumerate(upper):
            pair = above, above if lower is None else lower[column]
            if runs and runs[-1][1] == pair:
                runs[-1] = runs[-1][0] + HALF, pair
            else:
                runs.append((HALF, pair))
        lines.append(runs)
    return lines


def ramp(rows: Rows) -> list[str]:
    """Return two rows of dots a line, as characters that are darker or lighter."""
    lines = []
    for at in range(0, len(rows), 2):
        lower = rows[at + 1] if at + 1 < len(rows) else rows[at]
        mean = [(above + below) // 2 for above, below in zip(rows[at], lower, strict=True)]
        lines.append("".join(RAMP[value * (len(RAMP) - 1) // 255] for value in mean))
    return lines


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
    fine = 1 if ascii else 2
    steps = (1 if ascii else 4) * height - 1
    known = [value for value in values if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    size = high - low
    found = levels(values, width * fine)
    cells = [[0] * -(-len(found) // fine) for _ in range(height)]
    bad: set[int] = set()
    before: tuple[int, int] | None = None
    for column, part in enumerate(found):
        if part is None:
            bad.add(column // fine)
            before = None
            continue
        share = [(end - low) / size if 0 < size < math.inf else 0.5 for end in part]
        bottom, top = ends = round(share[0] * steps), round(share[1] * steps)
        if before is not None:  # join it with its neighbour
            bottom, top = min(bottom, before[1] + 1), max(top, before[0] - 1)
        before = ends
        for level in range(bottom, top + 1):
            line, dot = divmod(steps - level, 1 if ascii else 4)
            cells[line][column // fine] |= 1 if ascii else _DOTS[dot][column % fine]
    return [_marked(row, bad, line == 0, ascii) for line, row in enumerate(cells)]


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


def depth_plot(
    known: Sequence[model.Depth], chosen: str, width: int, height: int
) -> list[Line]:  # fmt: skip
    """Return the plot alone; its last line says what the two ends are, and the chosen one."""
    cells = max(1, width - AXIS - 1)
    shown = _sampled(known, cells, chosen)
    if not shown:
        return []
    last = min(cells - 1, APART * (len(shown) - 1))
    places = [round(at * last / max(1, len(shown) - 1)) for at in range(len(shown))]
    marks = [
        (place, each.norm, *_dot(each, chosen))
        for each, place in zip(shown, places, strict=True)
    ]  # fmt: skip
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
