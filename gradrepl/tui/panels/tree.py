"""The modules of a model as a tree: what each keeps, and what is wrong with it."""

from __future__ import annotations

from gradrepl import model
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.model import ModuleRow, ParameterRow
from gradrepl.tui import figures

ROOM = 24
"""Lines up to which all parameters are listed; beyond, only those of the module we are in."""
BAD = ("nan", "inf")
GRADS = {"none": "no grad", "zero": "grad 0", "": ""}
"""States of a gradient, short enough for the narrow column."""


def draw_tree(found: model.Modules, here: str, width: int) -> list[Line]:
    """Return modules with their parameters; ``here`` is the path that we stand in."""
    size = sum(1 + len(row.parameters) for row in found.rows)
    lines: list[Line] = []
    for row in found.rows:
        lines.append(_module(row, here, width))
        if size <= ROOM or row.path == here:
            lines += [_parameter(each, row.depth, width) for each in row.parameters]
    more = found.total - len(found.rows)
    if more > 0:
        lines.append([(f"   and {more} more", "dim")])
    if found.missed_total:
        text = f" ! {found.missed_total} in no optimizer"
        lines.append(ink.fit([(text, "warn")], width))
    return lines


def _module(row: ModuleRow, here: str, width: int) -> Line:
    mark, role = {"ran": ("✓", "done"), "no op yet": ("·", "ahead")}.get(row.ran, (" ", ""))
    if row.path == here:
        mark, role = "●", "here"
    elif here.startswith(row.path + "."):
        mark, role = "▼", "here"
    left: Line = [
        (f" {mark} ", role), ("  " * row.depth, ""),
        span(row.name, "here" if row.path == here else "module"), span(f" {row.kind}", "dim"),
    ]  # fmt: skip
    if row.same_as:
        left.append(span(f" = {row.same_as}", "warn"))
    if not row.training:
        left.append((" eval", "warn"))
    right = [(f"{row.total:,}", "dim")] if row.total and not row.same_as else []
    return ink.between(left, right, width)


def _parameter(each: ParameterRow, depth: int, width: int) -> Line:
    left: Line = [("   " + "  " * (depth + 1), ""), span(each.name, "leaf"),
                  span(f" {figures.shape(each.shape)}", "dim")]  # fmt: skip
    if each.tied:
        left.append(span(f" = {each.tied[0]}", "warn"))
    if each.optimized == "no":
        left.append((" no optimizer", "warn"))
    if each.buffer:
        return ink.between(left, [("buffer", "dim")], width)
    if not each.requires_grad:
        return ink.between(left, [("frozen", "dim")], width)
    state = GRADS.get(each.grad, f"grad {each.grad}")
    return ink.between(left, [(state, "bad" if each.grad in BAD else "dim")], width)
