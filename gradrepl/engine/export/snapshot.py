"""A graph as plain numbers and words, and recorded ops: nothing here holds anything of the user's.

A file is written from rows that are fetched in parts; between two parts the user's nodes must not
be kept alive. What costs much for each node (its op, its place in the order) is worked out with
the rows, so that no answer takes long.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gradrepl.engine.forward.calls import Call
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import Order
from gradrepl.engine.graph.nodes import Labelled
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.tensor.names import Names
from gradrepl.model import NodeRow, Taken

SAVED = 20_000
"""Nodes of a graph up to which it is looked what they have saved."""
SHAPES = 200_000
"""Nodes up to which the shapes of gradients are noted."""
LISTED = 8
KINDS = 4_096
Saved = tuple[tuple[str, ...], str]
"""What a node has saved, and what is wrong with it."""
NOTHING: Saved = ((), "")


class Snapshot:
    """One graph, in columns."""

    def __init__(self, source: Labelled, saved: bool = True) -> None:
        """Take a graph that nobody runs, or that of a backward that is paused."""
        graph = source.graph
        self._op_of = source.op_of
        self.targets: array[int] = graph.targets
        self.offsets: array[int] = graph.offsets
        self.roots = list(map(graph.index.__getitem__, graph.roots))
        self.index = dict(zip(self.roots, self.roots, strict=True))
        self.needed = source.needed
        self._sequence: array[int] = array("Q", [node._sequence_nr() for node in graph.nodes])
        self._number = array("L", (n for node in graph.nodes for _, n in node.next_functions))
        self._names = list(map(sys.intern, map(nodes.name, graph.nodes)))
        self._shapes = list(map(nodes.shape, graph.nodes)) if len(graph) <= SHAPES else []
        self._leaves = bytearray(map(source.is_leaf, range(len(graph))))
        leaves = (node for node, leaf in enumerate(self._leaves) if leaf)
        self._labels = source.variables | {node: source.leaf(node) for node in leaves}
        self._saved = dict(_saved(graph.nodes)) if saved and len(graph) <= SAVED else {}
        self._states: dict[int, str] = {}
        self._times: dict[int, tuple[float, float, int]] = {}
        """Of a recorded backward: when a node began, how long it took, and in which thread."""
        self._norms: dict[int, float | None] = {}
        self._ran: dict[int, int] = {}
        self.run = 0
        self.outcome = ""
        """Of a recorded backward: 'finished', 'raised RuntimeError'."""
        self._order: Order | None = None
        self._rest: dict[int, int] = {}

    # -- a backward ----------------------------------------------------------------------------

    def paused(self, backward: Labelled) -> None:
        """Note what has run of the backward that is paused."""
        ran = backward.ran()
        self._norms = {node: backward.norm(node) for node in ran}
        self._ran = {node: number for number, node in enumerate(ran, 1)}
        for node in range(len(self)):
            done = backward.is_done(node)
            self._states[node] = "done" if done else "here" if node in self._ran else "predicted"

    def recorded(self, seen: Recorder, run: int, outcome: str) -> None:
        """Note what a recorded backward ran, in which order and when."""
        seen.fetch()
        self.run, self.outcome = run, outcome
        ran = list(map(seen.graph.index.__getitem__, seen.ran))
        self._ran = {node: number for number, node in enumerate(ran, 1)}
        self._norms = dict(zip(ran, seen.ran.values(), strict=True))
        self._states = dict.fromkeys(ran, "done")
        self._times = dict(zip(ran, seen.times(), strict=True))

    @property
    def ran(self) -> list[int]:
        """The nodes that have run, in that order."""
        return list(self._ran)

    def in_run_order(self) -> Listed:
        """Return its nodes in the order in which they ran, the others behind them."""
        others = (node for node in range(len(self)) if node not in self._ran)
        return Listed([*self._ran, *sorted(others, key=self.id)], self.row)

    # -- a graph, as the order wants it --------------------------------------------------------

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def next(self, node: int) -> array[int]:
        """Return the indices that the edges of ``node`` lead to; -1 where there is none."""
        return self.targets[self.offsets[node] : self.offsets[node + 1]]

    def sequence(self, node: int) -> int:
        """Return the sequence number."""
        return self._sequence[node]

    # -- rows ----------------------------------------------------------------------------------

    def head(self, serial: int, what: str, names: Names | None, **about: Any) -> Taken:
        """Return what is said of the whole."""
        kinds: list[tuple[str, str]] = []
        for prefix, root in names.roots if names is not None else ():
            kinds.append((names.modules[id(root)], type(root).__name__))  # type: ignore[union-attr]
            for path, module in root.named_modules():
                if path and len(kinds) < KINDS:
                    kinds.append((prefix + path, type(module).__name__))
        some = (self._sequence[node] for node in range(min(len(self), 500)))
        recorded = any(self._op(number) is not None for number in some)
        edges = sum(target >= 0 for target in self.targets)
        return Taken(
            serial=serial,
            what=what,
            total=len(self),
            edges=edges,
            leaves=sum(self._leaves),
            recorded=recorded,
            kinds=tuple(kinds),
            **about,
        )

    def rows(self, first: int, count: int) -> list[NodeRow]:
        """Return rows in the order of their ids; the first is number 0."""
        order = self.order
        made = []
        for place in range(first, min(first + count, len(self))):
            node = order.at(place + 1)
            made.append(self.row(self._left(place) if node is None else node))
        return made

    @property
    def order(self) -> Order:
        """The order in which the engine runs the graph, worked out as far as somebody asks."""
        if self._order is None:
            self._order = Order(self, self.needed)  # type: ignore[arg-type]
        return self._order

    def _left(self, place: int) -> int:
        """Return the node at a place behind all that run."""
        if not self._rest:
            order = self.order
            left = [node for node in range(len(self)) if not order.place(node)]
            self._rest = {node: len(order.nodes) + n for n, node in enumerate(left, 1)}
        return list(self._rest)[place - len(self.order.nodes)]

    def id(self, node: int) -> int:
        """Return the place in the order, from 1, of a node; behind it those that do not run."""
        if node < 0:
            return 0
        place = self.order.place(node)
        if not place:
            self._left(len(self.order.nodes))
            place = self._rest[node]
        return place

    def _op(self, sequence: int) -> Call | None:
        return None if sequence >= nodes.NO_SEQUENCE else self._op_of(sequence)

    def row(self, node: int) -> NodeRow:
        """Return one node."""
        number = self._sequence[node]
        op = self._op(number)
        label = self._labels.get(node, "")
        leaf = bool(self._leaves[node])
        first, last = self.offsets[node], self.offsets[node + 1]
        state, problem = self._condition(node)
        begin, seconds, thread = self._times.get(node, (None, None, 0))
        return NodeRow(
            id=self.id(node),
            name=self._names[node],
            label=label,
            module=op.module if op else label.rpartition(".")[0] if leaf else "",
            op=op.id if op else None,
            op_name=op.name if op else "",
            site=op.site if op else None,
            sequence=None if number >= nodes.NO_SEQUENCE else number,
            shape=self._shapes[node] if self._shapes else None,
            leaf=leaf,
            to=tuple(map(self.id, self.targets[first:last])),
            inputs=tuple(self._number[first:last]),
            state=state,
            order=self._ran.get(node, 0),
            norm=self._norms.get(node),
            begin=begin,
            seconds=seconds,
            thread=thread,
            run=self.run,
            saved=self._saved.get(node, NOTHING)[0],
            problem=problem,
        )

    def _condition(self, node: int) -> tuple[str, str]:
        """Return the state of a node, and what is wrong with it."""
        state, problem = self._states.get(node, ""), self._saved.get(node, NOTHING)[1]
        norm = self._norms.get(node)
        if norm is not None and not math.isfinite(norm):
            problem = "nan" if math.isnan(norm) else "inf"
        elif problem == "freed" and state == "done":
            problem = ""
        if self.needed is not None and node not in self.needed:
            state = "not asked for"
        return state, problem


def _saved(live: Sequence[Any]) -> Iterator[tuple[int, Saved]]:
    for place, node in enumerate(live):
        saved = nodes.saved_texts([node], LISTED)
        if saved != NOTHING:
            yield place, saved


class Listed:
    """Rows of what was taken, each made of its item when it is fetched."""

    def __init__(self, items: Sequence[Any], row: Callable[[Any], Any]) -> None:
        self._items, self._row = items, row

    def __len__(self) -> int:
        return len(self._items)

    def rows(self, first: int, count: int) -> list[Any]:
        """Return some rows."""
        return [self._row(item) for item in self._items[first : first + count]]
