"""The two long lists, of ops and of nodes: which columns there is room for, and their rows.

A list of any length draws only the rows that are seen, so its columns follow from its width alone.
Without a width they are as wide as what stands in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gradrepl.draw import ink
from gradrepl.draw.ink import Line, Row, Span
from gradrepl.draw.numbers import broken, dtype, number, shape
from gradrepl.draw.tables import table
from gradrepl.model import NodeRow, OpRow

# -- ops -----------------------------------------------------------------------------------------

OP_HEADS = ("", "#", "op", "out", "dtype", "module", "line")


class OpColumns(NamedTuple):
    """Cells of each column; 0: it is left out."""

    op: int
    out: int
    dtype: int
    module: int
    line: int


def op_columns(width: int, digits: int = 3) -> OpColumns:
    """Return what a list of ops has room for."""
    kind, line = (6 if width >= 60 else 0), (6 if width >= 52 else 0)
    rest = max(20, width - digits - 3 - kind - line)
    op, out = max(8, rest * 34 // 100), max(9, rest * 34 // 100)
    op, out = min(op, 24), min(out, 20)
    return OpColumns(op, out, kind, max(4, rest - op - out), line)


def op_head(width: int, digits: int = 3) -> Line:
    """Return the titles of the columns."""
    at = op_columns(width, digits)
    text = f" {ink.right('#', digits + 1)} {ink.pad('op', at.op)}{ink.pad('out', at.out)}"
    text += ink.pad("dtype", at.dtype) + ink.pad("module", at.module) + ink.right("line", at.line)
    return Row([(text, "title")])


def op_row(row: OpRow, here: bool, when: str, width: int, digits: int = 3) -> Line:
    """Return one op; ``when`` is 'before' while the op here has not run."""
    at, ahead = op_columns(width, digits), here and when == "before"
    out = shape(row.shape) or "-"
    if len(out) >= at.out:
        out = out.replace(", ", ",")
    if ahead:
        out = "about to run" if at.out > 12 else "next"
    where = f"{row.module} {row.note}".strip()
    if ink.cell_len(where) >= at.module:
        where = row.module or row.note
    return Row([
        ("●", "here") if here else ("✓", "done"),
        (ink.right(str(row.id), digits + 1) + " ", "dim"),
        (ink.pad(ink.clip(_op_name(row), at.op - 1), at.op), "here" if here else "name"),
        (ink.pad(ink.clip(out, at.out - 1), at.out), "dim" if ahead else ""),
        (ink.pad(dtype(row.dtype), at.dtype), "dim"),
        (ink.pad(ink.tail(where, at.module - 1), at.module), _note_role(row)),
        (ink.right(str(row.line or ""), at.line), "dim"),
    ])  # fmt: skip


def _op_name(row: OpRow) -> str:
    return "  " * row.depth + row.name


def _note_role(row: OpRow) -> str:
    return "bad" if "!" in row.note else "module"


def op_table(rows: Sequence[OpRow], width: int | None, plain: bool = False) -> list[Line]:
    """Return ops with the titles of their columns."""
    if width is not None:
        digits = max(3, *(len(str(row.id)) for row in rows), 3)
        drawn = (op_row(row, False, "after", width, digits) for row in rows)
        return [op_head(width, digits), *drawn]
    cells = [
        (("" if plain else "✓", "done"), (f"%{row.id}", "dim"), (_op_name(row), "name"),
         shape(row.shape), (dtype(row.dtype), "dim"),
         (f"{row.module} {row.note}".strip(), _note_role(row)),
         (f"line {row.line}" if row.line else "", "dim"))
        for row in rows
    ]  # fmt: skip
    return table(cells, lead="")


# -- nodes ---------------------------------------------------------------------------------------

MARKS: dict[str, Span] = {
    "done": ("✓", "done"), "here": ("●", "here"), "predicted": ("·", "ahead"),
    "skipped": ("-", "dim"),
}  # fmt: skip


class NodeColumns(NamedTuple):
    """Cells of each column; in a narrow list ``label`` is 0: it shares a column with the name."""

    lanes: int
    name: int
    label: int
    shape: int


NORM = 8
"""Cells of a norm at the right edge."""


def node_columns(width: int, lanes: int, digits: int = 3) -> NodeColumns:
    """Return what a list of nodes has room for."""
    graph = min(max(lanes, 5), max(5, width * 3 // 10)) + 1
    rest = max(12, width - digits - 3 - graph - NORM)
    if width < 64:
        return NodeColumns(graph, rest, 0, 0)
    rest -= 1  # a cell of air at the edge
    size = 15
    name = max(min(rest - size - 8, 24), min(rest - size - 18, 38))
    return NodeColumns(graph, name, min(rest - size - name, 30), size)


def node_head(width: int, lanes: int, digits: int = 3) -> Line:
    """Return the titles of the columns."""
    at = node_columns(width, lanes, digits)
    text = f" {ink.right('#', digits + 1)} {ink.pad('lanes', at.lanes)}{ink.pad('node', at.name)}"
    text += ink.pad("of", at.label) + ink.pad("grad", at.shape)
    return Row([(text + ink.right("|grad|", NORM), "title")])


def graph_spans(lanes: str, cells: int, here: bool = False) -> Line:
    """Return the lanes with leaves and the current node in their own roles."""
    roles = {"◉": "here", "◇": "here" if here else "leaf", "○": "name"}
    return ink.runs(ink.pad(lanes.replace("○", "◉") if here else lanes, cells), roles, "dim")


def _names(row: NodeRow, name: int, label: int) -> Line:
    """Return node and label; in one column a leaf's name comes first."""
    ahead, leaf = row.state in ("predicted", "skipped"), row.name == "AccumulateGrad"
    role = {"here": "here"}.get(row.state, "ahead" if ahead else "dim" if leaf else "name")
    of = "ahead" if ahead else "leaf" if leaf else "module"
    if label:
        return [(ink.pad(ink.clip(row.name, name - 1), name), role),
                (ink.pad(ink.tail(row.label, label - 1), label), of)]  # fmt: skip
    short = ink.tail(row.label, max(0, name - 1 - (0 if leaf else len(row.name) + 1)))
    parts: Line = [ink.span(row.name, role), ink.span(f" {short}", of)]
    if leaf and row.label:
        parts = [ink.span(short, of), ink.span(f" {row.name}", role)]
    parts = ink.fit(parts, name - 1)
    return [*parts, (" " * (name - ink.width(parts)), "")]


