"""A graph's nodes in the engine's order, the ones of a folded module taken together.

Nodes that follow each other in that order and belong to one module make one row: cutting an order
in which every node comes before its targets into runs leaves it such an order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gradrepl.engine.graph.graph import Lanes
from gradrepl.engine.tensor.names import Names

WHOLE = 50_000
"""Nodes up to which a graph is worked out to its end."""


class Folds:
    """Which nodes are taken together: by the path of their module."""

    def __init__(self, names: Names, depth: int | None, unfold: Iterable[str]) -> None:
        self.depth = depth
        self.unfold = tuple(unfold)
        self._prefixes = [prefix for prefix, _ in names.roots if prefix]
        self._tops = {names.modules[id(root)]: prefix for prefix, root in names.roots}
        self._known: dict[str, str] = {}

    def key(self, path: str) -> str:
        """Return the path of the folded module that ``path`` belongs to, or '' for none."""
        if self.depth is None or not path:
            return ""
        found = self._known.get(path)
        if found is None:
            found = self._known[path] = self._key(path)
        return found

    def _key(self, path: str) -> str:
        assert self.depth is not None
        if path in self._tops:  # what a root itself calls belongs to none of its children
            return path if self.depth == 0 and path not in self.unfold else ""
        prefix = next((p for p in self._prefixes if path.startswith(p)), "")
        depth = max([self.depth, *(self._opened(path, prefix, each) for each in self.unfold)])
        if path in self.unfold:
            return ""
        if depth == 0:
            return prefix.rstrip(".") or next(iter(self._tops), "")
        return prefix + ".".join(path[len(prefix) :].split(".")[:depth])

    def _opened(self, path: str, prefix: str, module: str) -> int:
        """Return the depth from which on modules are folded where ``module`` is unfolded."""
        if module in self._tops:
            return 1 if self._tops[module] == prefix else 0
        inside = f"{path}.".startswith(f"{module}.")
        return module[len(prefix) :].count(".") + 2 if inside else 0


class Run:
    """One row: nodes that follow each other, of one folded module, or one node."""

    __slots__ = ("first", "key", "nodes")

    def __init__(self, first: int, key: str, node: int) -> None:
        self.first, self.key, self.nodes = first, key, [node]
        """``first``: place in the order of the first node, from 1."""


def runs(source: Any, key_of: Callable[[int], str]) -> Iterator[Run]:
    """Yield the rows of a graph in the engine's order, worked out as far as somebody asks."""
    place, current = 1, None
    while (node := source.order.at(place)) is not None:
        key = key_of(node)
        if current is not None and key and key == current.key:
            current.nodes.append(node)
        else:
            if current is not None:
                yield current
            current = Run(place, key, node)
        place += 1
    if current is not None:
        yield current


class FoldedLanes:
    """The lanes beside the rows, where a row may stand for many nodes."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._targets: list[int] = []
        start = source.graph.index[source.graph.roots[0]]
        self._lanes = Lanes(lambda node: self._targets, start)

    def row(self, run: Run, leaf: bool) -> str:
        """Return the lanes of the next row; rows must be asked for in order."""
        inside = set(run.nodes)
        first = run.nodes[0]
        self._lanes.merge(inside, first)
        self._targets = targets(self._source, run)
        return self._lanes.row(first, leaf)


def targets(source: Any, run: Run) -> list[int]:
    """Return the nodes outside of a row that its gradients go to, each once."""
    inside = set(run.nodes)
    found = (target for node in run.nodes for target in source.graph.next(node))
    return list(dict.fromkeys(t for t in found if t >= 0 and t not in inside))
