"""What torch knows of two tensors that look alike: one version counter, and a way for gradients.

The counter tells ``detach()`` from ``.data``. Torch says only each counter's value. Different
values are different counters, and a view has the counter of its ``_base``; where neither decides,
the counters are set to numbers of their own, read and set back, in one breath: exact, and nobody
sees it, unless another thread writes to the very tensors within these microseconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import LEAF
from gradrepl.engine.tensor import facts

Setter = Callable[[Sequence[torch.Tensor], Sequence[int]], None]


@cache
def _setter() -> Setter | None:
    """Return what sets the counters of several tensors; None where this torch has nothing."""
    unsafe: Any = torch_private.set_version_counter
    if unsafe is None:
        return None

    def one_by_one(several: Sequence[torch.Tensor], versions: Sequence[int]) -> None:
        for tensor, version in zip(several, versions, strict=True):
            unsafe(tensor, version)

    def at_once(several: Sequence[torch.Tensor], versions: Sequence[int]) -> None:
        unsafe(tuple(several), tuple(versions))

    try:
        unsafe((torch.empty(0),), (0,))
    except TypeError:  # torch before 2.7 takes one tensor
        return one_by_one
    return at_once


def counter_groups(tensors: Sequence[torch.Tensor]) -> list[int | None]:
    """Return a number for each tensor, equal where the counter is; None where there is none.

    The number is the place of the first tensor with this counter. Call it only inside of
    ``figures.quiet()``.
    """
    numbers: list[int | None] = [None] * len(tensors)
    by_version: dict[int, list[int]] = defaultdict(list)
    for place, tensor in enumerate(tensors):
        if not tensor.is_inference():
            by_version[tensor._version].append(place)
    for places in by_version.values():
        for place, number in zip(places, _told_apart([tensors[p] for p in places]), strict=True):
            numbers[place] = places[number]
    return numbers


def same_counter(a: torch.Tensor, b: torch.Tensor) -> bool | None:
    """Have the two one counter? None where one has none."""
    first, second = counter_groups([a, b])
    return None if first is None or second is None else first == second


def _told_apart(several: list[torch.Tensor]) -> list[int]:
    """Return for each of tensors of equal version the place of the first with its counter."""
    roots = [tensor._base if tensor._is_view() else tensor for tensor in several]
    leads: dict[int, int] = {}
    by_root = [leads.setdefault(id(root), place) for place, root in enumerate(roots)]
    set_versions = _setter()
    if len(leads) == 1 or set_versions is None:
        return by_root
    version = several[0]._version
    before = [version] * len(several)
    marks = range(version + 1, version + 1 + len(several))
    try:
        set_versions(several, marks)
        read = [tensor._version for tensor in several]
    finally:
        set_versions(several, before)
    leads.clear()
    return [leads.setdefault(mark, place) for place, mark in enumerate(read)]


NODES = 200_000
"""Nodes followed at the most."""
NAMED = 4
"""Nodes of a short way that are told by name."""


def gradient_path(start: torch.Tensor, goal: torch.Tensor) -> list[str] | None:
    """Return the names of the nodes from ``start`` to ``goal``; None where no gradient flows.

    An empty list is a tensor that passes its gradient on by no node at all: the same variable.
    Looked for among the first ``NODES`` nodes. Call it only inside of ``figures.quiet()``.
    """
    if not start.requires_grad or not goal.requires_grad:
        return None
    target, root = _end(goal), facts.node_of(start)
    if start is goal or (root is not None and _arrives(root, start.output_nr, target)):
        return []
    return None if target is None or root is None else _shortest_path(root, target)


def _shortest_path(root: Any, target: Any) -> list[str] | None:
    before: dict[Any, Any] = {root: None}
    todo = [root]
    for node in todo:  # grows while we go: the shortest way is found first
        for follower, number in node.next_functions:
            if _arrives(follower, number, target):
                return _named(node, before)
            if follower is not None and follower not in before and len(before) < NODES:
                before[follower] = node
                todo.append(follower)
    return None


def _end(goal: torch.Tensor) -> Any:
    """Return where a gradient for ``goal`` arrives: (node, number), or the leaf itself."""
    if facts.is_leaf(goal):
        return goal
    node = facts.node_of(goal)
    return None if node is None else (node, goal.output_nr)


def _arrives(node: Any, number: int, target: Any) -> bool:
    if isinstance(target, torch.Tensor):
        return type(node) is LEAF and node.variable is target
    return bool((node, number) == target)


def _named(node: Any, before: dict[Any, Any]) -> list[str]:
    names = []
    while node is not None:
        names.append(nodes.name(node))
        node = before[node]
    return names[::-1]
