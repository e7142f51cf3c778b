"""What one observer wants to know of one backward. Needs no torch: a trace may begin before it."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Depth(IntEnum):
    """How deep somebody looks at each node that runs; each level has what is above it."""

    ORDER = 0
    """Which node ran, in the engine's true order."""
    NORM = 1
    """The L2 norm of the first gradient that arrived."""
    STATISTICS = 2
    """Its minimum and maximum."""


class Look:
    """One observer at one backward: made before the engine runs, told when it is over."""

    depth: Depth | None = None
    """How deep it looks at the nodes; None: at none of them."""
    times = False
    """Does it want to know when each node began and ended?"""
    most: int | None = None
    """Nodes that it looks at, at the most; None: all."""

    def ended(self, seen: Any, error: BaseException | None, seconds: float) -> None:
        """The engine is done, in so many seconds: ``seen`` is the recorder, if nodes were seen."""
