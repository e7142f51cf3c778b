"""Gradients that are added up node by node as the engine would, and how they are compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.autograd.graph import GradientEdge

from gradrepl.engine.chain import unseen
from gradrepl.engine.chain.path_graph import Hop, PathGraph
from gradrepl.engine.chain.vjp import Grads, Runner, outputs_of
from gradrepl.engine.graph.graph import Graph
from gradrepl.engine.tensor import facts, figures
from gradrepl.model import Amount

Port = tuple[int, int]
Seen = Callable[[int, Hop, Grads, Any], None]
"""Called with a node, one of its edges, what arrived, and what leaves on that edge."""


class Arrivals:
    """Gradients on their way through a graph: what has arrived so far at each node."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._grads: dict[int, Grads] = {}

    def __bool__(self) -> bool:
        return bool(self._grads)

    def add(self, node: int, number: int, grad: Any) -> None:
        """Have one more arrive at output ``number`` of a node."""
        grads = self._grads.setdefault(node, self._none(node))
        grads[number] = add(grads[number], grad)

    def take(self, node: int) -> Grads:
        """Return what has arrived at a node, one gradient an output, and forget it."""
        return self._grads.pop(node, None) or self._none(node)

    def _none(self, node: int) -> Grads:
        return [None] * outputs_of(self._graph.nodes[node])


def accumulate(between: PathGraph, runner: Runner, seen: Seen | None = None) -> Any:
    """Return the sum over all paths, added up in the engine's own order; None for none.

    Raises:
        AutogradError: a node cannot be run.
    """
    arrivals = Arrivals(between.graph)
    total: Any = None

    def arrive(port: Port, grad: Any) -> None:
        nonlocal total
        if between.ends(port):
            total = add(total, grad)
        if between.hops(port[0]):
            arrivals.add(*port, grad)

    for node, number, grad in between.starts:
        arrive((node, number), grad)
    for node in between.order:
        grads = arrivals.take(node)
        leaving = runner.run(node, grads)
        for hop in between.hops(node):
            grad = leaving[hop.edge] if hop.edge < len(leaving) else None
            if seen is not None:
                seen(node, hop, grads, grad)
            arrive((hop.node, hop.number), grad)
    return total


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


def true_gradient(between: PathGraph, user_code: bool = True) -> tuple[Any, list[str]]:
    """Return ``torch.autograd.grad`` of the same, and what is to be said of it."""
    outputs = [GradientEdge(between.graph.nodes[n], number) for n, number, _ in between.starts]
    seeds = [seed for _, _, seed in between.starts]
    target = between.graph.nodes[between.target]
    with unseen.unseen(user_code) as muted:
        (grad,) = unseen.gradients(outputs, seeds, [(target, between.number)])
    return grad, muted.notes()


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
        most = float(plain.abs().max()) if plain.numel() else 0.0
    return math.inf if math.isnan(most) else most


def tolerance(dtype: torch.dtype) -> float:
    """Return the relative difference that rounding in another order may make."""
    return 256 * torch.finfo(dtype).eps


def amount(grad: Any) -> Amount:
    """Return a gradient as it travels: a number, or what may be said of a tensor."""
    if grad is None:
        return None
    if grad.layout is torch.strided and grad.numel() == 1 and not grad.is_complex():
        return float(grad.item())
    return facts.describe(grad)


def size(grad: Any) -> float | None:
    """Return the L2 norm of a gradient."""
    return None if grad is None else figures.norm(grad)


def projection(part: Any, whole: Any, norm: float | None) -> float | None:
    """Return the projection of ``part`` on ``whole``, as a part of it; ``norm`` is the latter's.

    None where there is no whole, or its norm is 0 or not finite.
    """
    if norm and part is None:
        return 0.0
    if not norm or not math.isfinite(norm):
        return None
    with figures.quiet():
        left, right = dense(part).reshape(-1), dense(whole).reshape(-1)
        wide = torch.complex128 if left.is_complex() else torch.float64
        inner = torch.vdot(right.to(wide), left.to(wide))
        return float(inner.real) / norm**2