def _mark(row: NodeRow) -> Span:
    if row.breakpoint and row.state != "here":
        return "◆", "bad"
    return MARKS.get(row.state, (" ", ""))


def _norm(row: NodeRow) -> Span:
    role = "dim" if row.state in ("predicted", "skipped") else "number"
    return (f"{number(row.norm)} !", "bad") if broken(row.norm) else (number(row.norm), role)


def node_row(row: NodeRow, width: int, lanes: int, digits: int = 3) -> Line:
    """Return one node."""
    at = node_columns(width, lanes, digits)
    norm, role = _norm(row)
    quiet = "ahead" if row.state in ("predicted", "skipped") else "dim"
    return Row([
        _mark(row),
        (ink.right(str(row.id), digits + 1) + " ", "dim"),
        *graph_spans(row.lanes, at.lanes, row.state == "here"),
        *_names(row, at.name, at.label),
        (ink.pad(shape(row.shape) or "-", at.shape), quiet),
        (ink.right(norm, NORM), role),
    ])  # fmt: skip


def node_table(rows: Sequence[NodeRow], width: int | None, plain: bool = False) -> list[Line]:
    """Return nodes with the titles of their columns."""
    if width is not None:
        lanes = max((len(row.lanes.rstrip()) for row in rows), default=5)
        digits = max(3, *(len(str(row.id)) for row in rows), 3)
        drawn = (node_row(row, width, lanes, digits) for row in rows)
        return [node_head(width, lanes, digits), *drawn]
    cells = [
        ("" if plain else _mark(row), (f"#{row.id}", "dim"), (row.lanes, "dim"),
         (row.name, "name"), (row.label, "module"), (shape(row.shape), "dim"),
         ("" if row.norm is None else f"|g| {_norm(row)[0]}", _norm(row)[1]),
         row.state if plain else "")
        for row in rows
    ]  # fmt: skip
    return table(cells, lead="")
