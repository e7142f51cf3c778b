"""Our own reverse accumulation, node by node, and the torch's it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd.graph import GradientEdge

from gradrepl.engine.chain import unseen
from gradrepl.engine.chain.local import Grads, Runner, outputs_of
from gradrepl.engine.chain.ways import Hop, Ways
from gradrepl.engine.tensor import figures

Port = tuple[int, int]
Seen = Callable[[int, Hop, Grads, Any], None]
"""Called with a node, one of its edges, what arrived, and what leaves on that edge."""


def accumulate(ways: Ways, runner: Runner, seen: Seen | None = None) -> Any:
    """Return the sum over all paths, added up in the engine's own order; None for none.

    Raises:
        AutogradError: a node cannot be run.
    """
    arrived: dict[int, Grads] = {}
    total: Any = None
    for node, number, grad in ways.starts:
        if ways.ends((node, number)):
            total = add(total, grad)
        if ways.paths_from(node, number):
            _arrive(ways, arrived, (node, number), grad)
    for node in ways.order:
        grads = arrived.pop(node, None) or [None] * outputs_of(ways.graph.nodes[node])
        leaving = runner.run(node, grads)
        for hop in ways.hops(node):
            grad = leaving[hop.edge] if hop.edge < len(leaving) else None
            if seen is not None:
                seen(node, hop, grads, grad)
            if ways.ends((hop.node, hop.number)):
                total = add(total, grad)
            else:
                _arrive(ways, arrived, (hop.node, hop.number), grad)
    return total


def _arrive(ways: Ways, arrived: dict[int, Grads], port: Port, grad: Any) -> None:
    node, number = port
    if not ways.hops(node):
        return
    grads = arrived.setdefault(node, [None] * outputs_of(ways.graph.nodes[node]))
    grads[number] = add(grads[number], grad)


def add(left: Any, right: Any) -> Any:
    """Add two gradients of which either may be None, as the engine does."""
    if left is None or right is None:
        return right if left is None else left
    with figures.quiet():
        return left + right


def subtract(left: Any, right: Any) -> Any:
    """Subtract likewise."""
    if right is None:
        return left
    with figures.quiet():
        return -right if left is None else left - right


def true_gradient(ways: Ways, user_code: bool = True) -> tuple[Any, list[str]]:
    """Return ``torch.autograd.grad`` of the same, and what is to be said of it."""
    outputs = [GradientEdge(ways.graph.nodes[n], number) for n, number, _ in ways.starts]
    seeds = [seed for _, _, seed in ways.starts]
    target = ways.graph.nodes[ways.target]
    with unseen.unseen(user_code) as muted:
        (found,) = unseen.gradients(outputs, seeds, [(target, ways.number)])
    return found, muted.notes()


def compare(ours: Any, theirs: Any) -> tuple[bool, float | None]:
    """Are two gradients equal up to rounding; and the largest difference of an element."""
    if ours is None or theirs is None:
        known = theirs if ours is None else ours
        largest = 0.0 if known is None else biggest(known)
        return largest == 0.0, largest
    with figures.quiet():
        left, right = dense(ours), dense(theirs)
        if left.shape != right.shape:
            return False, None
        same = (left == right) | (left.isnan() & right.isnan())
        apart = torch.where(same, torch.zeros_like(left), left - right)
        largest = biggest(apart)
    scale = max(biggest(ours), biggest(theirs))
    return largest <= tolerance(left.dtype) * scale, largest


def dense(tensor: Any) -> Any:
    """Return a gradient as a strided tensor."""
    return tensor.detach() if tensor.layout is torch.strided else tensor.detach().to_dense()


def biggest(tensor: Any) -> float:
    """Return the largest magnitude in a tensor; 0 where it is empty, inf where it is not finite."""
    with figures.quiet():
        plain = dense(tensor)
        found = float(plain.abs().max()) if plain.numel() else 0.0
    return found if found == found else float("inf")


def tolerance(dtype: torch.dtype) -> float:
    """Return the relative difference that rounding in another order may make."""
    return 256 * torch.finfo(dtype).eps
