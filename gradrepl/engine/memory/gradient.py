"""Does gradient flow from one tensor to another: a walk over the graph between them."""

from __future__ import annotations

from typing import Any

import torch

from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import LEAF
from gradrepl.engine.tensor import facts

NODES = 200_000
"""Nodes followed at the most."""
NAMED = 4
"""Nodes of a short way that are told by name."""


def way(start: torch.Tensor, goal: torch.Tensor) -> list[str] | None:
    """Return the names of the nodes from ``start`` to ``goal``; None where no gradient flows.

    An empty list is a tensor that passes its gradient on by no node at all: the same variable.
    Looked for among the first ``NODES`` nodes. Call it only inside of ``tensors.quiet()``.
    """
    if not start.requires_grad or not goal.requires_grad:
        return None
    target, root = _end(goal), facts.node_of(start)
    if target is None:
        return None
    if root is None:
        return [] if start is goal else None
    if (root, start.output_nr) == target:
        return []
    before: dict[Any, Any] = {root: None}
    todo = [root]
    for node in todo:  # grows while we go: the shortest way is found first
        for follower, number in node.next_functions:
            if follower is None:
                continue
            if (follower, number) == target or _is_leaf_of(follower, target):
                return _named(node, before)
            if follower not in before and len(before) < NODES:
                before[follower] = node
                todo.append(follower)
    return None


def _end(goal: torch.Tensor) -> Any:
    """Return where a gradient for ``goal`` arrives: (node, number), or the leaf itself."""
    if facts.is_leaf(goal):
        return goal
    node = facts.node_of(goal)
    return None if node is None else (node, goal.output_nr)


def _is_leaf_of(node: Any, target: Any) -> bool:
    leaf = isinstance(target, torch.Tensor) and type(node) is LEAF
    return leaf and node.variable is target


def _named(node: Any, before: dict[Any, Any]) -> list[str]:
    found = []
    while node is not None:
        found.append(nodes.name(node))
        node = before[node]
    return found[::-1]
