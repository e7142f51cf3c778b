"""What one backward does, node by node: one walk of its graph, one set of hooks, one list.

Whoever looks on says how deep, and what is hooked is made for the deepest of them: for the order
alone a hook is one call, for norms one call and one number. It acts only inside its own backward:
the same graph may be run by something typed at a stop, or by a hook of the user's.

The hook is a dictionary that all nodes share, through torch's own way of attaching a tensor's
hooks to a node: a tenth of the cost of ``register_prehook``, and emptied at one stroke. It stays
with a node, empty, as long as the node lives, so that where the graph may be run again, hooks that
can be removed one by one take its place. It never fires on AccumulateGrad and shows the gradient
at output 0 only; there, and where torch does not have it, single hooks do its work, too.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import torch

from gradrepl.engine.boundary import Part
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.arrivals import LARGE, Arrivals, fetch, vector_norm
from gradrepl.engine.graph.graph import LEAF, Graph, without_gc
from gradrepl.engine.observers import Depth
from gradrepl.engine.tensor import figures
from gradrepl.engine.torch_private import modes, running_backward, running_node

SMALL = 5_000
"""Nodes of a graph up to which a hook for each costs next to nothing."""
_carrier: Any = torch.empty(0, device="cpu")
"""Whose hooks a node takes over: made once, as making one would be seen by the user's modes."""
_clock = time.perf_counter
Grads = tuple[torch.Tensor | None, ...]
Arrived = Callable[[torch.Tensor | None], None]
Before = Callable[[Grads], Grads | None]
After = Callable[[Grads, Grads], None]


