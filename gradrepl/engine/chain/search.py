"""The largest paths of a graph, without enumerating the others.

Where every local derivative is one number, the best paths of a node are merged from the best of
those that its edges lead to, each found only when it is asked for (the recursive enumeration of
Jimenez and Marzal), which is exact. For tensors the size of a product is known only when it has
been multiplied: a best-first search follows the norms, guided by the gains measured on the sum.
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


class _Stream:
    """The paths of one port, largest first, as far as anybody asked."""

    __slots__ = ("done", "last", "ranked", "waiting")

    def __init__(self) -> None:
        self.ranked: list[Candidate] = []
        self.waiting: list[Candidate] = []
        self.last: Candidate | None = None
        """The one found last, whose successor through the same edge is not waiting yet."""
        self.done = False


class Largest:
    """The paths with the largest products of derivatives, found one by one."""

    def __init__(self, between: PathGraph, runner: Runner) -> None:
        self._between, self._runner = between, runner
        self._known: dict[Port, dict[int, float]] = {}
        self._streams: dict[Port, _Stream] = {}
        entered: dict[int, set[int]] = {}
        for node, number, _ in between.starts:
            entered.setdefault(node, set()).add(number)
        for node in between.order:
            for hop in between.hops(node):
                entered.setdefault(hop.node, set()).add(hop.number)
        for node in reversed(between.order):
            for number in sorted(entered[node]):
                self._begin((node, number))

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

    def _begin(self, port: Port) -> None:
        """Find the largest path of a port; the ports ahead have theirs."""
        stream = self._streams[port] = _Stream()
        for which in range(len(self._between.hops(port[0]))):
            self._enter(stream, port, which, 0)
        self._take(stream)

    def _enter(self, stream: _Stream, port: Port, which: int, rank: int) -> None:
        """Have path ``rank`` of the port that an edge leads to wait for its turn."""
        hop = self._between.hops(port[0])[which]
        ahead = (hop.node, hop.number)
        size = -log(self._derivatives(port)[hop.edge])
        if self._between.ends(ahead):
            if rank == 0:
                heapq.heappush(stream.waiting, (size, which, rank))
        elif rank < len(self._streams[ahead].ranked):
            size += self._streams[ahead].ranked[rank][0]
            heapq.heappush(stream.waiting, (size, which, rank))

    def _take(self, stream: _Stream) -> None:
        if stream.waiting:
            stream.last = heapq.heappop(stream.waiting)
            stream.ranked.append(stream.last)
        else:
            stream.done = True

    def _reach(self, port: Port, rank: int) -> bool:
        """Find the path of this rank, from 0; False where there are not so many."""
        todo = [(port, rank)]
        while todo:
            at, wanted = todo[-1]
            stream = self._streams[at]
            if stream.done or wanted < len(stream.ranked):
                todo.pop()
                continue
            if stream.last is not None:
                _, which, below = stream.last
                hop = self._between.hops(at[0])[which]
                ahead = self._streams.get((hop.node, hop.number))
                if ahead is not None and not ahead.done and below + 1 >= len(ahead.ranked):
                    todo.append(((hop.node, hop.number), below + 1))
                    continue
                stream.last = None
                self._enter(stream, at, which, below + 1)
            self._take(stream)
        return rank < len(self._streams[port].ranked)

    def routes(self, most: int) -> list[tuple[int, Route]]:
        """Return the largest ``most`` paths as (which of the starts, route), largest first."""
        heads = []
        for start, (node, number, grad) in enumerate(self._between.starts):
            if (node, number) in self._streams and self._reach((node, number), 0):
                heads.append(self._head(start, 0, float(grad.item())))
        heapq.heapify(heads)
        routes: list[tuple[int, Route]] = []
        while heads and len(routes) < most:
            _, start, rank = heapq.heappop(heads)
            node, number, grad = self._between.starts[start]
            routes.append((start, self._route((node, number), rank, float(grad.item()))))
            if self._reach((node, number), rank + 1):
                heapq.heappush(heads, self._head(start, rank + 1, float(grad.item())))
        return routes

    def _head(self, start: int, rank: int, factor: float) -> Candidate:
        node, number, _ = self._between.starts[start]
        size = self._streams[node, number].ranked[rank][0]
        return (size - log(factor), start, rank)

    def _route(self, port: Port, rank: int, product: float) -> Route:
        steps: list[Step] = []
        while not self._between.ends(port):
            _, which, rank = self._streams[port].ranked[rank]
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
        room = max(most, HELD // max(1, _bytes(walked.grad)))
        if len(waiting) > 2 * room:
            waiting = heapq.nsmallest(room, waiting)
    return ended


def _bytes(grad: Any) -> int:
    return 0 if grad is None else int(grad.numel() * grad.element_size())
