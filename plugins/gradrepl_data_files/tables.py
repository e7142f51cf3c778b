"""JSON and CSV: graphs, passes and ops as data, a row at a time.

JSON has no NaN: figures that are not finite are the words "nan", "inf" and "-inf". A field that is
not known is null. Each node and each op is one line, so that a file can also be read by lines.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from typing import Any, TextIO

import gradrepl
from gradrepl.export import GRAPH, OPS, PASS, exporter
from gradrepl.export.files import Graph
from gradrepl.export.files import Ops as OpsRecord
from gradrepl.model import NodeRow, OpRow, Site
from gradrepl_drawings.words import finite

FORMAT = 1
"""Raised when a field changes its meaning; new fields do not raise it."""
PASS_COLUMNS = (
    "order id name label module leaf state norm seconds shape op op_name file line function problem"
)
OP_COLUMNS = (
    "id name module module_class file line function shape dtype mode in_place depth begin seconds"
)


def _site(site: Site | None) -> dict[str, Any]:
    if site is None:
        return dict.fromkeys(("file", "line", "function", "source"))
    return {"file": site.file, "line": site.line, "function": site.function, "source": site.text}


def node_fields(node: NodeRow) -> dict[str, Any]:
    """Return a node as it stands in JSON.

    ``edges`` are ``next_functions``: {"to": id, "input": number}, or null where no gradient goes.
    """
    edges = zip(node.to, node.inputs, strict=True)
    return {
        "id": node.id,
        "name": node.name,
        "label": node.label,
        "module": node.module,
        "leaf": node.leaf,
        "op": node.op,
        "op_name": node.op_name,
        **_site(node.site),
        "sequence": node.sequence,
        "shape": node.shape,
        "state": node.state,
        "order": node.order or None,
        "norm": finite(node.norm),
        "begin": node.begin,
        "seconds": node.seconds,
        "thread": node.thread or None,
        "saved": node.saved,
        "problem": node.problem,
        "edges": [{"to": to, "input": place} if to else None for to, place in edges],
    }


def op_fields(op: OpRow) -> dict[str, Any]:
    """Return an op as it stands in JSON."""
    first, end = op.sequence
    return {
        "id": op.id,
        "name": op.name,
        "module": op.module,
        "module_class": op.module_class,
        **_site(op.site),
        "shape": op.shape,
        "dtype": op.dtype,
        "mode": op.mode,
        "in_place": op.changed,
        "depth": op.depth,
        "begin": op.begin,
        "seconds": op.seconds,
        "sequence": [first, end] if end > first else None,
    }


def _json(file: TextIO, head: dict[str, Any], name: str, rows: Iterable[Any]) -> None:
    """Write an object whose last field is a list of rows, one a line."""
    head = {"gradrepl": gradrepl.__version__, "format": FORMAT, **head}
    file.write(f"{json.dumps(head, ensure_ascii=False)[:-1]},\n{json.dumps(name)}: [")
    for place, row in enumerate(rows):
        file.write(",\n" if place else "\n")
        file.write(json.dumps(row, ensure_ascii=False, allow_nan=False))
    file.write("\n]}\n")


def _csv(file: TextIO, columns: str, rows: Iterable[dict[str, Any]]) -> None:
    writer = csv.DictWriter(file, columns.split(), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _shape(shape: tuple[int, ...] | None) -> str:
    """Return '64x10', '()' of a scalar, '' where it is not known."""
    return "" if shape is None else "x".join(map(str, shape)) or "()"


def _nodes(record: Graph, what: str, file: TextIO) -> None:
    about = record.about
    head = {
        "what": what,
        "of": about.of,
        "root": about.root,
        "node_count": about.total,
        "edge_count": about.edges,
        "leaf_count": about.leaves,
        "outcome": about.outcome or None,
        "modules": dict(about.kinds),
    }
    _json(file, head, "nodes", map(node_fields, record.nodes))


@exporter("json", of=GRAPH, suffix=".json", help="all that is known of every node, with its edges")
def graph_json(record: Graph, file: TextIO) -> None:
    """Write a graph as JSON."""
    _nodes(record, "graph", file)


@exporter("csv", of=PASS, suffix=".csv", help="one row for each node, in the order it ran")
def pass_csv(record: Graph, file: TextIO) -> None:
    """Write a pass as CSV."""
    rows = ({**node_fields(node), "shape": _shape(node.shape)} for node in record.nodes)
    _csv(file, PASS_COLUMNS, rows)


@exporter("json", of=PASS, suffix=".json", help="the same with edges, times and source")
def pass_json(record: Graph, file: TextIO) -> None:
    """Write a pass as JSON."""
    _nodes(record, "pass", file)


@exporter("csv", of=OPS, suffix=".csv", help="one row for each recorded op")
def ops_csv(record: OpsRecord, file: TextIO) -> None:
    """Write the ops as CSV."""
    rows = (
        {**op_fields(op), "shape": _shape(op.shape), "in_place": "; ".join(op.changed)}
        for op in record.ops
    )
    _csv(file, OP_COLUMNS, rows)


@exporter("json", of=OPS, suffix=".json", help="the same with source and sequence numbers")
def ops_json(record: OpsRecord, file: TextIO) -> None:
    """Write the ops as JSON."""
    head = {"what": "ops", "op_count": record.about.total, "first": record.about.first}
    _json(file, head, "ops", map(op_fields, record.ops))
