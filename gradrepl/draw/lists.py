"""The two long lists, of ops and of nodes: which columns there is room for, and their rows."""

from __future__ import annotations

from collections.abc import Sequence

from gradrepl.draw import ink
from gradrepl.draw.ink import Line, Span
from gradrepl.draw.numbers import broken, dtype, number, shape
from gradrepl.draw.tables import Column, column_heads, in_columns, table
from gradrepl.model import NodeRow, OpRow


def _first(digits: int) -> tuple[Column, Column]:
    """Return the columns of a row's mark and its number."""
    return Column("", 1), Column("# ", digits + 2, right=True)


def _digits(rows: Sequence[OpRow] | Sequence[NodeRow]) -> int:
    return max(3, *(len(str(row.id)) for row in rows), 3)


# -- ops -----------------------------------------------------------------------------------------


def op_columns(width: int, digits: int = 3) -> list[Column]:
    """Return what a list of ops has room for."""
    kind, line = (6 if width >= 60 else 0), (6 if width >= 52 else 0)
    rest = max(20, width - digits - 3 - kind - line)
    op, out = min(max(8, rest * 34 // 100), 24), min(max(9, rest * 34 // 100), 20)
    return [
        *_first(digits),
        Column("op", op, gap=1),
        Column("out", out, gap=1),
        Column("dtype", kind),
        Column("module", max(4, rest - op - out)),
        Column("line", line, right=True),
    ]


def op_head(width: int, digits: int = 3) -> Line:
    """Return the titles of the columns."""
    return column_heads(op_columns(width, digits))


def op_row(row: OpRow, here: bool, when: str, width: int, digits: int = 3) -> Line:
    """Return one op; ``when`` is 'before' while the op here has not run."""
    columns = op_columns(width, digits)
    out, room = columns[3].cells, columns[5].cells
    where = _where(row)
    if ink.cell_len(where) >= room:
        where = row.module or row.note
    cells: list[Span | Line] = [
        ("●", "here") if here else ("✓", "done"),
        (f"{row.id} ", "dim"),
        (_op_name(row), "here" if here else "name"),
        _out(row, out),
        (dtype(row.dtype), "dim"),
        (ink.tail(where, room - 1), _note_role(row)),
        (str(row.line or ""), "dim"),
    ]
    if here and when == "before":
        cells[3] = "about to run" if out > 12 else "next", "dim"
    return in_columns(cells, columns)


def _out(row: OpRow, room: int) -> Span:
    out = shape(row.shape) or "-"
    return out if len(out) < room else out.replace(", ", ","), ""


def _op_name(row: OpRow) -> str:
    return "  " * row.depth + row.name


def _where(row: OpRow) -> str:
    return f"{row.module} {row.note}".strip()


def _note_role(row: OpRow) -> str:
    return "bad" if "!" in row.note else "module"


def op_table(rows: Sequence[OpRow], width: int | None, plain: bool = False) -> list[Line]:
    """Return ops with the titles of their columns."""
    if width is not None:
        digits = _digits(rows)
        drawn = (op_row(row, False, "after", width, digits) for row in rows)
        return [op_head(width, digits), *drawn]
    several = len({row.site.file for row in rows if row.site is not None}) > 1
    cells = [
        (
            "" if plain else ("✓", "done"),
            (f"%{row.id}", "dim"),
            (_op_name(row), "name"),
            shape(row.shape),
            (dtype(row.dtype), "dim"),
            (_where(row), _note_role(row)),
            (_line(row, several), "dim"),
        )
        for row in rows
    ]
    return table(cells, lead="")


def _line(row: OpRow, several: bool) -> str:
    """Return the line of an op; with its file where the rows are of several."""
    if row.site is None or not row.line:
        return ""
    return row.site.place if several else f"line {row.line}"


# -- nodes ---------------------------------------------------------------------------------------

MARKS: dict[str, Span] = {
    "done": ("✓", "done"),
    "here": ("●", "here"),
    "predicted": ("·", "ahead"),
    "skipped": ("-", "dim"),
}
NORM = 8
"""Cells of a norm at the right edge."""


def node_columns(width: int, lanes: int, digits: int = 3) -> list[Column]:
    """Return what a list of nodes has room for; in a narrow one the name has the label, too."""
    graph = min(max(lanes, 5), max(5, width * 3 // 10)) + 1
    rest = max(12, width - digits - 3 - graph - NORM)
    name, label, size = rest, 0, 0
    if width >= 64:
        rest, size = rest - 1, 15  # a cell of air at the edge
        name = max(min(rest - size - 8, 24), min(rest - size - 18, 38))
        label = min(rest - size - name, 30)
    return [
        *_first(digits),
        Column("lanes", graph),
        Column("node", name, gap=1),
        Column("of", label, gap=1),
        Column("grad", size),
        Column("|grad|", NORM, right=True),
    ]


def node_head(width: int, lanes: int, digits: int = 3) -> Line:
    """Return the titles of the columns."""
    return column_heads(node_columns(width, lanes, digits))


def _lanes(lanes: str, cells: int, here: bool) -> Line:
    """Return the lanes with leaves and the current node in their own roles."""
    roles = {"◉": "here", "◇": "here" if here else "leaf", "○": "name"}
    return ink.runs(ink.pad(lanes.replace("○", "◉") if here else lanes, cells), roles, "dim")


def _names(row: NodeRow, name: int, label: int) -> tuple[Span | Line, Span]:
    """Return node and label; in one column a leaf's name comes first."""
    ahead, leaf = row.state in ("predicted", "skipped"), row.name == "AccumulateGrad"
    role = {"here": "here"}.get(row.state, "ahead" if ahead else "dim" if leaf else "name")
    of = "ahead" if ahead else "leaf" if leaf else "module"
    if label:
        return (row.name, role), (ink.tail(row.label, label - 1), of)
    short = ink.tail(row.label, max(0, name - 1 - (0 if leaf else len(row.name) + 1)))
    if leaf and row.label:
        return [ink.span(short, of), ink.span(f" {row.name}", role)], ("", "")
    return [ink.span(row.name, role), ink.span(f" {short}", of)], ("", "")


def _mark(row: NodeRow) -> Span:
    if row.breakpoint and row.state != "here":
        return "◆", "bad"
    return MARKS.get(row.state, (" ", ""))


def _norm(row: NodeRow) -> Span:
    role = "dim" if row.state in ("predicted", "skipped") else "number"
    return (f"{number(row.norm)} !", "bad") if broken(row.norm) else (number(row.norm), role)


def node_row(row: NodeRow, width: int, lanes: int, digits: int = 3) -> Line:
    """Return one node."""
    columns = node_columns(width, lanes, digits)
    graph, name, label = (each.cells for each in columns[2:5])
    cells: list[Span | Line] = [
        _mark(row),
        (f"{row.id} ", "dim"),
        _lanes(row.lanes, graph, row.state == "here"),
        *_names(row, name, label),
        (shape(row.shape) or "-", "ahead" if row.state in ("predicted", "skipped") else "dim"),
        _norm(row),
    ]
    return in_columns(cells, columns)


def node_table(rows: Sequence[NodeRow], width: int | None, plain: bool = False) -> list[Line]:
    """Return nodes with the titles of their columns."""
    if width is not None:
        lanes = max((len(row.lanes.rstrip()) for row in rows), default=5)
        digits = _digits(rows)
        drawn = (node_row(row, width, lanes, digits) for row in rows)
        return [node_head(width, lanes, digits), *drawn]
    cells = [
        (
            "" if plain else _mark(row),
            (f"#{row.id}", "dim"),
            (row.lanes, "dim"),
            (row.name, "name"),
            (row.label, "module"),
            (shape(row.shape), "dim"),
            ("" if row.norm is None else f"|g| {_norm(row)[0]}", _norm(row)[1]),
            row.state if plain else "",
        )
        for row in rows
    ]
    return table(cells, lead="")
