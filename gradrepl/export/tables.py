"""JSON and CSV: graphs, passes and ops as data, a row at a time.

JSON has no NaN: figures that are not finite are the words "nan", "inf" and "-inf". A field that is
not known is null. Each node and each op is one line, so that a file can also be read by lines.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from typing import Any, TextIO

from gradrepl import __version__
from gradrepl.export.door import GRAPH, OPS, PASS, exporter
from gradrepl.export.records import Graph
from gradrepl.export.records import Ops as OpsRecord
from gradrepl.export.words import number
from gradrepl.model import NodeRow, OpRow

FORMAT = 1
"""Raised when a field changes its meaning; new fields do not raise it."""


def node_fields(node: NodeRow) -> dict[str, Any]:
    """Return a node as it stands in JSON.

    ``edges`` are ``next_functions``: {"to": id, "input": number}, or null where no gradient goes.
    """
    return {
        "id": node.id, "name": node.name, "label": node.label, "module": node.module,
        "leaf": node.leaf, "op": node.op, "op_name": node.op_name,
        "file": node.site.file if node.site else None,
        "line": node.site.line if node.site else None,
        "function": node.site.function if node.site else None,
        "source": node.site.text if node.site else None,
        "sequence": node.sequence, "shape": node.shape, "state": node.state,
        "order": node.order or None, "norm": number(node.norm), "begin": node.begin,
        "seconds": node.seconds, "thread": node.thread or None, "saved": node.saved,
        "problem": node.problem,
        "edges": [
            {"to": to, "input": number} if to else None
            for to, number in zip(node.to, node.inputs, strict=True)
        ],
    }  # fmt: skip


def op_fields(op: OpRow) -> dict[str, Any]:
    """Return an op as it stands in JSON."""
    first, end = op.sequence
    return {
        "id": op.id, "name": op.name, "module": op.module, "module_class": op.module_class,
        "file": op.site.file if op.site else None, "line": op.site.line if op.site else None,
        "function": op.site.function if op.site else None,
        "source": op.site.text if op.site else None,
        "shape": op.shape, "dtype": op.dtype, "mode": op.mode, "in_place": op.changed,
        "depth": op.depth, "begin": op.begin, "seconds": op.seconds,
        "sequence": [first, end] if end > first else None,
    }  # fmt: skip


def _write(file: TextIO, head: dict[str, Any], name: str, rows: Iterable[Any]) -> None:
    """Write an object whose last field is a list of rows, one a line."""
    begin = json.dumps({"gradrepl": __version__, "format": FORMAT, **head}, ensure_ascii=False)
    file.write(f"{begin[:-1]},\n{json.dumps(name)}: [")
    for place, row in enumerate(rows):
        file.write(",\n" if place else "\n")
        file.write(json.dumps(row, ensure_ascii=False, allow_nan=False))
    file.write("\n]}\n")


def _head(record: Graph, what: str) -> dict[str, Any]:
    about = record.about
    return {
        "what": what, "of": about.of, "root": about.root, "node_count": about.total,
        "edge_count": about.edges, "leaf_count": about.leaves, "outcome": about.outcome or None,
        "modules": dict(about.kinds),
    }  # fmt: skip


@exporter("json", of=GRAPH, suffix=".json", help="all that is known of every node, with its edges")
def graph_json(record: Graph, file: TextIO) -> None:
    """Write a graph as JSON."""
    _write(file, _head(record, "graph"), "nodes", map(node_fields, record.nodes))


@exporter("csv", of=PASS, suffix=".csv", help="one row for each node, in the order it ran")
def pass_csv(record: Graph, file: TextIO) -> None:
    """Write a pass as CSV."""
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(PASS_COLUMNS)
    for node in record.nodes:
        fields = node_fields(node)
        fields["shape"] = _shape(node.shape)
        lines.writerow("" if fields[name] is None else fields[name] for name in PASS_COLUMNS)


PASS_COLUMNS = (
    "order", "id", "name", "label", "module", "leaf", "state", "norm", "seconds", "shape", "op",
    "op_name", "file", "line", "function", "problem",
)  # fmt: skip


@exporter("json", of=PASS, suffix=".json", help="the same with edges, times and source")
def pass_json(record: Graph, file: TextIO) -> None:
    """Write a pass as JSON."""
    _write(file, _head(record, "pass"), "nodes", map(node_fields, record.nodes))


OP_COLUMNS = (
    "id", "name", "module", "module_class", "file", "line", "function", "shape", "dtype", "mode",
    "in_place", "depth", "begin", "seconds",
)  # fmt: skip


@exporter("csv", of=OPS, suffix=".csv", help="one row for each recorded op")
def ops_csv(record: OpsRecord, file: TextIO) -> None:
    """Write the ops as CSV."""
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(OP_COLUMNS)
    for op in record.ops:
        fields = op_fields(op)
        fields["shape"], fields["in_place"] = _shape(op.shape), "; ".join(op.changed)
        lines.writerow("" if fields[name] is None else fields[name] for name in OP_COLUMNS)


@exporter("json", of=OPS, suffix=".json", help="the same with source and sequence numbers")
def ops_json(record: OpsRecord, file: TextIO) -> None:
    """Write the ops as JSON."""
    head = {"what": "ops", "op_count": record.about.total, "first": record.about.first}
    _write(file, head, "ops", map(op_fields, record.ops))


def _shape(shape: tuple[int, ...] | None) -> str:
    """Return '64x10', '()' of a scalar, '' where it is not known."""
    if shape is None:
        return ""
    return "x".join(map(str, shape)) or "()"
