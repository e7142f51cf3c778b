"""What arrived at the nodes of the last watched backward, as rows with verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.health.verdicts import judge_node
from gradrepl.model import NodeRow
from gradrepl.model import health as h

SHALLOW = 30_000
"""Nodes watched at most where the stack is small: a deep graph that was walked is freed in C,
which calls itself once for each node."""
MANY = 1_000_000


class Run(NamedTuple):
    """What arrived at the nodes of one backward, in the order in which they ran."""

    names: list[type]
    """The class of each."""
    norms: list[float | None]
    ranges: list[tuple[float | None, float | None]]
    """Minimum and maximum of each; empty where they were not worked out."""
    bad: dict[int, tuple[int, int]]
    """By place from 0, where not finite: how many NaN and Inf, as far as counted."""
    labels: dict[int, str]
    """Names of leaves, by place from 0."""
    note: str

    def row(self, place: int, limits: h.HealthLimits, scale: float | None) -> NodeRow:
        """Return the node at ``place``, from 0."""
        norm = self.norms[place]
        low, high = self.ranges[place] if self.ranges else (None, None)
        finite = norm is None or math.isfinite(norm)
        nans, infs = (0, 0) if finite else self.bad.get(place, (None, None))
        by = scale or 1.0
        return NodeRow(
            id=place + 1,
            name=self.names[place].__name__,
            label=self.labels.get(place, ""),
            norm=None if norm is None else norm / by,
            min=None if low is None else low / by,
            max=None if high is None else high / by,
            nans=nans,
            infs=infs,
            verdict=judge_node(norm, nans, limits, scale),
        )


def run_of(seen: Recorder, names: Mapping[int, str]) -> Run:
    """Return what was seen of a backward; ``names``: those of leaves, by id."""
    seen.fetch()
    labels = {place: names.get(id(node.variable), "a leaf") for place, node in seen.leaves}
    count = len(seen.graph)
    note = f"only {count} nodes are watched: the graph has more." if seen.graph.cut else ""
    norms = list(seen.ran.values())
    return Run(list(map(type, seen.ran)), norms, seen.ranges, seen.arrivals.bad, labels, note)


def most() -> int:
    """Return how many nodes may be watched."""
    try:
        import resource
    except ImportError:
        return SHALLOW
    soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return MANY if soft == resource.RLIM_INFINITY or soft > 256 << 20 else SHALLOW
