"""The hooks of one pass: a light one on every node for the order, real ones where we may stop.

The light one is a dictionary shared by all nodes, through torch's own way of attaching a tensor's
hooks to a node: a tenth of the cost of ``register_prehook``, and emptied at one stroke. It never
fires on AccumulateGrad, and where torch does not have it, real hooks do its work.
"""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch

_carrier = torch.empty(0, device="cpu")
"""Whose hooks a node takes over: made once, as making one would be seen by the user's modes."""
Before = Callable[[int, tuple[Any, ...]], tuple[Any, ...] | None]
After = Callable[[int, tuple[Any, ...], tuple[Any, ...]], None]


SMALL = 5_000
"""Nodes of a graph up to which a hook for each costs next to nothing."""


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


def frees(nodes: Iterable[Any]) -> bool:
    """Will a backward free something of this graph, so that it cannot be walked again?"""
    kinds: Iterator[Any] = map(type, nodes)
    return any(map(_saves, kinds))


@cache
def _saves(kind: Any) -> bool:
    return any(name.startswith("_raw_saved") for name in dir(kind))


class Hooks:
    """What a pass has attached to its nodes; ``remove`` takes all of it away."""

    def __init__(self, nodes: list[Any], before: Before, after: After) -> None:
        self._nodes = nodes
        self._before = before
        self._after = after
        self._handles: list[Any] = []
        self.seen: set[int] = set()
        """Nodes that have a real hook before they run."""
        self._with_after: set[int] = set()
        self._light: OrderedDict[int, Any] = OrderedDict()

    def light(self, hook: Callable[[Any], None], leaves: Iterable[int]) -> None:
        """Have ``hook(grad)`` called as each node runs, cheaply; leaves get a real hook."""
        _carrier._backward_hooks = self._light
        self._light[0] = hook
        with without_gc():
            try:
                for node in self._nodes:
                    attach = getattr(node, "_register_hook_dict", None)
                    if attach is not None:
                        attach(_carrier)
            except (AttributeError, TypeError, RuntimeError):  # another version of torch
                self._light.clear()
                leaves = range(len(self._nodes))
            self.before(leaves)

    def before(self, places: Iterable[int]) -> None:
        """See these nodes before they run, with their gradients."""
        if len(self.seen) == len(self._nodes):
            return
        hold = self._handles.append
        with without_gc():
            for place in places:
                if place not in self.seen:
                    self.seen.add(place)
                    hold(self._nodes[place].register_prehook(partial(self._before, place)))

    def after(self, places: Iterable[int]) -> None:
        """See these nodes after they have run, too."""
        if len(self._with_after) == len(self._nodes):
            return
        hold = self._handles.append
        with without_gc():
            for place in places:
                if place not in self._with_after:
                    self._with_after.add(place)
                    hold(self._nodes[place].register_hook(partial(self._after, place)))

    def remove(self) -> None:
        """Take all hooks away."""
        self._light.clear()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.seen.clear()
        self._with_after.clear()
