"""Gradients along the way: norms by depth, by node in run order, and over the backwards."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradrepl import model
from gradrepl.draw import Look, ink
from gradrepl.draw.charts import AXIS, curve_rows, decade_rows
from gradrepl.draw.ink import Line, Role, Row
from gradrepl.model.health import PROBLEMS

APART = 12
"""Cells between two parameters in the picture by depth, at most."""
HEIGHT, WIDTH = 7, 72
"""Lines and cells of a plot where nobody says how many."""
LEAST = 3
"""Known norms from which on a picture by depth tells anything."""


# -- by depth ------------------------------------------------------------------------------------


def depths(
    shown: Sequence[model.Depth], chosen: str, look: Look, height: int = HEIGHT
) -> list[Line]:
    """Return the norm of each parameter by its depth, the loss side at the left.

    Not finite is '!' at the top, exactly zero '0' and no gradient '·' at the bottom.
    """
    if sum(bool(each.norm) for each in shown) < LEAST:
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
