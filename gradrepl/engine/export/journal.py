"""Backwards that are kept for a file: which nodes ran when, and what arrived at them.

In place only after ``:record on``. Nothing of the user's is kept: a pass becomes plain rows as soon
as it is over.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from gradrepl.engine.export.snapshot import Snapshot
from gradrepl.engine.graph.nodes import Labelled
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.observers import BackwardCall, Depth, Look, Observer
from gradrepl.engine.tensor import figures

if TYPE_CHECKING:
    from gradrepl.engine.session import Session

PASSES = 16
NODES = 400_000
"""Nodes of all kept passes together; the last pass is kept whatever its size."""


class Journal(Observer):
    """Keeps the last backwards; an observer (see ``engine.observers``) while it is on."""

    meets_backwards = True

    def __init__(self, session: Session) -> None:
        self.session, self.stepper = session, session.stepper
        self.passes: deque[Kept] = deque(maxlen=PASSES)
        self._count = 0

    # -- as an observer ------------------------------------------------------------------------

    @property
    def records(self) -> bool:  # type: ignore[override]
        """Ops are to be recorded, as long as there is a face that may ask for them."""
        return not self.stepper.gate.detached

    def close(self) -> None:
        """Forget all."""
        self.passes.clear()

    def place(self, on: bool) -> bool:
        """Look at every backward from now on, or no more; return whether we did before.

        Whoever begins anew has what was kept before forgotten.
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

    def keep(self, labelled: Labelled, seen: Recorder, number: int, outcome: str) -> None:
        """Keep a backward that is over."""
        snapshot = Snapshot(labelled, saved=False)
        snapshot.recorded(seen, number)
        self.passes.append(Kept(snapshot, outcome))
        while len(self.passes) > 1 and sum(len(p.snapshot) for p in self.passes) > NODES:
            self.passes.popleft()


class _Kept(Look):
    """One backward while it runs."""

    depth, times = Depth.NORM, True

    def __init__(self, journal: Journal, call: BackwardCall, number: int) -> None:
        self._journal, self._number = journal, number
        self._names = partial(journal.stepper.session.names, call.caller())

    def ended(self, seen: Recorder | None, error: BaseException | None, seconds: float) -> None:
        """Make plain rows of it."""
        if seen is None:
            return
        outcome = "finished" if error is None else f"raised {type(error).__name__}"
        with figures.quiet():
            labelled = Labelled(seen.graph, self._journal.stepper.recorder.op_of, self._names)
            self._journal.keep(labelled, seen, self._number, outcome)


class Kept:
    """A pass that is over, as plain rows."""

    def __init__(self, snapshot: Snapshot, outcome: str) -> None:
        self.snapshot, self.outcome = snapshot, outcome
