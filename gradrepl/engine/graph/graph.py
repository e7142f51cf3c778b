"""The graph of one backward: its nodes and edges, and the order in which the engine will run it.

The engine's rule, for one CPU thread: of the nodes that are ready, the one with the highest
sequence number runs next, and AccumulateGrad (whose number is the highest there is) at once. Ties
are broken by the layout of the engine's heap, so the heap is simulated, as libstdc++ does it.
"""

from __future__ import annotations

import gc
import sys
from array import array
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from gradrepl.engine import torch_private

LEAF = torch_private.AccumulateGrad
"""The type of the nodes that accumulate into a leaf."""
Entry = tuple[int, int]
"""(sequence number, index of the node)"""


@contextmanager
def without_gc() -> Iterator[None]:
    """Keep the garbage collector from running again and again over a million new handles."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Graph:
    """Nodes reachable from the roots, as columns; a node is an index into them."""

    def __init__(self, roots: Sequence[Any], limit: int | None = None) -> None:
        """Walk the graph; with ``limit`` no further than so many nodes."""
        self.roots = list(roots)
        self.cut = False
        """Has it more nodes than that?"""
        self.nodes: list[Any] = []
        """The nodes, in order of discovery: breadth first from the roots."""
        self.starts = 0
        """How many of them, the first ones, are roots."""
        self.targets = array("l")
        """For each edge of each node in turn, the index of the node it leads to, or -1."""
        self.offsets = array("l", [0])
        """Where the edges of node i begin; one more than there are nodes."""
        self.several: set[int] = set()
        """Nodes that have more than one output."""
        self.index: dict[Any, int] = {}
        with without_gc():
            self._walk(sys.maxsize if limit is None else limit)

    def _walk(self, limit: int) -> None:
        nodes, index, targets, offsets = self.nodes, self.index, self.targets, self.offsets
        for root in self.roots:
            if root not in index:
                index[root] = len(nodes)
                nodes.append(root)
        find, discover, lead, close = index.get, nodes.append, targets.append, offsets.append
        size = self.starts = len(nodes)
        edges, several = 0, self.several.add
        for node in nodes:  # grows while we go
            for target, number in node.next_functions:
                edges += 1
                if target is None:
                    lead(-1)
                    continue
                place = find(target)
                if place is None and size >= limit:
                    self.cut = True
                    lead(-1)
                    continue
                if place is None:
                    index[target] = place = size
                    size += 1
                    discover(target)
                lead(place)
                if number:
                    several(place)
            close(edges)

    def release(self) -> None:
        """Hold no node any more."""
        self.nodes.clear()
        self.roots.clear()
        self.index.clear()

    def __len__(self) -> int:
        return len(self.nodes)

    def next(self, node: int) -> array[int]:
        """Return the indices that the edges of ``node`` lead to; -1 where there is none."""
        return self.targets[self.offsets[node] : self.offsets[node + 1]]

    def sequence(self, node: int) -> int:
        """Return the sequence number; AccumulateGrad has 2**64 - 1."""
        return int(self.nodes[node]._sequence_nr())

    @cached_property
    def callers(self) -> dict[int, list[int]]:
        """By node, those whose edges lead to it; one that has two such edges twice."""
        callers: dict[int, list[int]] = {}
        for node in range(len(self)):
            for target in self.next(node):
                if target >= 0:
                    callers.setdefault(target, []).append(node)
        return callers

    def needed(self, inputs: Iterable[int], accumulate: bool) -> set[int] | None:
        """Return the nodes that run when only ``inputs`` are asked for; None for all.

        As the engine decides it: a node runs if a node after it is asked for, or is itself
        needed; what is asked for runs only where it accumulates (``backward(inputs=...)``).
        """
        wanted = set(inputs)
        if not wanted:
            return None
        before = self.callers
        needed = set(wanted) if accumulate else set()
        seen, todo = set(wanted), list(wanted)
        for node in todo:
            for caller in before.get(node, ()):
                needed.add(caller)
                if caller not in seen:
                    seen.add(caller)
                    todo.append(caller)
        return needed


class Order:
    """The predicted run order, worked out only as far as somebody asks.

    The place of a node in it, counted from 1, is the id that the user sees.
    """

    def __init__(self, graph: Graph, needed: set[int] | None) -> None:
        self.graph = graph
        self.total = len(graph) if needed is None else len(needed)
        self.nodes: list[int] = []
        """Indices of nodes in run order, as far as worked out."""
        self._place: dict[int, int] = {}
        self._steps = self._simulate(needed)

    def place(self, node: int) -> int:
        """Return the place of ``node`` in the order, from 1; 0 if it does not run."""
        while node not in self._place:
            if not self._advance():
                return 0
        return self._place[node]

    def at(self, place: int) -> int | None:
        """Return the node at ``place`` (from 1), or None beyond the end."""
        while len(self.nodes) < place:
            if not self._advance():
                return None
        return self.nodes[place - 1] if place >= 1 else None

    def _advance(self) -> bool:
        node = next(self._steps, None)
        if node is None:
            return False
        self.nodes.append(node)
        self._place[node] = len(self.nodes)
        return True

    def _simulate(self, needed: set[int] | None) -> Iterator[int]:
        graph = self.graph
        offsets, targets = graph.offsets, graph.targets
        waiting = _arrows(graph, needed)
        heap: list[Entry] = []
        # A dummy node runs before several roots: one that is named twice is ready at the second.
        roots = dict.fromkeys(graph.index[root] for root in reversed(graph.roots))
        for root in reversed(roots):
            if waiting[root] == 0 and (needed is None or root in needed):
                push(heap, (graph.sequence(root), root))
        while heap:
            node = pop(heap)[1]
            yield node
            for target in targets[offsets[node] : offsets[node + 1]]:
                if target < 0 or (needed is not None and target not in needed):
                    continue
                waiting[target] -= 1
                if waiting[target] == 0:
                    push(heap, (graph.sequence(target), target))


def _arrows(graph: Graph, needed: set[int] | None) -> array[int]:
    """Return for each node how many edges of nodes that run lead to it."""
    counts = array("l", bytes(8 * len(graph)))
    targets: Iterable[int] = graph.targets
    if needed is not None:
        targets = (target for node in needed for target in graph.next(node))
    for target in targets:
        if target >= 0:
            counts[target] += 1
    return counts


def push(heap: list[Entry], entry: Entry) -> None:
    """Add an entry as ``std::push_heap`` does."""
    heap.append(entry)
    _rise(heap, len(heap) - 1, 0, entry)


def _rise(heap: list[Entry], hole: int, top: int, entry: Entry) -> None:
    parent = (hole - 1) // 2
    while hole > top and heap[parent][0] < entry[0]:
        heap[hole] = heap[parent]
        hole = parent
        parent = (hole - 1) // 2
    heap[hole] = entry


def pop(heap: list[Entry]) -> Entry:
    """Take the first entry as ``std::pop_heap`` does: the hole sinks to a leaf, then rises."""
    first = heap[0]
    entry = heap.pop()
    size = len(heap)
    if not size:
        return first
    hole = child = 0
    while child < (size - 1) // 2:
        child = 2 * (child + 1)
        if heap[child][0] < heap[child - 1][0]:
            child -= 1
        heap[hole] = heap[child]
        hole = child
    if size % 2 == 0 and child == (size - 2) // 2:
        child = 2 * (child + 1)
        heap[hole] = heap[child - 1]
        hole = child - 1
    _rise(heap, hole, 0, entry)
    return first


class Lanes:
    """The graph drawn beside its rows as ``git log --graph`` does, one row at a time."""

    WIDTH = 8

    def __init__(self, next_of: Callable[[int], Iterable[int]], first: int) -> None:
        self._next_of = next_of
        self._open: list[int | None] = [first]

    def merge(self, targets: Container[int], into: int) -> None:
        """Have the lanes to all of ``targets`` lead to ``into``, which stands for them."""
        self._open = [
            into if target is not None and target in targets else target for target in self._open
        ]

    def row(self, node: int, leaf: bool) -> str:
        """Return the lanes of ``node``'s row; rows must be asked for in run order."""
        lanes = self._open
        if node not in lanes:
            _place(lanes, node)
        here = lanes.index(node)
        joined = [i for i, target in enumerate(lanes) if target == node and i != here]
        for lane in (here, *joined):
            lanes[lane] = None
        targets = dict.fromkeys(target for target in self._next_of(node) if target >= 0)
        opened = list(_lead_on(lanes, here, targets))
        cut = len(lanes) > self.WIDTH
        text = _draw(lanes[: self.WIDTH + 1], here, joined, opened, leaf)
        while lanes and lanes[-1] is None:
            lanes.pop()
        last = 2 * self.WIDTH - 1
        return f"{text:{last}}"[:last] + "…" if cut else text


