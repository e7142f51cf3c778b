"""Answers to those who write files: take something, fetch its rows in parts."""

from __future__ import annotations

from itertools import count
from typing import Protocol

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, on
from gradrepl.engine.export.journal import Journal
from gradrepl.engine.export.snapshot import Ops, Ran, Snapshot, Times
from gradrepl.engine.modules.graphs import source_of
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures
from gradrepl.errors import StateError, UsageError

PART = 4_000
"""Rows in one answer at most."""
HELD = 2
"""Things that are taken and not fetched to their end; the older ones are forgotten."""


class _Rows(Protocol):
    def __len__(self) -> int: ...

    def rows(self, first: int, count: int) -> list[model.NodeRow] | list[model.OpRow]: ...


_serials = count(1)
_held: dict[int, _Rows] = {}


def _hold(serial: int, taken: _Rows) -> None:
    _held[serial] = taken
    while len(_held) > HELD:
        del _held[min(_held)]


@on(p.Take)
def _(request: p.Take, session: Session, place: Place) -> Answer:
    serial = next(_serials)
    if request.what == "graph" and request.expression:
        return _graph_of(serial, request.expression, session, place)
    if request.what in ("graph", "pass"):
        return _backward(serial, request.what, session, place)
    if request.what == "ops":
        ops = Ops(session.recorder.ops)
        if not len(ops):
            raise StateError(
                "no op has been recorded.",
                "Ops are recorded while you step, or after ':record on'.",
            )
        _hold(serial, ops)
        return ops.head(serial)
    if request.what == "times":
        times = Times([kept.snapshot for kept in session.state(Journal).passes])
        _hold(serial, times)
        return times.head(serial)
    raise UsageError(f"there is nothing called '{request.what}' to be taken.")


def _graph_of(serial: int, expression: str, session: Session, place: Place) -> model.Taken:
    tensor = session.tensor(expression, place)
    with figures.quiet():
        source = source_of(tensor, expression, session, place)
        taken = Snapshot(source)
        root = source.names.tensor(tensor) or expression
        _hold(serial, taken)
        return taken.head(serial, "graph", source.names, of=root, root=root)


def _backward(serial: int, what: str, session: Session, place: Place) -> model.Taken:
    try:
        backward = session.backward_here(place)
    except StateError:
        return _last(serial, what, session, place)
    with figures.quiet():
        taken = Snapshot(backward)
        taken.paused(backward)
        _hold(serial, Ran(taken) if what == "pass" else taken)
        return taken.head(
            serial, what, backward.names, of="this backward", root=backward.root, live=True
        )


def _last(serial: int, what: str, session: Session, place: Place) -> model.Taken:
    kept = session.state(Journal).passes
    if not kept:
        also = "':export FILE EXPR' takes the graph of a tensor; " if what == "graph" else ""
        raise StateError(
            "no backward is paused here, and none was recorded.",
            f"{also}':record on' records each backward from now on.",
        )
    taken = kept[-1].snapshot
    _hold(serial, Ran(taken) if what == "pass" else taken)
    with figures.quiet():
        return taken.head(
            serial,
            what,
            session.names(place.frame),
            of=f"backward {taken.run}",
            outcome=kept[-1].outcome,
        )


@on(p.TakeRows)
def _(request: p.TakeRows, session: Session, place: Place) -> Answer:
    taken = _held.get(request.serial)
    if taken is None:
        raise StateError("what was taken is no longer kept.", "':export' again.")
    first, count = max(0, request.first), max(0, min(request.count, PART))
    rows = taken.rows(first, count)
    if first + len(rows) >= len(taken):
        del _held[request.serial]
    if isinstance(taken, Ops):
        return model.TakenOps(rows=tuple(rows))  # type: ignore[arg-type]
    return model.TakenNodes(rows=tuple(rows))  # type: ignore[arg-type]


@on(p.RecordPasses)
def _(request: p.RecordPasses, session: Session, place: Place) -> Answer:
    was = session.state(Journal).place(not request.off)
    if request.off:
        said = "backwards are no longer recorded." if was else "no backwards were being recorded."
    else:
        said = (
            "ops and backwards are recorded for ':export' from now on: the last 16 backwards with "
            "the norm and the time of each node; ':record off' ends it."
        )
    return model.Notice(message=said)
