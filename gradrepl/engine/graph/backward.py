"""One backward that is stepped: where it may stop, what has run, where it stands."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable
from functools import cached_property, partial
from typing import Any

import torch

from gradrepl import conditions as c
from gradrepl.engine import torch_private
from gradrepl.engine.boundary import Quitting
from gradrepl.engine.code import evaluate, frames
from gradrepl.engine.code.patches import unseen
from gradrepl.engine.graph.events import NodeEvent, PassEvent, View
from gradrepl.engine.graph.nodes import Labelled
from gradrepl.engine.graph.recorder import SMALL, Recorder
from gradrepl.engine.observers import BackwardCall, Depth
from gradrepl.engine.stopping.stepper import Stepper
from gradrepl.engine.tensor import facts, figures
from gradrepl.engine.tensor.names import Names
from gradrepl.engine.torch_private import running_node
from gradrepl.errors import Aborted
from gradrepl.model import Accumulated
from gradrepl.model import Pass as PassRecord

LISTED = 64
"""Leaves listed in a record."""
NOBODY = Names(())
"""The names that a pass knows after its end."""


class Asked:
    """At which nodes of a pass it is asked, before or after they run, whether to stop."""

    def __init__(self, when: str) -> None:
        self.when = when
        self.places: Collection[int] = ()
        """Nodes at which something armed may stop."""
        self.quiet = c.NEVER_QUIET
        """Norms of gradients at which it will not."""
        self.hooked: set[int] = set()

    def fresh(self, total: int) -> list[int]:
        """Return the nodes that have no hook yet, and take it that they have one now."""
        if len(self.hooked) == total:
            return []
        fresh = [place for place in self.places if place not in self.hooked]
        self.hooked.update(fresh)
        return fresh


class Pass(Labelled):
    """One backward while it runs."""

    def __init__(self, stepper: Stepper, call: BackwardCall, recorder: Recorder) -> None:
        self.stepper, self.recorder = stepper, recorder
        self.frame = call.caller
        look_up = partial(stepper.session.names, self.frame)
        super().__init__(recorder.graph, stepper.recorder.op_of, look_up)
        self.seen, self.running = recorder.ran, recorder.running
        self.accumulate = call.accumulates
        if call.inputs:
            self.needed = self.graph.needed(self._targets(call.inputs), self.accumulate)
        self.thread = threading.current_thread()
        self.started = time.perf_counter()
        self._root = call.roots[0]
        self.starts = tuple(zip(call.roots, call.grads, strict=False))
        """Its roots, each with the gradient that it begins with; none once it is over."""
        self.parked = False
        """Did anybody stop in it?"""
        self._before, self._after = Asked("before"), Asked("after")
        self._small = len(self.graph) <= SMALL
        """Is the norm of every gradient noted on the way, where somebody stops?"""

    def _targets(self, inputs: tuple[Any, ...]) -> list[int]:
        """Return the nodes that ``inputs`` stand for, as far as they are in this graph."""
        leaves = {
            id(getattr(node, "variable", None)): place
            for place, node in enumerate(self.graph.nodes)
        }
        live = [getattr(x, "node", None) or getattr(x, "grad_fn", None) for x in inputs]
        return [
            leaves.get(id(each), -1) if node is None else self.graph.index.get(node, -1)
            for each, node in zip(inputs, live, strict=True)
        ]

    @cached_property
    def view(self) -> View:
        """Rows and paths for a client."""
        return View(self)

    @property
    def root(self) -> str:
        """Name of the tensor that this backward starts from, or ''."""
        return self.names.tensor(self._root) if isinstance(self._root, torch.Tensor) else ""

    # -- the run -----------------------------------------------------------------------------

    @unseen
    def run(self, engine: Callable[[], Any]) -> Any:
        """Run the engine with our hooks in place, and tell how it ended."""
        self.stepper.passes.append(self)
        outcome = "finished"
        try:
            with torch_private.DisableTorchFunction():
                self._begin()
            result = engine()
        except BaseException as error:
            ended = isinstance(error, (Aborted, Quitting, KeyboardInterrupt))
            outcome = "aborted" if ended else f"raised {evaluate.summary(error)}"
            raise
        finally:
            self._end(outcome)
        try:
            if self.stepper.armed.wants(c.PASS):
                self.stepper.event(PassEvent(self.stepper, self.stepper.armed.anchor, self))
        finally:
            self._release()
        return result

    def _begin(self) -> None:
        self._arm()
        everywhere = len(self._before.places) == len(self.graph)
        sifts = any(low <= high for low, high in (self._before.quiet, self._after.quiet))
        if self._small and (everywhere or sifts):
            self.recorder.deepen(Depth.NORM)
        if self.recorder.shared or not everywhere:
            self.recorder.attach()  # else every node is seen where it is asked
        self._hook()

    def _end(self, outcome: str) -> None:
        stepper = self.stepper
        self.starts = ()
        self.recorder.remove()
        stepper.passes.remove(self)
        tells = self.parked or outcome != "finished"
        if tells or stepper.wants("pass"):
            with torch_private.DisableTorchFunction():
                record = self.record(outcome)
            stepper.pass_ended(record, tells)
        elif stepper.pausing:  # a pause that found no more node here
            stepper.place_recorder()
        if outcome != "finished":
            self._release()

    def _release(self) -> None:
        """Let go of everything of the user's now: we are part of a cycle, which lives longer."""
        self.recorder.release()
        if "names" in vars(self):
            frames.release(frames.user_frames(self.frame))
        self.frame = self._root = None
        self.names, self._look_up = NOBODY, lambda: NOBODY
        vars(self).pop("view", None)

    def rearm(self) -> None:
        """Have hooks exactly where something that is armed now may stop."""
        self._arm()
        if self.stepper.wants_passes:
            if self.parked and self._small:
                self.recorder.deepen(Depth.NORM)
            self._hook()
            return
        self._before.hooked.clear()
        self._after.hooked.clear()
        self.recorder.stop_no_more()
        if not self.recorder.shared:
            self.recorder.whole = False  # the rest of the run is not seen
            self.recorder.remove()

    def _arm(self) -> None:
        """Know at which nodes something armed may stop, and at which norms it will not."""
        for asked in (self._before, self._after):
            active = self.stepper.armed.asking(c.NODE, asked.when)
            asked.places, asked.quiet = (), c.NEVER_QUIET
            if active:
                lows, highs = zip(*(each.quiet() for each in active), strict=True)
                asked.quiet = max(lows), min(highs)
                asked.places = self._possible(active, asked.when)

    def _hook(self) -> None:
        if not self.recorder.part.works:
            return
        total = len(self.graph)
        self._add(self._before.fresh(total), self.recorder.stop_before, self._at_begin)
        self._add(self._after.fresh(total), self.recorder.stop_after, self._at_end)

    def _add(
        self, places: list[int], add: Callable[..., None], hook: Callable[..., object]
    ) -> None:
        """Add a hook, of which some are timed."""
        every, timed = self.stepper.costs.timed(hook, len(self.graph))
        add([place for place in places if place % every], hook)
        add([place for place in places if not place % every], timed)

    def _possible(self, active: list[c.Base], when: str) -> Collection[int]:
        """Return the nodes at which something armed may stop."""
        if all(each.only_roots(when) for each in active):
            return range(self.graph.starts)
        if not all(each.narrows() for each in active):
            return range(len(self.graph))
        event = NodeEvent(self.stepper, self.stepper.armed.anchor, self, 0, when)
        places: Iterable[int] = range(len(self.graph))
        if all(each.only_leaves() for each in active):
            places = filter(self.is_leaf, places)
        possible = set()
        for event.node in places:
            if any(each.possible(event) for each in active):
                possible.add(event.node)
        return possible

    def _at_begin(self, grads: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Prehook: the node is about to run. Returns gradients only if the user replaced some."""
        recorder = self.recorder
        try:
            if not recorder.mine():
                return None
            node = running_node()
            if node not in recorder.ran:
                recorder.note(node, grads)
            place = self.graph.index[node]
            if place not in self._before.places:
                return None
            norm, (low, high) = recorder.ran[node], self._before.quiet
            if norm is None and self._small:
                norm = recorder.ran[node] = _first_norm(grads)
            if len(grads) == 1 and norm is not None and low <= norm <= high:
                return None  # as of most nodes, in no call
            within = recorder.arrivals.all_within((low, high), grads, norm)
            return None if within else self._ask(place, grads)
        except Exception as error:
            recorder.failed(error)
            return None

    def _ask(self, place: int, grads: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Stop before a node, if anything armed says so; return gradients that were replaced."""
        event = NodeEvent(self.stepper, self.stepper.armed.anchor, self, place, "before")
        event.grad_in = list(grads)
        self.stepper.event(event)
        self.stepper.deliver_interrupt()
        if all(new is old for new, old in zip(event.grad_in, grads, strict=True)):
            return None
        return tuple(event.grad_in)

    def _at_end(self, outputs: tuple[Any, ...], grads: tuple[Any, ...]) -> None:
        """Hook: the node has run."""
        recorder = self.recorder
        try:
            if not recorder.mine():
                return
            place = self.graph.index[running_node()]
            if place not in self._after.places:
                return
            if recorder.arrivals.all_within(self._after.quiet, outputs):
                return
            recorder.running.pop(threading.get_ident(), None)
            event = NodeEvent(self.stepper, self.stepper.armed.anchor, self, place, "after")
            event.grad_in, event.grad_out = list(grads), list(outputs)
            self.stepper.event(event)
        except Exception as error:
            recorder.failed(error)

    # -- what may be asked -------------------------------------------------------------------

    def names_of(self, variable: torch.Tensor) -> tuple[str, ...]:
        """Return the names of a leaf; they are kept from one backward to the next."""
        known = self.stepper.leaf_names
        caller = self.frame.f_code if self.frame is not None else None
        held, spelled, seen_from = known.get(id(variable), (None, (), None))
        # What has no name in scope of one function may have one in scope of another.
        if held is None or held() is not variable or not (spelled or seen_from is caller):
            spelled = super().names_of(variable)
            known[id(variable)] = (weakref.ref(variable), spelled, caller)
        return spelled

    def module_paths(self, node: int) -> tuple[str, ...]:
        """Return the path of its module, with and without the variable of its model."""
        op = self.op(node)
        if op is not None:
            return self.stepper.recorder.paths.spellings(op.module)
        return tuple(leaf.rpartition(".")[0] for leaf in self.leaf_names(node)) or ("",)

    def accumulated(self) -> tuple[list[Accumulated], int]:
        """Return the leaves that have their gradient, at most ``LISTED`` of them, and how many."""
        begun, running = self.recorder.leaves, self.recorder.running
        count = len(begun)
        if begun and begun[-1][1] in running.values():
            count -= 1
        listed = []
        for _, node in begun[: min(count, LISTED)]:
            variable, name = node.variable, self.leaf(self.graph.index[node])
            norm = None if variable.grad is None else figures.norm(variable.grad)
            listed.append(Accumulated(name, norm, facts.shape(variable)))
        return listed, count

    def missing(self) -> list[str]:
        """Return the parameters in scope that require a gradient and have none."""
        if not self.accumulate:
            return []
        return [
            name
            for name, parameter in self.names.parameters.items()
            if parameter.requires_grad and parameter.grad is None
        ]

    def record(self, outcome: str) -> PassRecord:
        """Return the record of the end."""
        if outcome == "finished":
            if not self.recorder.whole:  # what ran unseen is what was to run
                every = range(len(self.graph))
                self.recorder.assume(every if self.needed is None else self.needed)
            self.recorder.running.clear()
        leaves, count = self.accumulated()
        run = self.begun - len(self.recorder.running)
        return PassRecord(
            outcome=outcome,
            nodes_run=run,
            total=self.order.total,
            root=self.root,
            accumulated=tuple(leaves),
            accumulated_count=count,
            seconds=time.perf_counter() - self.started,
        )


def _first_norm(grads: tuple[Any, ...]) -> Any:
    return next((figures.norm(grad) for grad in grads if grad is not None), None)
