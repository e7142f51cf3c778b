"""Watches and traces for a notebook: plain HTML, without a script, for dark and light pages.

No colour of the page's is replaced: text and lines take theirs, and what is wrong stands out by
its weight and a word, too. Everything of the user's is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from gradrepl import model
from gradrepl.draw import ink
from gradrepl.draw.charts import sparkline
from gradrepl.draw.health import foot
from gradrepl.draw.numbers import number
from gradrepl.draw.running import in_a_line
from gradrepl.model.running import NodeRow, OpRow, Shape, TracedPass

if TYPE_CHECKING:
    from gradrepl.traced import Trace

ROWS = 200
"""Rows of one table that are shown; a notebook is stored with all of them."""
LOOKS = 24
"""Norms in a sparkline."""
STYLE = """\
<style>
.gradrepl {font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 12px;
  color: inherit; line-height: 1.4}
.gradrepl table {border-collapse: collapse; font: inherit; color: inherit; background: none;
  margin: 2px 0}
.gradrepl tr, .gradrepl td, .gradrepl th {background: none; color: inherit; text-align: left;
  border: 0; padding: 1px 10px 1px 0; white-space: pre; vertical-align: top}
.gradrepl th {border-bottom: 1px solid rgba(128, 128, 128, .6); font-weight: normal; opacity: .75}
.gradrepl td.n {text-align: right}
.gradrepl tr.bad td {font-weight: bold}
.gradrepl td.word {border-left: 3px solid transparent; padding-left: 6px}
.gradrepl tr.bad td.word {border-left-color: #d9534f}
.gradrepl details {margin-left: 12px}
.gradrepl summary {cursor: pointer}
.gradrepl .dim {opacity: .75}
</style>"""


# -- a watched model ---------------------------------------------------------------------------


def health(record: model.Health) -> str:
    """Return the table of a watched model's parameters."""
    heads = ("parameter", "shape", "|g|", "|g|/|w|", "update/weight", "zero", "steps", "verdict")
    rows = [_health_row(row) for row in record.rows[:ROWS]]
    more = _more(len(record.rows), "parameters")
    below = "<br>".join(_text(ink.plain(line)) for line in foot(record))
    return _box(_table(heads, rows), more, f'<div class="dim">{below}</div>')


def _health_row(row: model.HealthRow) -> str:
    zero = "-" if row.zeros is None else f"{row.zeros / max(1, row.numel):.0%}"
    also = f" = {', '.join(row.also)}" if row.also else ""
    cells = [
        _cell(row.name + also),
        _cell(_shape(row.shape)),
        _cell(number(row.norm), "n"),
        _cell(number(row.ratio), "n"),
        _cell(number(row.update), "n"),
        _cell(zero, "n"),
        _cell(sparkline(row.history, LOOKS)),
        _cell(row.label or row.verdict, "word", row.why),
    ]
    return _row(cells, row.verdict in model.PROBLEMS)


# -- a trace -----------------------------------------------------------------------------------


def trace(found: Trace) -> str:
    """Return a trace: its ops in a tree of modules, and each backward with its nodes."""
    ops = found.ops
    parts = [f"<div>trace: {_text(found.summary)}</div>"]
    if ops:
        parts.append(_details("forward", f"{len(ops):,} ops", _tree(ops[:ROWS]), shown=True))
        parts.append(_more(len(ops), "ops"))
    passes = found.passes
    for each in passes[:ROWS]:
        parts.append(_details("", in_a_line(each), _nodes(each), shown=each is passes[-1]))
    parts.append(_more(len(passes), "passes"))
    return _box(*parts)


def _tree(ops: Sequence[OpRow], depth: int = 0) -> str:
    """Return ops in the order in which they ran, those of one module folded under its name."""
    parts: list[str] = []
    for name, run in _runs(ops, depth):
        if not name:
            parts.append(_table((), map(_op_row, run)))
            continue
        kinds = {op.module_class for op in run if op.module.count(".") == depth}
        kind = next(iter(kinds)) if len(kinds) == 1 else ""
        title = " ".join(filter(None, (kind, f"{len(run)} op{'s' * (len(run) != 1)}")))
        parts.append(_details(name, title, _tree(run, depth + 1), shown=depth == 0))
    return "".join(parts)


def _runs(ops: Iterable[OpRow], depth: int) -> Iterator[tuple[str, list[OpRow]]]:
    """Yield ops that follow each other in one child of the module we are in; '' for its own."""
    current: list[OpRow] = []
    name = ""
    for op in ops:
        path = op.module.split(".")[: depth + 1] if op.module else []
        here = ".".join(path) if len(path) > depth else ""
        if current and here != name:
            yield name, current
            current = []
        name = here
        current.append(op)
    if current:
        yield name, current


def _op_row(op: OpRow) -> str:
    went = ", ".join(map(_shape, op.inputs))
    came = ", ".join(map(_shape, op.outputs))
    note = ", ".join(filter(None, (op.mode, *op.changed)))
    place = op.site.place if op.site else ""
    cells = [
        _cell(f"%{op.id}", "n"),
        _cell("  " * op.depth + op.name),
        _cell(f"{went} → {came}"),
        _cell(op.dtype),
        _cell(place, "", op.site.text if op.site else ""),
        _cell(note),
    ]
    return _row(cells)


def _nodes(each: TracedPass) -> str:
    heads = ("", "node", "", "|g|", "shape", "made by", "to")
    rows = [_node_row(node) for node in each.nodes[:ROWS]]
    return _table(heads, rows) + _more(len(each.nodes), "nodes")


def _node_row(node: NodeRow) -> str:
    norm = number(node.norm) if node.ran else "did not run"
    made = f"%{node.op} " if node.op is not None else ""
    to = " ".join(f"#{each}" for each in node.to)
    cells = [
        _cell(f"#{node.id}", "n"),
        _cell(node.name),
        _cell(node.label or node.module),
        _cell(norm, "n word"),
        _cell("" if node.shape is None else _shape(node.shape)),
        _cell(made + (node.site.place if node.site else "")),
        _cell(to),
    ]
    return _row(cells, node.norm is not None and node.norm - node.norm != 0.0)


# -- pieces ------------------------------------------------------------------------------------


def _box(*parts: str) -> str:
    return f'<div class="gradrepl">{STYLE}{"".join(parts)}</div>'


def _details(name: str, about: str, body: str, *, shown: bool) -> str:
    title = f"<b>{_text(name)}</b> " if name else ""
    summary = f'<summary>{title}<span class="dim">{_text(about)}</span></summary>'
    mark = " open" if shown else ""
    return f"<details{mark}>{summary}{body}</details>"


def _table(heads: Sequence[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th>{_text(each)}</th>" for each in heads)
    top = f"<thead><tr>{head}</tr></thead>" if heads else ""
    return f"<table>{top}<tbody>{''.join(rows)}</tbody></table>"


def _row(cells: Iterable[str], bad: bool = False) -> str:
    mark = ' class="bad"' if bad else ""
    return f"<tr{mark}>{''.join(cells)}</tr>"


def _cell(text: str, kind: str = "", title: str = "") -> str:
    marks = (f' class="{kind}"' if kind else "") + (f' title="{_text(title)}"' if title else "")
    return f"<td{marks}>{_text(text)}</td>"


def _more(total: int, what: str) -> str:
    if total <= ROWS:
        return ""
    return f'<div class="dim">the first {ROWS} of {total:,} {what}</div>'


def _text(value: Any) -> str:
    return escape(str(value))


def _shape(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "scalar"
