"""The part of a graph that lies between a root and a target, and how many paths there are.

A path is a sequence of edges; ``x * x`` has two of them to ``x``. They are counted without being
enumerated: each node has as many as the nodes that its edges lead to have together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gradrepl.engine.graph.graph import Graph, Order

DIGITS = 4_000
"""Numbers of paths with more digits are not written out."""
MOST: int = 10**DIGITS


class Start(NamedTuple):
    """Where paths begin: a node (or its index), which of its outputs, the gradient there."""

    node: Any
    number: int
    seed: Any


class Hop(NamedTuple):
    """An edge that lies on a path: of which input of the node, to which port."""

    edge: int
    node: int
    number: int


class PathGraph:
    """All paths from ``starts`` to output ``number`` of ``target``; nodes are graph indices."""

    def __init__(self, starts: Sequence[Start], target: Any, number: int) -> None:
        self.graph = Graph(list(dict.fromkeys(start.node for start in starts)))
        self.starts = [s._replace(node=self.graph.index[s.node]) for s in starts]
        self.target = self.graph.index.get(target, -1)
        self.number = number
        self.order: list[int] = []
        """Nodes on some path, but the target, in the order in which the engine runs them."""
        self._count: dict[int, int] = {}
        self._hops: dict[int, tuple[Hop, ...]] = {}
        if self.target >= 0:
            self._find()

    def _find(self) -> None:
        graph = self.graph
        needed = graph.needed([self.target], accumulate=False) or set()
        order = Order(graph, needed)
        places = (order.at(place) for place in range(1, len(needed) + 1))
        ordered = [node for node in places if node is not None]
        for node in reversed(ordered):
            hops = tuple(self._hops_of(node))
            if hops:
                self._hops[node] = hops
                self._count[node] = min(MOST, sum(self._beyond(hop) for hop in hops))
        self.order = [node for node in ordered if node in self._count]

    def _hops_of(self, node: int) -> Iterator[Hop]:
        for edge, (place, (_, number)) in enumerate(
            zip(self.graph.next(node), self.graph.nodes[node].next_functions, strict=True)
        ):
            if self.ends((place, number)) or place in self._count:
                yield Hop(edge, place, int(number))

    def ends(self, port: tuple[int, int]) -> bool:
        """Is this (node, output) the target?"""
        return port == (self.target, self.number)

    def hops(self, node: int) -> tuple[Hop, ...]:
        """Return the edges of ``node`` that lie on a path."""
        return self._hops.get(node, ())

    def _beyond(self, hop: Hop) -> int:
        return self._count.get(hop.node, 0) + self.ends((hop.node, hop.number))

    def paths_from(self, node: int, number: int) -> int:
        """Return the number of paths from output ``number`` of ``node``; capped at 10**4000."""
        return self._beyond(Hop(0, node, number))

    @property
    def count(self) -> int:
        """The number of paths; 10**4000 stands for that and more."""
        return min(MOST, sum(self.paths_from(node, number) for node, number, _ in self.starts))


def written(count: int) -> int | str:
    """Return a number of paths as it travels: beyond 64 bits its digits, or '>1e4000'."""
    if count < 2**63:
        return count
    return f">1e{DIGITS}" if count >= MOST else str(count)
