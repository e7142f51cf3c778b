"""The paths between a root and a target, and gradients added up along them as the engine would.

A path is a sequence of edges; ``x * x`` has two of them to ``x``. They are counted without being
enumerated: each node has as many as the nodes that its edges lead to have together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch

from gradrepl.engine.chain import unseen
from gradrepl.engine.chain.unseen import Grads, Runner, outputs_of
from gradrepl.engine.graph.graph import Graph, Order
from gradrepl.engine.tensor import facts, figures
from gradrepl.model import Amount

DIGITS = 4_000
"""Numbers of paths with more digits are not written out."""
MOST: int = 10**DIGITS
Port = tuple[int, int]
"""(index of a node, which of its outputs)"""
Seen = Callable[[int, "Hop", Grads, Any], None]
"""Called with a node, one of its edges, what arrived, and what leaves on that edge."""


class Start(NamedTuple):
    """Where paths begin, or a term of a loss: a node (or its index), an output, the gradient."""

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

    def send(self, node: int, leaving: Grads) -> None:
        """Have what leaves a node arrive where its edges lead."""
        edges = self._graph.nodes[node].next_functions
        for (target, number), grad in zip(edges, leaving, strict=False):
            if target is not None and grad is not None:
                self.add(self._graph.index[target], int(number), grad)

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
    nodes = between.graph.nodes
    starts = [start._replace(node=nodes[start.node]) for start in between.starts]
    with unseen.unseen(user_code) as muted:
        (grad,) = unseen.gradients(starts, [(nodes[between.target], between.number)])
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


def biggest_of(grads: Iterable[Any]) -> float:
    """Return the largest magnitude in several gradients, of which some may be None."""
    return max((biggest(grad) for grad in grads if grad is not None), default=0.0)


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
