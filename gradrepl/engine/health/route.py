"""Where a gradient shrinks or grows on its way from the loss: the norms along one path.

Of some watched backwards the edges between the nodes are kept as numbers, no node outlives its
backward.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

LIMIT = 20_000
"""Nodes of a graph whose edges are kept, at most."""
NEAR = 3
"""Edges from a node to the parameter that tells which module it belongs to, at most."""


class Map(NamedTuple):
    """The graph of one watched backward. Nodes are places in the order in which they ran."""

    backward: int
    names: Sequence[str]
    norms: Sequence[float | None]
    """Of what arrived at each."""
    next: Sequence[tuple[int, ...]]
    leaves: Mapping[int, str]
    """Names of parameters by place."""
    lines: Mapping[int, str]
    """Where the op of a node stands in the program, by place; as far as it is known."""


class Leg(NamedTuple):
    """One node of a path, and the norm before and after it."""

    place: int
    before: float
    after: float

    @property
    def factor(self) -> float:
        """By how much it is larger after the node, as a logarithm."""
        return math.log10(self.after / self.before)


def mapped(
    backward: int,
    ran: Sequence[Any],
    names: Sequence[type],
    norms: Sequence[float | None],
    leaves: Mapping[int, str],
    lines: Mapping[int, str],
) -> Map:
    """Return the map of nodes that ``ran``, in that order."""
    places = {node: place for place, node in enumerate(ran)}
    following = [
        tuple(dict.fromkeys(places[to] for to, _ in node.next_functions if to in places))
        for node in ran
    ]
    return Map(backward, [kind.__name__ for kind in names], norms, following, leaves, lines)


def path(graph: Map, leaf: str) -> list[int]:
    """Return the places from a root to the parameter ``leaf``; where it forks, the larger norm."""
    place = next((at for at, name in graph.leaves.items() if name == leaf), None)
    if place is None:
        return []
    before: dict[int, list[int]] = defaultdict(list)
    for at, targets in enumerate(graph.next):
        for target in targets:
            before[target].append(at)
    found = [place]
    while before[found[-1]]:
        found.append(max(before[found[-1]], key=lambda at: _size(graph.norms[at])))
    return found[::-1]


def _size(norm: float | None) -> float:
    return norm if norm is not None and math.isfinite(norm) else -1.0


def legs(graph: Map, places: Sequence[int]) -> list[Leg]:
    """Return what each node on the way does; those between which no norm is known are left out."""
    found = []
    known = [(at, norm) for at in places if (norm := graph.norms[at]) and math.isfinite(norm)]
    for (at, before), (_, after) in pairwise(known):
        found.append(Leg(at, before, after))
    return found


def told(graph: Map, leaf: str, grows: bool, scale: float) -> Iterator[str]:
    """Yield in sentences where the gradient of ``leaf`` grows, or else shrinks."""
    places = path(graph, leaf)
    found = legs(graph, places)
    if not found:
        yield f"No path to it was seen at backward {graph.backward}."
        return
    sign, verb = (1, "grows") if grows else (-1, "shrinks")
    total = sign * (math.log10(found[-1].after) - math.log10(found[0].before))
    ends = f"{found[0].before / scale:.1e} at the loss, {found[-1].after / scale:.1e} at it"
    if total <= 0:
        yield f"On its way through {len(places)} nodes it {verb} nowhere by much: {ends}."
        return
    yield (
        f"On its way through {len(places)} nodes it {verb} {_times(total)}: {ends} "
        f"(backward {graph.backward})."
    )
    yield from _by_kind(graph, found, sign)
    # the first node is the loss itself: a mean over the batch shrinks without being at fault
    most = max(found[1:] or found, key=lambda leg: sign * leg.factor)
    yield (
        f"Most at #{most.place + 1} {graph.names[most.place]}{_near(graph, places, most.place)}: "
        f"{most.before / scale:.1e} arrives, {most.after / scale:.1e} goes on, "
        f"{_times(sign * most.factor)}."
    )


def _by_kind(graph: Map, found: Sequence[Leg], sign: int) -> Iterator[str]:
    """Say which kind of node does most, where several of them do."""
    sums: dict[str, list[float]] = defaultdict(list)
    for leg in found:
        sums[graph.names[leg.place]].append(sign * leg.factor)
    kind = max(sums, key=lambda name: sum(sums[name]))
    if len(sums[kind]) > 1:
        yield f"All {len(sums[kind])} {kind} on the way together: {_times(sum(sums[kind]))}."


def _times(power: float) -> str:
    """Return ``3.2-fold``, ``4.1e+08-fold`` for a logarithm."""
    return f"{10**power:.1e}-fold" if power >= 3 else f"{10**power:.3g}-fold"


def _near(graph: Map, places: Sequence[int], place: int) -> str:
    """Say where in the program, or in the model, a node on the way stands."""
    line = graph.lines.get(place)
    if line:
        return f" ({line})"
    at = places.index(place)
    own = _module(graph, place)
    if own:
        return f" in {own}"
    before = next((m for each in places[at::-1] if (m := _module(graph, each))), "")
    after = next((m for each in places[at:] if (m := _module(graph, each))), "")
    if before and after:
        return f" between {after} and {before}"
    return f" next to {before or after}" if before or after else ""


def _module(graph: Map, place: int) -> str:
    """Return the module whose parameter a node takes: the nearest, over edges with no fork."""
    found: list[tuple[int, str]] = []
    for first in graph.next[place]:
        at = first
        for far in range(NEAR):
            if at in graph.leaves:
                owner, _, last = graph.leaves[at].rpartition(".")
                found.append((far, owner or last))
                break
            if len(graph.next[at]) != 1:
                break
            (at,) = graph.next[at]
    nearest = min((far for far, _ in found), default=0)
    return next((owner for far, owner in reversed(found) if far == nearest), "")
