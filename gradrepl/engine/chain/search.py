"""The largest paths of a graph, without enumerating the others.

Where every local derivative is one number, the best paths of a node are merged from the best of
those that its edges lead to, from the target on, which is exact. For tensors the size of a product
is known only when it has been multiplied: a best-first search follows the norms, guided by the
gains measured on the sum.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

from gradrepl.engine.chain.gradients import Hop, PathGraph, Port
from gradrepl.engine.chain.unseen import Runner, seed
from gradrepl.engine.tensor import figures

LISTED = 50
"""Paths that are listed at the most."""
RUNS, ROUNDS = 4_000, 2
"""Nodes that a best-first search runs at the most: so many, or each so many times."""
STEPS, FEWEST = 200_000, 5
"""Of a graph of numbers so deep that 50 paths would have more steps, fewer are listed."""
ENDS = 12
"""Nodes kept of each end of a long path of numbers."""
HELD = 1 << 28
"""Bytes of gradients that it holds at the most."""
ZERO, ENDLESS = -1e9, 1e9
"""Stand for the logarithms of 0, and of what is not finite."""


class Step(NamedTuple):
    """One node of a path."""

    node: int
    number: int
    """The output that the path enters by."""
    hop: Hop
    """The edge that it leaves by."""
    size: float | None
    """Norm of the gradient that leaves on this path alone."""


class Route(NamedTuple):
    """A path from the root on; of a long one only the ends are kept."""

    head: tuple[Step, ...]
    tail: tuple[Step, ...]
    length: int
    product: float = 0.0
    """Of the derivatives and the seed, where they are numbers."""


def route(steps: Sequence[Step], product: float = 0.0) -> Route:
    """Return the route of all ``steps``."""
    if len(steps) <= 2 * ENDS:
        return Route(tuple(steps), (), len(steps), product)
    return Route(tuple(steps[:ENDS]), tuple(steps[-ENDS:]), len(steps), product)


def room(between: PathGraph) -> int:
    """Return how many of the largest products are listed."""
    return max(FEWEST, min(LISTED, STEPS // max(1, len(between.order))))


def log(value: float) -> float:
    """Return the logarithm of a magnitude, finite whatever it is."""
    size = abs(value)
    if not math.isfinite(size):
        return ENDLESS
    return math.log(size) if size else ZERO


Candidate = tuple[float, int, int]
"""(minus the logarithm of the product, which of the hops, which path from there on)"""


class Largest:
    """The paths with the largest products of derivatives, so many of each port."""

    def __init__(self, between: PathGraph, runner: Runner, most: int) -> None:
        self._between, self._runner, self._most = between, runner, most
        self._known: dict[Port, dict[int, float]] = {}
        self._ranked: dict[Port, list[Candidate]] = {}
        """Of each port, the largest first."""
        entered: dict[int, set[int]] = {}
        for node, number, _ in between.starts:
            entered.setdefault(node, set()).add(number)
        for node in between.order:
            for hop in between.hops(node):
                entered.setdefault(hop.node, set()).add(hop.number)
        for node in reversed(between.order):  # the ports ahead have theirs
            for number in sorted(entered[node]):
                self._ranked[node, number] = heapq.nsmallest(most, self._waiting((node, number)))

    def _derivatives(self, port: Port) -> dict[int, float]:
        """Return, by edge, the derivative of this output by the node's inputs: numbers."""
        if port not in self._known:
            unit = seed(self._between.graph.nodes[port[0]], port[1])
            leaving = self._runner.single(*port, unit)
            self._known[port] = {
                hop.edge: 0.0 if leaving[hop.edge] is None else float(leaving[hop.edge].item())
                for hop in self._between.hops(port[0])
            }
        return self._known[port]

    def _waiting(self, port: Port) -> Iterator[Candidate]:
        """Yield the paths of a port that begin with one of its edges and go on as a best one."""
        for which, hop in enumerate(self._between.hops(port[0])):
            size = -log(self._derivatives(port)[hop.edge])
            if self._between.ends((hop.node, hop.number)):
                yield size, which, 0
            else:
                for rank, (ahead, _, _) in enumerate(self._ranked[hop.node, hop.number]):
                    yield size + ahead, which, rank

    def routes(self) -> list[tuple[int, Route]]:
        """Return the largest paths of all as (which of the starts, route), largest first."""
        factors = [float(grad.item()) for _, _, grad in self._between.starts]
        heads = [
            (size - log(factors[start]), start, rank)
            for start, (node, number, _) in enumerate(self._between.starts)
            for rank, (size, _, _) in enumerate(self._ranked.get((node, number), ()))
        ]
        return [
            (start, self._route(self._between.starts[start][:2], rank, factors[start]))
            for _, start, rank in heapq.nsmallest(self._most, heads)
        ]

    def _route(self, port: Port, rank: int, product: float) -> Route:
        steps: list[Step] = []
        while not self._between.ends(port):
            _, which, rank = self._ranked[port][rank]
            hop = self._between.hops(port[0])[which]
            product *= self._derivatives(port)[hop.edge]
            steps.append(Step(*port, hop, abs(product)))
            port = (hop.node, hop.number)
        return route(steps, product)


