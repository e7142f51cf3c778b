"""Backwards that are kept for a file: which nodes ran when, and what arrived at them.

In place only after ``:record on``. Each node then has one hook before it runs, gone with the pass;
a node lasts until the next one of its thread begins. Nothing of the user's is kept: a pass becomes
plain rows as soon as it is over.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.code import frames
from gradrepl.engine.export.snapshot import Snapshot, Visit
from gradrepl.engine.graph.graph import Graph
from gradrepl.engine.graph.hooks import without_gc
from gradrepl.engine.graph.labels import Labelled
from gradrepl.engine.tensor import facts, figures
from gradrepl.engine.tensor.names import Names

if TYPE_CHECKING:
    from gradrepl.engine.stopping.stepper import Stepper

PASSES = 16
NODES = 400_000
"""Nodes of all kept passes together; the last pass is kept whatever its size."""

_clock = time.perf_counter


class Journal:
    """Keeps the last backwards; an observer (see ``engine.observers``) while it is on."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self.passes: deque[Kept] = deque(maxlen=PASSES)
        self._count = 0

    # -- as an observer ------------------------------------------------------------------------

    @property
    def records(self) -> bool:
        """Ops are to be recorded, as long as there is a face that may ask for them."""
        return not self.stepper.gate.detached

    def op(self, call: Any) -> None:
        """The recorder keeps it."""

    def ended(self) -> None:
        """Nothing to do any more."""

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

    def around(
        self, engine: Callable[[], Any], roots: Sequence[Any], args: Any, kwargs: Any
    ) -> Any:
        """Run the engine, and keep what it ran."""
        if self.stepper.gate.detached:  # nobody is left who could ask
            self.place(False)
            return engine()
        caller = frames.Walk(sys._getframe(1)).frame
        with figures.quiet():
            starts = [node for root in roots if (node := facts.start_of(root)) is not None]
            run = _Run(starts)
            run.attach()
        self._count += 1
        number, outcome = self._count, "finished"
        try:
            return engine()
        except BaseException as error:
            outcome = f"raised {type(error).__name__}"
            raise
        finally:
            ended = _clock()
            run.remove()
            if starts:
                with figures.quiet():
                    self._keep(run, number, outcome, ended, self.stepper.session.names(caller))

    def _keep(self, run: _Run, number: int, outcome: str, ended: float, names: Names) -> None:
        run.settle(ended)
        source = Labelled(run.graph, self.stepper.recorder.op_of, lambda: names)
        snapshot = Snapshot(source, saved=False)
        snapshot.recorded(run.visits, number)
        self.passes.append(Kept(snapshot, outcome))
        while len(self.passes) > 1 and sum(len(p.snapshot) for p in self.passes) > NODES:
            self.passes.popleft()


class Kept:
    """A pass that is over, as plain rows."""

    def __init__(self, snapshot: Snapshot, outcome: str) -> None:
        self.snapshot, self.outcome = snapshot, outcome


class _Run:
    """The hooks of one backward."""

    def __init__(self, starts: Sequence[Any]) -> None:
        self.graph = Graph(starts)
        self.visits: dict[int, Visit] = {}
        self._last: dict[int, Visit] = {}
        """By thread: the node it is at."""
        self._task: int | None = None
        self._handles: list[Any] = []

    def attach(self) -> None:
        hold = self._handles.append
        with without_gc():
            for place, node in enumerate(self.graph.nodes):
                hold(node.register_prehook(self._hook(place)))

    def _hook(self, place: int) -> Callable[[tuple[Any, ...]], None]:
        def before(grads: tuple[Any, ...]) -> None:
            self._arrived(place, grads)

        return before

    def _arrived(self, place: int, grads: tuple[Any, ...]) -> None:
        now, task = _clock(), torch_private.running_backward()
        if self._task is None:
            self._task = task
        if task != self._task:
            return  # a backward inside of this one, over the same nodes
        thread = threading.get_ident()
        last = self._last.get(thread)
        if last is not None and last.seconds is None:
            last.seconds = now - last.begin
        first = next((grad for grad in grads if isinstance(grad, torch.Tensor)), None)
        norm = None if first is None else figures.norm(first)
        visit = self._last[thread] = self.visits[place] = Visit(0.0, thread, norm)
        visit.begin = _clock()  # after our own arithmetic

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def settle(self, ended: float) -> None:
        """The pass is over: so is the last node of each thread."""
        for visit in self._last.values():
            if visit.seconds is None:
                visit.seconds = max(0.0, ended - visit.begin)
