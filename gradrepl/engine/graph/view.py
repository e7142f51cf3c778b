"""What a client sees of a backward: a window on its rows with lanes, the way to a node, a node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from gradrepl.engine.chain import table
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import LEAF, Lanes
from gradrepl.engine.graph.labels import Labelled
from gradrepl.engine.tensor import facts
from gradrepl.model import Edge, Node, NodeRow

FAR = 20_000
"""Rows beyond those drawn to which lanes are not followed."""
PATH = 64
"""Nodes in a path at the most."""


class View:
    """Rows and paths of one pass, drawn only as far as somebody asks."""

    def __init__(self, backward: Labelled) -> None:
        self.backward = backward
        self._used_by: tuple[int, dict[int, list[int]]] | None = None
        """How many had run then, and by node those whose gradients go to it."""
        self._lanes = Lanes(backward.graph.next, backward.graph.index[backward.graph.roots[0]])
        self._drawn: list[str] = []

    def rows(self, first: int, count: int, event: Any) -> tuple[tuple[NodeRow, ...], int]:
        """Return a window on the rows, in run order; a negative ``first`` puts us in its middle."""
        here = getattr(event, "node", None)
        backward = self.backward
        if first < 0:
            place = backward.begun if here is None else backward.order.place(here)
            first = max(0, place - count // 2)
        rows = []
        for place in range(first + 1, first + count + 1):
            node = backward.order.at(place)
            if node is None:
                break
            begun = "done" if backward.has_begun(node) else "predicted"
            state = "here" if node == here else begun
            rows.append(backward.row(node, place, state=state, lanes=self._lanes_of(place)))
        return tuple(rows), first

    def _lanes_of(self, place: int) -> str:
        """Return the lanes of a row; far beyond what was drawn before, they begin anew."""
        if place - len(self._drawn) > FAR:
            return "○"
        while len(self._drawn) < place:
            node = self.backward.order.at(len(self._drawn) + 1)
            assert node is not None
            self._drawn.append(self._lanes.row(node, self.backward.is_leaf(node)))
        return self._drawn[place - 1]

    def path_to(self, node: int) -> list[int]:
        """Return a way from a root to ``node``: nodes whose gradients led here, in run order."""
        path = [node]
        while not self.backward.is_root(path[0]) and len(path) <= PATH:
            users = self._users().get(path[0])
            if not users:
                break
            path.insert(0, users[0])
        return path

    def _users(self) -> dict[int, list[int]]:
        """Return by node those that have run and whose gradients go to it, in run order."""
        backward = self.backward
        if self._used_by is None or self._used_by[0] != backward.begun:
            users: dict[int, list[int]] = {}
            for node in backward.ran():
                for target in backward.graph.next(node):
                    if target >= 0:
                        users.setdefault(target, []).append(node)
            self._used_by = (backward.begun, users)
        return self._used_by[1]

    # -- one node ------------------------------------------------------------------------------

    def node(self, place: int, event: Any = None) -> Node:
        """Return the record of the node at index ``place``; gradients only at its own event."""
        backward = self.backward
        node, op = backward.graph.nodes[place], backward.op(place)
        sequence = backward.graph.sequence(place)
        ran = backward.has_begun(place) and not (event is not None and event.when == "before")
        return Node(
            id=backward.order.place(place),
            name=nodes.name(node),
            label=backward.label(place),
            seq=None if sequence >= nodes.NO_SEQUENCE else sequence,
            site=op.site if op else None,
            module=backward.module(place),
            op=op.id if op else None,
            rule=_rule(node, op, ran),
            grad_in=_describe(event.grad_in) if event else (),
            grad_out=_describe(event.grad_out) if event else (),
            edges=tuple(self._edges(node)),
            saved=nodes.saved_records(node, backward.names),
            hooks=_hooks(node),
        )

    def _edges(self, node: Any) -> Iterator[Edge]:
        backward = self.backward
        for target, number in node.next_functions[:16]:
            index = backward.graph.index.get(target) if target is not None else None
            if index is None:
                yield Edge(0, int(number), "none")
                continue
            where = backward.order.place(index)  # 0 where nobody asked for that gradient
            label = backward.leaf(index) or nodes.name(target)
            shown = f"#{where} {label}" if where else f"none ({label} is not asked for)"
            yield Edge(where, int(number), shown)


def _describe(grads: list[Any]) -> tuple[Any, ...]:
    return tuple(
        facts.describe(grad) if isinstance(grad, torch.Tensor) else None for grad in grads[:16]
    )


def _rule(node: Any, op: Any, ran: bool) -> str:
    """Return what the node does to a gradient: torch's own formula, where it has one."""
    if type(node) is LEAF:
        if ran:
            return "went into the leaf's .grad"
        fresh = node.variable.grad is None
        return "becomes the leaf's .grad" if fresh else "is added to the leaf's .grad"
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        return f"{type(node).__name__.removesuffix('Backward')}.backward, in Python"
    entry = table.table().get(nodes.name(node))
    if entry is not None:
        return "; ".join(f"d/d {to} {formula}" for to, formula in entry.formulas.items())
    made = op.name if op else nodes.name(node).rstrip("0123456789").removesuffix("Backward").lower()
    return f"derivative of {made}"


def _hooks(node: Any) -> int:
    variable = getattr(node, "variable", None)
    found = getattr(variable, "_backward_hooks", None) or ()
    after = getattr(variable, "_post_accumulate_grad_hooks", None) or ()
    return len(found) + len(after)
