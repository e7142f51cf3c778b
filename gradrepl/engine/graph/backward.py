"""One backward on the engine's real run: hooks on its nodes, what has run, where it stands.

A ``Pass`` owns its hooks and takes them away at its end. Each hook acts only inside its own graph
task: the same graph may be walked by something typed at a stop.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property, partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from gradrepl import conditions as c
from gradrepl.engine import torch_private
from gradrepl.engine.code import frames
from gradrepl.engine.code.patches import unseen
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import LEAF, Graph
from gradrepl.engine.graph.hooks import Hooks, frees
from gradrepl.engine.graph.labels import Labelled
from gradrepl.engine.graph.view import View
from gradrepl.engine.stopping.events import NodeEvent, PassEvent
from gradrepl.engine.stopping.gate import Quitting
from gradrepl.engine.tensor import facts, figures
from gradrepl.engine.tensor.names import Names
from gradrepl.engine.torch_private import running_backward, running_node
from gradrepl.errors import Aborted
from gradrepl.model import Accumulated
from gradrepl.model import Pass as PassRecord

if TYPE_CHECKING:
    from gradrepl.engine.stopping.stepper import Stepper

SMALL = 5_000
"""Nodes up to which the norm of every gradient is noted on the way."""
LISTED = 64
"""Leaves listed in a record."""
NOBODY = Names(())
"""The names that a pass knows after its end."""


class Pass(Labelled):
    """One backward while it runs."""

    def __init__(
        self, stepper: Stepper, roots: Sequence[Any], starts: list[Any], inputs: tuple[Any, ...],
        accumulate: bool, keeps: bool,
    ) -> None:  # fmt: skip
        self.stepper = stepper
        self.frame: FrameType | None = frames.Walk(sys._getframe(1)).frame
        look_up = partial(stepper.session.names, self.frame)
        super().__init__(Graph(starts), stepper.recorder.op_of, look_up)
        self.needed = self.graph.needed(self._targets(inputs), accumulate) if inputs else None
        self.accumulate = accumulate
        self._keeps = keeps
        """May the graph be walked again?"""
        self.thread = threading.current_thread()
        self._ran: dict[int, float | None] = {}
        """Nodes in the engine's true order, with the norm of what arrived where it is known."""
        self.started = time.perf_counter()
        self._root = roots[0]
        self.parked = False
        """Did anybody stop in it?"""
        self._task: int | None = None
        self._hooks = Hooks(self.graph.nodes, self._before, self._after)
        self._hooked_before: Collection[int] = ()
        self._hooked_after: Collection[int] = ()
        self._small = len(self.graph) <= SMALL
        self._running: dict[int, int] = {}
        """The node that each thread of the engine is at."""
        kinds = enumerate(map(type, self.graph.nodes))
        self._leaves = frozenset(place for place, kind in kinds if kind is LEAF)
        self._reached: list[int] = []
        """Leaves whose AccumulateGrad has begun, in order."""
        self._watched_to_end = True

    def _targets(self, inputs: tuple[Any, ...]) -> list[int]:
        """Return the nodes that ``inputs`` stand for, as far as they are in this graph."""
        leaves = {
            id(getattr(node, "variable", None)): place
            for place, node in enumerate(self.graph.nodes)
        }  # fmt: skip
        found = []
        for each in inputs:
            node = getattr(each, "node", None) or getattr(each, "grad_fn", None)
            place = self.graph.index.get(node) if node is not None else leaves.get(id(each))
            found.append(-1 if place is None else place)
        return found

    @cached_property
    def view(self) -> View:
        """Rows and paths for a face."""
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
                self.rearm()
                # A light hook would stay, empty, for as long as the graph lives.
                if self._keeps or (self._small and not frees(self.graph.nodes)):
                    self._hooks.before(range(len(self.graph)))
                elif len(self._hooked_before) < len(self.graph):
                    self._hooks.light(self._light(), self._leaves)
            result = engine()
        except BaseException as error:
            ended = isinstance(error, (Aborted, Quitting, KeyboardInterrupt))
            outcome = "aborted" if ended else f"raised {_said(error)}"
            raise
        finally:
            self._hooks.remove()
            self.stepper.passes.remove(self)
            told = self.parked or outcome != "finished"
            if told or self.stepper.session.observers.wants("pass"):
                with torch_private.DisableTorchFunction():
                    record = self.record(outcome)
                self.stepper.pass_ended(record, told)
            elif self.stepper.pausing:  # a pause that found no more node here
                self.stepper.place_recorder()
            if outcome != "finished":
                self._release()
        try:
            if self.stepper.armed.wants(c.PASS):
                self.stepper.event(PassEvent(self.stepper, self.stepper.armed.anchor, self))
        finally:
            self._release()
        return result

    def _release(self) -> None:
        """Let go of everything of the user's now: we are part of a cycle, which lives longer."""
        self.graph.nodes.clear()
        self.graph.roots.clear()
        self.graph.index.clear()
        if "names" in vars(self):
            frames.release(frames.user_frames(self.frame))
        self.frame = self._root = None
        self.names, self._look_up = NOBODY, lambda: NOBODY
        vars(self).pop("view", None)

    def rearm(self) -> None:
        """Have hooks exactly where something that is armed now may stop."""
        stepper = self.stepper
        if not stepper.wants_passes:
            self._watched_to_end = False  # the rest of the run is not seen
            self._hooks.remove()
            return
        if stepper.asks_before_nodes:
            self._hooked_before = self._possible("before")
            self._hooks.before(self._hooked_before)
        else:
            self._hooked_before = ()
        if stepper.asks_after_nodes:
            self._hooked_after = self._possible("after")
            self._hooks.after(self._hooked_after)

    def _possible(self, when: str) -> Collection[int]:
        """Return the nodes, not run yet, at which something armed may stop."""
        active = self.stepper.armed.asking(c.NODE, when)
        if not all(each.narrows() for each in active):
            return range(len(self.graph))
        event = NodeEvent(self.stepper, self.stepper.armed.anchor, self, 0, when)
        leaves = all(each.only_leaves() for each in active)
        found = set()
        for event.node in self._leaves if leaves else range(len(self.graph)):
            if any(each.possible(event) for each in active):
                found.add(event.node)
        return found

    def _mine(self) -> bool:
        """Is this our own run of the graph, and not one typed at a stop?"""
        task = running_backward()
        if self._task is None:
            self._task = task
        return bool(task == self._task)

    def _light(self) -> Callable[[Any], None]:
        """Return the light hook: a node runs, and nothing is to be asked. Called for each: lean."""
        index, ran, running, seen = self.graph.index, self._ran, self._running, self._hooks.seen
        task, thread = running_backward, threading.get_ident

        def hook(grad: Any) -> None:
            place = index[running_node()]
            if place not in seen and (task() == self._task or self._mine()):
                ran[place] = None
                running[thread()] = place

        return hook

    def _note(self, place: int) -> None:
        self._ran[place] = None
        if place in self._leaves:
            self._reached.append(place)
        self._running[threading.get_ident()] = place  # the thread's last one is done

    def _before(self, place: int, grads: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Prehook: the node is about to run. Returns gradients only if the user replaced some."""
        if not self._mine():
            return None
        self._note(place)
        stepper = self.stepper
        asked = stepper.asks_before_nodes and place in self._hooked_before
        if self._small and (asked or self.parked):
            self._ran[place] = _first_norm(grads)
        if not asked:
            return None
        event = NodeEvent(stepper, stepper.armed.anchor, self, place, "before")
        event.grad_in = list(grads)
        stepper.event(event)
        stepper.deliver_interrupt()
        if all(new is old for new, old in zip(event.grad_in, grads, strict=True)):
            return None
        return tuple(event.grad_in)

    def _after(self, place: int, outputs: tuple[Any, ...], grads: tuple[Any, ...]) -> None:
        """Hook: the node has run."""
        stepper = self.stepper
        if not self._mine() or not stepper.asks_after_nodes or place not in self._hooked_after:
            return
        self._running.pop(threading.get_ident(), None)
        event = NodeEvent(stepper, stepper.armed.anchor, self, place, "after")
        event.grad_in, event.grad_out = list(grads), list(outputs)
        stepper.event(event)

    def _to_run(self) -> Iterable[int]:
        return range(len(self.graph)) if self.needed is None else self.needed

    @property
    def begun(self) -> int:
        """How many nodes have begun to run."""
        return len(self._ran)

    def ran(self) -> list[int]:
        """Return those, in the engine's true order."""
        return list(self._ran)

    def has_begun(self, node: int) -> bool:
        """Has the node begun to run?"""
        return node in self._ran

    def is_done(self, node: int) -> bool:
        """Has the node run to its end?"""
        return node in self._ran and node not in self._running.values()

    def norm(self, node: int) -> float | None:
        """Return the norm of what arrived at the node, where it has run and is known."""
        return self._ran.get(node)

    # -- what may be asked -------------------------------------------------------------------

    def leaves(self) -> frozenset[int]:
        """Return the nodes that accumulate into a leaf."""
        return self._leaves

    def names_of(self, variable: torch.Tensor) -> tuple[str, ...]:
        """Return the names of a leaf; they are kept from one backward to the next."""
        known = self.stepper.leaf_names
        caller = self.frame.f_code if self.frame is not None else None
        held, spelled, seen_from = known.get(id(variable), (None, (), None))
        # What has no name in reach of one function may have one in reach of another.
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

    def saved_values(self, node: Any) -> dict[str, Any]:
        """Return the saved values by name, as far as they can be had without running hooks."""
        return {name: value for name, value, _ in nodes.saved(node)}

    def accumulated(self) -> tuple[list[Accumulated], int]:
        """Return the leaves that have their gradient, at most ``LISTED`` of them, and how many."""
        count = len(self._reached)
        if self._reached and not self.is_done(self._reached[-1]):
            count -= 1
        found = []
        for place in self._reached[: min(count, LISTED)]:
            variable = self.graph.nodes[place].variable
            norm = None if variable.grad is None else figures.norm(variable.grad)
            found.append(Accumulated(self.leaf(place), norm, facts.sizes(variable.shape)))
        return found, count

    def missing(self) -> list[str]:
        """Return the parameters in reach that require a gradient and have none."""
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
            if not self._watched_to_end:  # what ran unseen is what was to run
                self._ran |= dict.fromkeys(set(self._to_run()) - self._ran.keys())
                self._reached = [place for place in self._ran if place in self._leaves]
            self._running.clear()
        leaves, count = self.accumulated()
        run = len(self._ran) - len(self._running)
        return PassRecord(
            outcome=outcome,
            nodes_run=run,
            total=self.order.total,
            root=self.root,
            accumulated=tuple(leaves),
            accumulated_count=count,
            seconds=time.perf_counter() - self.started,
        )


def _first_norm(grads: tuple[Any, ...]) -> float | None:
    for grad in grads:
        if isinstance(grad, torch.Tensor):
            return figures.norm(grad)
    return None


def _said(error: BaseException) -> str:
    line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