class Gains:
    """What each edge did to the norm of the gradient in the sum over all paths."""

    def __init__(self, between: PathGraph) -> None:
        self._between = between
        self._gain: dict[tuple[int, int], float] = {}
        self._ahead: dict[int, float] = {}

    def see(self, node: int, hop: Hop, arrived: list[Any], leaving: Any) -> None:
        """Note one edge, on the way."""
        size = math.hypot(*(figures.norm(g) or 0.0 for g in arrived if g is not None))
        after = 0.0 if leaving is None else figures.norm(leaving) or 0.0
        self._gain[node, hop.edge] = log(after) - log(size)

    def look_ahead(self) -> None:
        """Work out the largest gain from each port to the target."""
        for node in reversed(self._between.order):
            gains = (
                self._gain.get((node, hop.edge), 0.0) + self.ahead((hop.node, hop.number))
                for hop in self._between.hops(node)
            )
            self._ahead[node] = max([ZERO, *gains])

    def ahead(self, port: Port) -> float:
        """Return the logarithm of that gain."""
        return 0.0 if self._between.ends(port) else self._ahead.get(port[0], ZERO)


class Walked(NamedTuple):
    """A path, or its beginning, with the gradient that has come along it."""

    start: int
    route: Any
    """Linked backwards: (route before, step), or None."""
    port: Port
    grad: Any
    size: float | None
    """Norm of ``grad``."""

    def steps(self) -> Route:
        """Return the route from the root on."""
        steps, link = [], self.route
        while link is not None:
            link, step = link
            steps.append(step)
        return route(steps[::-1])


def begin(between: PathGraph) -> Iterator[Walked]:
    """Yield the beginnings of all paths."""
    for start, (node, number, grad) in enumerate(between.starts):
        if between.paths_from(node, number):
            yield Walked(start, None, (node, number), grad, figures.norm(grad))


def further(between: PathGraph, runner: Runner, walked: Walked) -> Iterator[Walked]:
    """Yield the paths that are one edge longer."""
    node, number = walked.port
    nothing = walked.grad is None
    leaving = [] if nothing else runner.single(node, number, walked.grad)
    for hop in between.hops(node):
        grad = leaving[hop.edge] if hop.edge < len(leaving) else None
        size = None if grad is None else figures.norm(grad)
        link = (walked.route, Step(node, number, hop, size))
        yield Walked(walked.start, link, (hop.node, hop.number), grad, size)


def every(between: PathGraph, runner: Runner) -> Iterator[Walked]:
    """Yield all paths, each with its contribution; for few of them."""
    todo = list(begin(between))[::-1]
    while todo:
        walked = todo.pop()
        if between.ends(walked.port):
            yield walked
        else:
            todo += list(further(between, runner, walked))[::-1]


def best_first(between: PathGraph, runner: Runner, gains: Gains, most: int) -> list[Walked]:
    """Return up to ``most`` paths that a best-first search finds; bounded in time and memory."""
    order = count()

    def entry(walked: Walked) -> tuple[float, int, Walked]:
        size = walked.size or 0.0
        # Of equals (up to rounding) the newest: paths are ended before others are begun.
        return (-round(log(size) + gains.ahead(walked.port), 6), -next(order), walked)

    waiting = [entry(walked) for walked in begin(between)]
    heapq.heapify(waiting)
    ended: list[Walked] = []
    runs = 0
    budget = max(RUNS, ROUNDS * len(between.order))
    while waiting and len(ended) < most and runs < budget:
        walked = heapq.heappop(waiting)[2]
        if between.ends(walked.port):
            ended.append(walked)
            continue
        runs += 1
        for longer in further(between, runner, walked):
            heapq.heappush(waiting, entry(longer))
        held = 0 if walked.grad is None else walked.grad.numel() * walked.grad.element_size()
        room = max(most, HELD // max(1, int(held)))
        if len(waiting) > 2 * room:
            waiting = heapq.nsmallest(room, waiting)
    return ended