def _lead_on(lanes: list[int | None], here: int, targets: Iterable[int]) -> Iterator[int]:
    """Lead lanes to ``targets``, the first of them straight on; yield the others."""
    known = {target: lane for lane, target in reversed(list(enumerate(lanes)))}
    free = iter([lane for lane, target in enumerate(lanes) if target is None and lane != here])
    for target in targets:
        if target in known:
            yield known[target]
        elif lanes[here] is None:
            lanes[here] = target
        else:
            lane = next(free, len(lanes))
            lanes[lane : lane + 1] = [target]
            yield lane


def _place(lanes: list[int | None], target: int) -> int:
    if None in lanes:
        lane = lanes.index(None)
        lanes[lane] = target
    else:
        lane = len(lanes)
        lanes.append(target)
    return lane


ENDS = {(True, False): "╰┴╯", (False, True): "╭┬╮", (True, True): "│┴│"}
"""Where a lane (ends, begins): at the left end of a row's line, on it, at its right end."""


def _draw(
    lanes: list[int | None], here: int, joined: list[int], opened: list[int], leaf: bool
) -> str:
    ends = {*joined, *opened}
    low, high = min([here, *ends]), max([here, *ends])
    text = ""
    for lane, target in enumerate(lanes):
        within = low < lane < high
        mark = " " if target is None else "│"
        if lane == here:
            mark = "◇" if leaf else "○"
        elif lane in ends:
            mark = ENDS[lane in joined, lane in opened][1 if within else 2 * (lane > here)]
        elif within:
            mark = "─" if target is None else "┼"
        text += mark + ("─" if low <= lane < high else " ")
    return text.rstrip()
