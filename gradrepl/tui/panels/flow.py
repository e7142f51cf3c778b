"""How large the gradients were on the way so far: log10 |g| over the nodes in run order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from gradrepl import model
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.tui import figures
from gradrepl.tui.panels.base import Paper

AXIS = 7
"""Cells left of the plot."""


def level(norm: float | None) -> float | None:
    """Return log10 of a norm, or None where it has none."""
    if norm is None or norm <= 0 or not math.isfinite(norm):
        return None
    return math.log10(norm)


def bounds(levels: Sequence[float], height: int) -> tuple[int, int]:
    """Return the lowest and highest power of ten, at least 3 apart."""
    low = math.floor(min(levels, default=-1))
    high = math.ceil(max(levels, default=0))
    if high - low < 3:
        low = high - 3
    return low, high


def draw(norms: Sequence[float | None], first: int, width: int, height: int) -> list[Line]:
    """Return a plot of ``norms``; ``first`` numbers the first node. A nan is marked '!'."""
    room, rows = max(4, width - AXIS - 1), max(3, height - 2)
    norms = list(norms)[-room:]
    levels = [level(norm) for norm in norms]
    low, high = bounds([value for value in levels if value is not None], rows)
    span_ = (high - low) / (rows - 1)
    cells = [[" "] * room for _ in range(rows)]
    for column, (norm, value) in enumerate(zip(norms, levels, strict=True)):
        if value is not None:
            cells[round((high - value) / span_)][column] = "●"
        elif norm is not None and norm != 0:
            cells[0][column] = "!"
        elif norm == 0:
            cells[-1][column] = "0"
    lines: list[Line] = []
    labels = {round((high - power) / span_): power for power in range(low, high + 1)}
    for row, marks in enumerate(cells):
        power = labels.get(row)
        label = "" if power is None else f"1e{power:+d}" if power else "1"
        lines.append([(ink.right(label, AXIS - 1) + " │", "dim"), *_marks("".join(marks))])
    lines.append([(" " * AXIS + "└" + "─" * room, "dim")])
    last = first + len(norms) - 1
    axis = f"#{first} .. #{last} in run order" if norms else "no gradient yet"
    lines.append([(" " * (AXIS + 1) + axis, "dim")])
    return lines


def _marks(text: str) -> Line:
    """Return the points, with the bad ones in their own role."""
    spans: Line = []
    for mark in text:
        role = "bad" if mark in "!0" else "number"
        if spans and spans[-1][1] == role:
            spans[-1] = (spans[-1][0] + mark, role)
        else:
            spans.append((mark, role))
    return spans


def draw_accumulated(leaves: Sequence[model.Accumulated], width: int) -> list[Line]:
    """Return the leaves that have their gradient."""
    if not leaves:
        return [[("no leaf has its gradient yet", "dim")]]
    lines: list[Line] = [[("accumulated", "title")]]
    for leaf in leaves:
        left = [
            ("◇ ", "leaf"),
            span(leaf.name, "leaf"),
            span(f" {figures.shape(leaf.shape)}", "dim"),
        ]
        lines.append(
            ink.between(left, [("|g| ", "dim"), (figures.norm(leaf.norm), "number")], width)
        )
    return lines


class Flow(Paper):
    """Gradient flow so far, and the leaves reached."""

    NAME: ClassVar[str] = "Flow"
    HELP: ClassVar[str] = (
        "The norm of the gradient that arrived at each node so far, on a logarithmic scale, the "
        "loss at the left. ● is a norm, ! is nan or inf, 0 is exactly zero. Below stand the "
        "leaves ◇ that have got their gradient."
    )

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.norms: list[float | None] = []
        self.first = 1
        self.leaves: tuple[model.Accumulated, ...] = ()

    def show(
        self, norms: list[float | None], first: int, leaves: tuple[model.Accumulated, ...]
    ) -> None:
        """Plot ``norms`` of the nodes from ``first``."""
        self.norms, self.first, self.leaves = norms, first, leaves
        self.resized()

    def end(self, leaves: tuple[model.Accumulated, ...]) -> None:
        """Show the leaves that a backward has reached at its end."""
        self.show(self.norms, self.first, leaves)

    def resized(self) -> None:
        """Draw for this size."""
        self.caption("Gradient flow so far", "log10 |g|")
        height = self.size.height
        leaves = draw_accumulated(self.leaves[-max(1, height - 9) :], self.room)
        plot = draw(self.norms, self.first, self.room, max(5, height - len(leaves) - 1))
        self.write([*plot, [], *leaves])
