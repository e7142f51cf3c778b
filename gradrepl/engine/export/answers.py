"""Answers to those who write files, and the backwards that are kept for them.

A graph, a pass, ops or times are taken, and their rows fetched in parts. The journal is in place
only after ``:record on``. Nothing of the user's is kept: a pass becomes plain rows as soon as it is
over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.code import frames
from gradrepl.engine.export.snapshot import Listed, Snapshot
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.graph.nodes import Labelled
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.modules.graphs import source_of
from gradrepl.engine.observers import BackwardCall, Depth, Look, Observer
from gradrepl.engine.session import Answer, Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures
from gradrepl.engine.tensor.names import Names
from gradrepl.errors import StateError, UsageError

PASSES = 16
NODES = 400_000
"""Nodes of all kept passes together; the last pass is kept whatever its size."""


class Journal(Observer):
    """Keeps the last backwards; an observer (see ``engine.observers``) while it is on."""

    meets_backwards = True

    def __init__(self, session: Session) -> None:
        self.session, self.stepper = session, session.stepper
        self.passes: deque[Snapshot] = deque(maxlen=PASSES)
        self._count = 0

    # -- as an observer ------------------------------------------------------------------------

    @property
    def records(self) -> bool:  # type: ignore[override]
        """Ops are to be recorded, as long as there is a client that may ask for them."""
        return not self.stepper.gate.detached

    def close(self) -> None:
        """Forget all."""
        self.passes.clear()

    def place(self, on: bool) -> bool:
        """Look at every backward from now on, or no more; return whether we did before.

        Whoever begins again has what was kept before forgotten.
        """
        observers = self.stepper.observers
        was = self in observers
        if on and not was:
            self.close()
            self._count = 0
            observers.append(self)
        elif was and not on:
            observers.remove(self)
        self.stepper.rearm()
        self.stepper.place_recorder()
        return was

    def begins(self, call: BackwardCall) -> Look | None:
        """Keep what a backward runs; without a client nobody is left who could ask for it."""
        if self.stepper.gate.detached:
            self.place(False)
            return None
        self._count += 1
        return _Kept(self, call, self._count)

    def keep(self, snapshot: Snapshot) -> None:
        """Keep a backward that is over."""
        self.passes.append(snapshot)
        while len(self.passes) > 1 and sum(map(len, self.passes)) > NODES:
            self.passes.popleft()


class _Kept(Look):
    """One backward while it runs."""

    depth, times = Depth.NORM, True

    def __init__(self, journal: Journal, call: BackwardCall, number: int) -> None:
        self._journal, self._number, self._caller = journal, number, call.caller
        self._names = partial(journal.session.names, call.caller)

    def ended(self, seen: Recorder | None, error: BaseException | None, seconds: float) -> None:
        """Make plain rows of it."""
        if seen is None:
            return
        outcome = "finished" if error is None else f"raised {type(error).__name__}"
        with figures.quiet():
            op_of = self._journal.stepper.recorder.op_of
            snapshot = Snapshot(Labelled(seen.graph, op_of, self._names), saved=False)
            snapshot.recorded(seen, self._number, outcome)
            self._journal.keep(snapshot)
        places = self._journal.session.gate.places
        if all(place.state == "idle" for place in places):  # else typed names may be there, too
            frames.release(frames.user_frames(self._caller))


# -- answers ------------------------------------------------------------------------------------


PART = 4_000
"""Rows in one answer at most."""
HELD = 2
"""Things that are taken and not fetched to their end; the older ones are forgotten."""


_serials = count(1)
_held: dict[int, Snapshot | Listed] = {}


def _hold(taken: Snapshot | Listed) -> int:
    """Keep what was taken until its rows are fetched; return its number."""
    serial = next(_serials)
    _held[serial] = taken
    while len(_held) > HELD:
        del _held[min(_held)]
    return serial


@on(p.Take)
def _(request: p.Take, session: Session, place: Place) -> Answer:
    if request.what == "graph" and request.expression:
        return _graph_of(request.expression, session, place)
    if request.what in ("graph", "pass"):
        return _backward(request.what, session, place)
    if request.what == "ops":
        calls = [call for call in session.recorder.ops if call.function is None]  # that are over
        if not calls:
            raise StateError(
                "no op has been recorded.",
                "Ops are recorded while you step, or after ':record on'.",
            )
        return _listed("ops", calls, Call.row, first=calls[0].id)
    if request.what == "times":
        nodes = [(each, node) for each in session.state(Journal).passes for node in each.ran]
        return _listed("times", nodes, lambda pair: pair[0].row(pair[1]))
    raise UsageError(f"there is nothing called '{request.what}' to be taken.")


def _listed(
    what: str, items: Sequence[Any], row: Callable[[Any], Any], first: int = 0
) -> model.Taken:
    serial = _hold(Listed(items, row))
    return model.Taken(serial=serial, what=what, total=len(items), recorded=True, first=first)


def _graph_of(expression: str, session: Session, place: Place) -> model.Taken:
    tensor = session.tensor(expression, place)
    with figures.quiet():
        source = source_of(tensor, expression, session, place)
        taken = Snapshot(source)
        root = source.names.tensor(tensor) or expression
        return taken.head(_hold(taken), "graph", source.names, of=root, root=root)


def _backward(what: str, session: Session, place: Place) -> model.Taken:
    """Take the backward that is paused, else the last one that was recorded."""
    try:
        backward = session.backward_here(place)
    except StateError:
        return _last(what, session, place)
    with figures.quiet():
        taken = Snapshot(backward)
        taken.paused(backward)
        about = {"of": "this backward", "root": backward.root, "live": True}
        return _ordered(taken, what, backward.names, about)


def _last(what: str, session: Session, place: Place) -> model.Taken:
    passes = session.state(Journal).passes
    if not passes:
        also = "':export FILE EXPR' takes the graph of a tensor; " if what == "graph" else ""
        raise StateError(
            "no backward is paused here, and none was recorded.",
            f"{also}':record on' records each backward from now on.",
        )
    taken = passes[-1]
    with figures.quiet():
        about = {"of": f"backward {taken.run}", "outcome": taken.outcome}
        return _ordered(taken, what, session.names(place.frame), about)


def _ordered(taken: Snapshot, what: str, names: Names, about: dict[str, Any]) -> model.Taken:
    serial = _hold(taken.in_run_order() if what == "pass" else taken)
    return taken.head(serial, what, names, **about)


@on(p.TakeRows)
def _(request: p.TakeRows, session: Session, place: Place) -> Answer:
    taken = _held.get(request.serial)
    if taken is None:
        raise StateError("what was taken is no longer kept.", "':export' again.")
    first, count = max(0, request.first), max(0, min(request.count, PART))
    rows: Any = tuple(taken.rows(first, count))
    if first + len(rows) >= len(taken):
        del _held[request.serial]
    if rows and isinstance(rows[0], model.OpRow):
        return model.Ops(rows=rows, first=first, total=len(taken))
    return model.Nodes(rows=rows, first=first, total=len(taken), run=0)


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
