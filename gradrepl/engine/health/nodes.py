"""What arrived at the nodes of a watched backward, and where a gradient shrinks or grows.

Of some watched backwards the edges between the nodes are kept as numbers; no node outlives its
backward.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.health.verdicts import judge_node
from gradrepl.model import NodeRow
from gradrepl.model import health as h

SHALLOW = 30_000
"""Nodes watched at most where the stack is small: a deep graph that was walked is freed in C,
which calls itself once for each node."""
MANY = 1_000_000
LIMIT = 20_000
"""Nodes of a graph whose edges are kept, at most."""
NEAR = 3
"""Edges from a node to the parameter that tells which module it belongs to, at most."""


class Run(NamedTuple):
    """What arrived at the nodes of one backward; a node is its place in the order that they ran."""

    backward: int
    scale: float | None
    """Of a GradScaler; the norms are as they arrived, with it."""
    kinds: Sequence[type]
    """The class of each."""
    norms: Sequence[float | None]
    ranges: Sequence[tuple[float | None, float | None]] = ()
    """Minimum and maximum of each; empty where they were not worked out."""
    bad: Mapping[int, tuple[int, int]] = {}
    """Where not finite: how many NaN and Inf, as far as counted."""
    leaves: Mapping[int, str] = {}
    """Names of parameters."""
    note: str = ""
    next: Sequence[tuple[int, ...]] = ()
    """The nodes that each hands its gradient to; empty where they were not kept."""
    lines: Mapping[int, str] = {}
    """The line of the op of a node, as far as it is known."""

    def name(self, place: int) -> str:
        """Return the class of a node."""
        return self.kinds[place].__name__

    def row(self, place: int, limits: h.HealthLimits) -> NodeRow:
        """Return the node at ``place``, from 0."""
        norm, by = self.norms[place], self.scale or 1.0
        low, high = self.ranges[place] if self.ranges else (None, None)
        finite = norm is None or math.isfinite(norm)
        nans, infs = (0, 0) if finite else self.bad.get(place, (None, None))
        return NodeRow(
            id=place + 1,
            name=self.name(place),
            label=self.leaves.get(place, ""),
            norm=None if norm is None else norm / by,
            min=None if low is None else low / by,
            max=None if high is None else high / by,
            nans=nans,
            infs=infs,
            verdict=judge_node(norm, nans, limits, self.scale),
        )

    def first_bad(self) -> int | None:
        """Return the first node at which something arrived that is not finite."""
        norms = enumerate(self.norms)
        return next((at for at, norm in norms if norm and not math.isfinite(norm)), None)

    def with_edges(self, ran: Sequence[Any], lines: Mapping[int, str]) -> Run:
        """Return the same with the edges between the nodes, which ``ran`` in that order."""
        places = {node: place for place, node in enumerate(ran)}
        following = [
            tuple(dict.fromkeys(places[to] for to, _ in node.next_functions if to in places))
            for node in ran
        ]
        return self._replace(next=following, lines=lines)


def run_of(recorded: Recorder, names: Mapping[int, str], backward: int, scale: float | None) -> Run:
    """Return what was seen of a backward; ``names``: those of leaves, by id."""
    recorded.fetch()
    leaves = {place: names.get(id(n.variable), "a leaf") for place, n in recorded.leaves}
    count = len(recorded.graph)
    note = f"only {count} nodes are watched: the graph has more." if recorded.graph.cut else ""
    kinds, norms = list(map(type, recorded.ran)), list(recorded.ran.values())
    bad = recorded.arrivals.bad
    return Run(backward, scale, kinds, norms, recorded.ranges, bad, leaves, note)


def most() -> int:
    """Return how many nodes may be watched."""
    try:
        import resource
    except ImportError:
        return SHALLOW
    soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return MANY if soft == resource.RLIM_INFINITY or soft > 256 << 20 else SHALLOW


class Leg(NamedTuple):
    """One node of a path, and the norm before and after it."""

    place: int
    before: float
    after: float

    @property
    def factor(self) -> float:
        """By how much it is larger after the node, as a logarithm."""
        return math.log10(self.after / self.before)


def path(run: Run, leaf: str) -> list[int]:
    """Return the places from a root to the parameter ``leaf``; where it forks, the larger norm."""
    place = next((at for at, name in run.leaves.items() if name == leaf), None)
    if place is None:
        return []
    before: dict[int, list[int]] = defaultdict(list)
    for at, targets in enumerate(run.next):
        for target in targets:
            before[target].append(at)
    sizes = [norm if norm is not None and math.isfinite(norm) else -1.0 for norm in run.norms]
    places = [place]
    while before[places[-1]]:
        places.append(max(before[places[-1]], key=lambda at: sizes[at]))
    return places[::-1]


def legs(run: Run, places: Sequence[int]) -> list[Leg]:
    """Return what each node on the way does; those between which no norm is known are left out."""
    known = [(at, norm) for at in places if (norm := run.norms[at]) and math.isfinite(norm)]
    return [Leg(at, before, after) for (at, before), (_, after) in pairwise(known)]


def explain_norm(run: Run, leaf: str, grows: bool) -> Iterator[str]:
    """Yield in sentences where the gradient of ``leaf`` grows, or else shrinks."""
    places, scale = path(run, leaf), run.scale or 1.0
    steps = legs(run, places)
    if not steps:
        yield f"No path to it was seen at backward {run.backward}."
        return
    sign, verb = (1, "grows") if grows else (-1, "shrinks")
    total = sign * (math.log10(steps[-1].after) - math.log10(steps[0].before))
    ends = f"{steps[0].before / scale:.1e} at the loss, {steps[-1].after / scale:.1e} at it"
    if total <= 0:
        yield f"On its way through {len(places)} nodes it {verb} nowhere by much: {ends}."
        return
    yield (
        f"On its way through {len(places)} nodes it {verb} {_times(total)}: {ends} "
        f"(backward {run.backward})."
    )
    yield from _by_kind(run, steps, sign)
    # the first node is the loss itself: a mean over the batch shrinks without being at fault
    most = max(steps[1:] or steps, key=lambda leg: sign * leg.factor)
    yield (
        f"Most at #{most.place + 1} {run.name(most.place)}{_near(run, places, most.place)}: "
        f"{most.before / scale:.1e} arrives, {most.after / scale:.1e} goes on, "
        f"{_times(sign * most.factor)}."
    )


def _by_kind(run: Run, steps: Sequence[Leg], sign: int) -> Iterator[str]:
    """Say which kind of node does most, where several of them do."""
    sums: dict[str, list[float]] = defaultdict(list)
    for leg in steps:
        sums[run.name(leg.place)].append(sign * leg.factor)
    kind = max(sums, key=lambda name: sum(sums[name]))
    if len(sums[kind]) > 1:
        yield f"All {len(sums[kind])} {kind} on the way together: {_times(sum(sums[kind]))}."


def _times(power: float) -> str:
    """Return ``3.2-fold``, ``4.1e+08-fold`` for a logarithm."""
    return f"{10**power:.1e}-fold" if power >= 3 else f"{10**power:.3g}-fold"


def _near(run: Run, places: Sequence[int], place: int) -> str:
    """Say where in the program, or in the model, a node on the way stands."""
    line = run.lines.get(place)
    if line:
        return f" ({line})"
    at = places.index(place)
    own = _module(run, place)
    if own:
        return f" in {own}"
    before = next((m for each in places[at::-1] if (m := _module(run, each))), "")
    after = next((m for each in places[at:] if (m := _module(run, each))), "")
    if before and after:
        return f" between {after} and {before}"
    return f" next to {before or after}" if before or after else ""


def _module(run: Run, place: int) -> str:
    """Return the module whose parameter a node takes: the nearest, over edges with no fork."""
    owners: list[tuple[int, str]] = []
    for first in run.next[place]:
        at = first
        for far in range(NEAR):
            if at in run.leaves:
                owner, _, last = run.leaves[at].rpartition(".")
                owners.append((far, owner or last))
                break
            if len(run.next[at]) != 1:
                break
            (at,) = run.next[at]
    nearest = min((far for far, _ in owners), default=0)
    return next((owner for far, owner in reversed(owners) if far == nearest), "")
