"""Time as a trace that Perfetto (ui.perfetto.dev) and chrome://tracing open.

Ops of the forward lie on one track, the nodes of recorded backwards on one for each of the
engine's threads. An arrow leads from each op to the node that it made: a flow that begins in the
op's slice and ends in the node's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from gradrepl.export import exporter
from gradrepl.export.files import Time
from gradrepl.model import NodeRow, OpRow
from gradrepl_drawings.words import finite, place

PROCESS, FORWARD = 1, 1
MICRO = 1e6


@exporter(
    "perfetto",
    of="time",
    suffix=(".json", ".trace"),
    help="Chrome trace: ops, nodes, and an arrow from each op to its nodes",
)
def trace(record: Time, file: TextIO) -> str | None:
    """Write ops and nodes with their times."""
    zero = min(_starts(record), default=0.0)
    spans = {op.id: op for op in record.ops}
    threads: dict[int, int] = {}
    flows = 0
    file.write('{"displayTimeUnit": "ms", "traceEvents": [\n')
    _put(file, _name("process_name", 0, "gradrepl"), first=True)
    _put(file, _name("thread_name", FORWARD, "forward: calls of torch"))
    for op in record.ops:
        _put(file, _op(op, zero))
    for node in record.nodes:
        track = threads.get(node.thread)
        if track is None:
            track = threads[node.thread] = FORWARD + 1 + len(threads)
            several = f" {len(threads)}" if len(threads) > 1 else ""
            _put(file, _name("thread_name", track, f"backward: nodes{several}"))
        _put(file, _node(node, zero, track))
        made_by = None if node.op is None else spans.get(node.op)
        if made_by is not None and node.begin is not None:
            flows += 1
            _flow(file, made_by, node, flows, zero, track)
    file.write("\n]}\n")
    if not len(record.nodes):
        return "it has no node: ':record on' records the backwards that come after it."
    return None


def _starts(record: Time) -> Iterator[float]:
    yield from (op.begin for op in record.ops if op.begin)
    yield from (node.begin for node in record.nodes if node.begin is not None)


def _put(file: TextIO, event: dict[str, Any], first: bool = False) -> None:
    file.write("" if first else ",\n")
    file.write(json.dumps(event, ensure_ascii=False, allow_nan=False))


def _name(what: str, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": PROCESS, "tid": track, "name": what, "args": {"name": name}}


def _micros(seconds: float) -> float:
    return round(seconds * MICRO, 3)


def _op(op: OpRow, zero: float) -> dict[str, Any]:
    shape = None if op.shape is None else list(op.shape)
    args = {
        "op": f"%{op.id}",
        "module": op.module,
        "line": place(op.site),
        "shape": shape,
        "dtype": op.dtype,
        "mode": op.mode,
    }
    return {
        "ph": "X",
        "pid": PROCESS,
        "tid": FORWARD,
        "cat": "forward",
        "name": op.name,
        "ts": _micros(op.begin - zero),
        "dur": _micros(op.seconds),
        "args": {name: value for name, value in args.items() if value},
    }


def _node(node: NodeRow, zero: float, track: int) -> dict[str, Any]:
    shape = None if node.shape is None else list(node.shape)
    args = {
        "node": f"#{node.id}",
        "pass": node.run,
        "label": node.label,
        "module": node.module,
        "op": f"%{node.op} {node.op_name}" if node.op else "",
        "line": place(node.site),
        "norm": finite(node.norm),
        "shape": shape,
    }
    return {
        "ph": "X",
        "pid": PROCESS,
        "tid": track,
        "cat": "backward",
        "name": node.name,
        "ts": _micros((node.begin or zero) - zero),
        "dur": _micros(node.seconds or 0.0),
        "args": {name: value for name, value in args.items() if value not in ("", None)},
    }


def _flow(file: TextIO, op: OpRow, node: NodeRow, flow: int, zero: float, track: int) -> None:
    """Write an arrow; its ends lie within the slices, or viewers would drop it."""
    common = {"pid": PROCESS, "cat": "made", "name": "made", "id": flow}
    begin = _micros(op.begin - zero)
    end = _micros((node.begin or zero) - zero)
    _put(file, {"ph": "s", **common, "tid": FORWARD, "ts": begin})
    _put(file, {"ph": "f", "bp": "e", **common, "tid": track, "ts": end})
