"""Images in the cells of a terminal: every client draws them from the same numbers.

An image is rows of brightness, 0..255. In half blocks a cell is two dots, one above the other; the
ramp has one character for them, for where there is no colour.
"""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[int]]
Run = tuple[str, tuple[int, int] | None]
"""Characters, and the brightness of their upper and lower half; None: in the text's own colour."""

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
