"""What a face sees of a pass as a whole: a window on its rows with lanes, the way to a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import Lanes
from gradrepl.model import NodeRow

if TYPE_CHECKING:
    from gradrepl.engine.graph.backward import Pass

FAR = 20_000
"""Rows beyond those drawn to which lanes are not followed."""
PATH = 64
"""Nodes in a path at the most."""


class View:
    """Rows and paths of one pass, drawn only as far as somebody asks."""

    def __init__(self, backward: Pass) -> None:
        self.backward = backward
        self._used_by: tuple[int, dict[int, list[int]]] | None = None
        self._lanes = Lanes(backward.graph.next, backward.graph.index[backward.graph.roots[0]])
        self._drawn: list[str] = []

    def rows(self, first: int, count: int, event: Any) -> tuple[tuple[NodeRow, ...], int]:
        """Return a window on the rows, in run order; a negative ``first`` puts us in its middle."""
        here = getattr(event, "node", None)
        if first < 0:
            place = self.backward.order.place(here) if here is not None else len(self.backward.ran)
            first = max(0, place - count // 2)
        found = []
        for place in range(first + 1, first + count + 1):
            node = self.backward.order.at(place)
            if node is None:
                break
            found.append(nodes.row(self.backward, node, here, self._lanes_of(place)))
        return tuple(found), first

    def _lanes_of(self, place: int) -> str:
        """Return the lanes of a row; far beyond what was drawn before, they begin anew."""
        if place - len(self._drawn) > FAR:
            return "○"
        while len(self._drawn) < place:
            node = self.backward.order.at(len(self._drawn) + 1)
            assert node is not None
            leaf = hasattr(self.backward.graph.nodes[node], "variable")
            self._drawn.append(self._lanes.row(node, leaf))
        return self._drawn[place - 1]

    def path_to(self, node: int) -> list[int]:
        """Return a way from a root to ``node``: nodes whose gradients led here, in run order."""
        found = [node]
        while not self.backward.is_root(found[0]):
            users = self._users().get(found[0], ())
            ran = [user for user in users if user in self.backward.ran]
            if not ran or len(found) > PATH:
                break
            found.insert(0, ran[0])
        return found

    def _users(self) -> dict[int, list[int]]:
        if self._used_by is None or self._used_by[0] != len(self.backward.ran):
            found: dict[int, list[int]] = {}
            for node in list(self.backward.ran):
                for target in self.backward.graph.next(node):
                    if target >= 0:
                        found.setdefault(target, []).append(node)
            self._used_by = (len(self.backward.ran), found)
        return self._used_by[1]