class Recorder:
    """Sees the nodes of one backward run."""

    def __init__(
        self,
        graph: Graph,
        depth: Depth = Depth.ORDER,
        *,
        keeps: bool = False,
        grows: bool = False,
        times: bool = False,
        steps: bool = False,
        shared: bool = False,
        part: Part | None = None,
    ) -> None:
        """``keeps``: the graph may be run again; ``grows``: with ``create_graph``; ``times``: when
        each node began; ``steps``: which node each thread is at."""
        self.graph, self.depth = graph, depth
        self.part = part or Part("looking at a backward")
        self.whole = True
        """Has every node been looked at that has run?"""
        self.struck: list[BaseException] = []
        """What handlers of signals of the program's have raised in our hooks: for after the run."""
        self.shared = shared
        """Does anybody look at the nodes but who steps?"""
        self.ran: dict[Any, Any] = {}
        """The nodes that have begun, in the engine's true order, each with the norm of what arrived
        first, where it is known; on an accelerator a tensor that will tell it."""
        self.ranges: list[tuple[Any, Any]] = []
        """With statistics: minimum and maximum, one for each of them."""
        self.leaves: list[tuple[int, Any]] = []
        """Those of them that accumulate into a leaf, with their places in that order, from 0."""
        self.at_leaf: dict[int, tuple[Any, int, int]] = {}
        """By id of a leaf: its node, and address and version of the gradient that arrived."""
        self.running: dict[int, Any] = {}
        """The node that each thread of the engine is at, where somebody steps."""
        self.clocked: list[tuple[int, float, float]] = []
        """With times, one for each of them: thread, when it was reached, and when it began."""
        self.arrivals = Arrivals(self.ran, grows)
        self.removable = keeps or (len(graph) <= SMALL and not frees(graph.nodes))
        """Do all hooks go with this backward?"""
        self._times, self._steps, self._ended = times, steps, 0.0
        self.took = 0.0
        """Seconds that it took to have it in place."""
        self._task: int | None = None
        self._common: OrderedDict[int, Arrived] = OrderedDict()
        self._handles: list[Any] = []
        self._stops: list[Any] = []
        self._arrived: Arrived = self._compiled()

    # -- hooks -----------------------------------------------------------------------------------

    def attach(self) -> None:
        """Have a hook at every node."""
        begun = _clock()
        hold, at_leaf, first = self._handles.append, self._at_leaf, self._first
        graph, shares = self.graph, not self.removable
        if shares:
            self._common[0] = self._arrived
            _carrier._backward_hooks = self._common
        alone = graph.several if self.depth > Depth.ORDER else frozenset()
        with without_gc():
            for place, node in enumerate(graph.nodes):
                if type(node) is LEAF:
                    hold(node.register_prehook(at_leaf))
                elif shares and place not in alone:
                    try:
                        node._register_hook_dict(_carrier)
                    except (AttributeError, TypeError, RuntimeError):  # another version of torch
                        hold(node.register_prehook(first))
                else:
                    hold(node.register_prehook(first))
        self.took += _clock() - begun

    def deepen(self, depth: Depth) -> None:
        """Look deeper from now on, unless nodes show the gradient at their first output only."""
        if not self._common and depth > self.depth:
            self.depth = depth
            self._arrived = self._compiled()

    def stop_before(self, places: Iterable[int], hook: Before) -> None:
        """Call ``hook`` with the gradients before these nodes run; it may return others."""
        live, hold = self.graph.nodes, self._stops.append
        with without_gc():
            for place in places:
                hold(live[place].register_prehook(hook))

    def stop_after(self, places: Iterable[int], hook: After) -> None:
        """Call ``hook`` with what comes out and what came in, when these nodes have run."""
        live, hold = self.graph.nodes, self._stops.append
        with without_gc():
            for place in places:
                hold(live[place].register_hook(hook))

    def stop_no_more(self) -> None:
        """Take the hooks away that may stop."""
        for handle in self._stops:
            handle.remove()
        self._stops.clear()

    def remove(self) -> None:
        """Take all hooks away."""
        self._ended = _clock()
        self.stop_no_more()
        self._common.clear()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.arrivals.forget()

    def release(self) -> None:
        """Let go of everything of the user's."""
        self.remove()
        self.graph.release()
        self._arrived = _nothing  # it refers to us
        for kept in (self.ran, self.leaves, self.at_leaf, self.running, self.struck):
            kept.clear()

    def failed(self, error: BaseException) -> None:
        """A hook of ours has raised: the backward goes on without it."""
        if self.part.failed(error):
            self.whole = False
            self.remove()
        else:
            self.struck.append(error)

    def mine(self) -> bool:
        """Is this our own run of the graph, and not one typed at a stop?"""
        task = running_backward()
        if self._task is None:
            self._task = task
        return task == self._task

    def note(self, node: Any, grads: Grads) -> None:
        """Note a node that has a hook that may stop, and no other."""
        if type(node) is LEAF:
            self._at_leaf(grads)
        elif grads[0] is None:
            self._first(grads)
        else:
            self._arrived(grads[0])

    # -- what is called for each node: lean ------------------------------------------------------

    def _compiled(self) -> Arrived:
        """Return what is called with each gradient; it has all it needs at hand."""
        arrived = self._norms() if self.depth > Depth.ORDER else self._order()
        return self._timed(arrived) if self._times else arrived

    def _order(self) -> Arrived:
        ran, running, node = self.ran, self.running, running_node
        task, thread = running_backward, threading.get_ident

        def arrived(grad: torch.Tensor | None) -> None:
            try:
                if task() == self._task or self.mine():
                    here = running[thread()] = node()
                    ran[here] = None
            except BaseException as error:
                self.failed(error)

        return arrived

    def _norms(self) -> Arrived:
        ran, ranges, node, task = self.ran, self.ranges.append, running_node, running_backward
        steps, running, thread = self._steps, self.running, threading.get_ident
        statistics = self.arrivals.extremes = self.depth >= Depth.STATISTICS
        quick, slow = self.arrivals.quick, self.arrivals.figures
        norm, extremes, small, inf = vector_norm, torch.aminmax, figures.SMALL, math.inf

        def arrived(grad: torch.Tensor | None) -> None:
            try:
                if task() != self._task and not self.mine():
                    return
                here = node()
                if steps:
                    running[thread()] = here
                if quick(grad) and 0 < grad.numel() < LARGE:
                    value = norm(grad).item()
                    if small <= value < inf:
                        ran[here] = value
                        if statistics:
                            low, high = extremes(grad)
                            ranges((low.item(), high.item()))
                        return
                value, low, high = slow(grad)
                ran[here] = value
                if statistics:
                    ranges((low, high))
            except BaseException as error:
                self.failed(error)

        return arrived

    def _timed(self, arrived: Arrived) -> Arrived:
        ran, clocked, thread = self.ran, self.clocked.append, threading.get_ident

        def timed(grad: torch.Tensor | None) -> None:
            try:
                reached, count = _clock(), len(ran)
                arrived(grad)
                if len(ran) > count:
                    clocked((thread(), reached, _clock()))  # after our own arithmetic
            except BaseException as error:
                self.failed(error)

        return timed

    def _first(self, grads: Grads) -> None:
        """Prehook: tell the first of the gradients that is there."""
        try:
            grad = grads[0]
            if grad is None and len(grads) > 1:
                grad = next((each for each in grads if each is not None), None)
                if grad is not None and self.mine():
                    self.arrivals.odd(grad)
            self._arrived(grad)
        except BaseException as error:
            self.failed(error)

    def _at_leaf(self, grads: Grads) -> None:
        """Prehook: a leaf's gradient has arrived."""
        try:
            (grad,) = grads
            count = len(self.ran)
            self._arrived(grad)
            if len(self.ran) != count:
                self._note_leaf(count, grad)
        except BaseException as error:
            self.failed(error)

    def _note_leaf(self, count: int, grad: Any) -> None:
        node = running_node()
        self.leaves.append((count, node))
        if (
            self.depth > Depth.ORDER
            and type(grad) is torch.Tensor
            and not modes()
            and grad.layout is torch.strided
        ):
            self.at_leaf[id(node.variable)] = (node, grad.data_ptr(), grad._version)

    def assume(self, places: Iterable[int]) -> None:
        """Take it that these nodes have run, too: nobody looked."""
        live = self.graph.nodes
        for place in places:
            if live[place] not in self.ran:
                self.ran[live[place]] = None
        self.leaves = [(at, node) for at, node in enumerate(self.ran) if type(node) is LEAF]

    # -- afterwards ------------------------------------------------------------------------------

    def fetch(self) -> None:
        """Have every figure as a number: those on accelerators come in one transfer."""
        if self.arrivals.far:
            norms, *ranges = [list(self.ran.values()), *map(list, zip(*self.ranges, strict=True))]
            fetch([norms, *ranges])
            self.ran.update(zip(self.ran, norms, strict=True))
            self.ranges[:] = zip(*ranges, strict=True)

    def times(self) -> Iterator[tuple[float, float, int]]:
        """Yield when each node began, how long it took, and in which thread, in their order.

        A node lasts until the next one of its thread is reached, or until the hooks are gone.
        """
        ends: list[float] = []
        following: dict[int, float] = {}
        for thread, reached, _ in reversed(self.clocked):
            ends.append(following.get(thread, self._ended))
            following[thread] = reached
        for (thread, _, begin), end in zip(self.clocked, reversed(ends), strict=True):
            yield begin, max(0.0, end - begin), thread

    def norm_at_leaf(self, leaf: Any, grad: torch.Tensor) -> float | None:
        """Return the norm of a leaf's gradient if it is what arrived, written by nobody since."""
        node, address, version = self.at_leaf.get(id(leaf), (None, 0, -1))
        if not address or type(grad) is not torch.Tensor or grad.layout is not torch.strided:
            return None
        if grad.data_ptr() != address or grad._version != version:
            return None
        norm = self.ran[node]
        return norm if isinstance(norm, float) else None

    def arrived(self) -> Iterator[tuple[Any, float | None, tuple[int, ...] | None]]:
        """Yield the nodes that have run, with norm and shape of the first gradient that arrived."""
        self.fetch()
        odd = self.arrivals.shapes
        for place, (node, norm) in enumerate(self.ran.items()):
            yield node, norm, odd[place] if place in odd else nodes.shape(node)


def _nothing(grad: torch.Tensor | None) -> None:
    """Note no node."""


def frees(nodes: Iterable[Any]) -> bool:
    """Will a backward free something of this graph, so that it cannot be run again?"""
    kinds: Iterator[Any] = map(type, nodes)
    return any(map(_saves, kinds))


@cache
def _saves(kind: Any) -> bool:
    return any(name.startswith("_raw_saved") for name in dir(kind))
