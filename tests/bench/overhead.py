"""What gradrepl costs a training step that it does not stop: ``overhead.py W1 SECONDS``."""

from __future__ import annotations

from typing import Any

import inside
import pairs
import torch
from pairs import PROFILER, Context
from table import Section
from torch.overrides import TorchFunctionMode

NOWHERE = "leaf nosuch"
"""A breakpoint that never matches: all is watched, nothing stops."""
ORDER, FORWARD, BOTH = "order and identity of every node", "forward ops recorded", "both"
ONE = "the same, one node asked in each pass"
ROOT = "node NllLoss*"
"""The node that every workload's backward begins with, once."""
ASKED = "both, every node asked for its norm"
GOALS: dict[str, tuple[float | None, ...]] = {
    ORDER: (1.07, 1.02, 1.01, 1.12),
    FORWARD: (1.5, 1.05, 1.02, 1.3),
}
REACH = (1.10, 1.03, 1.02, 1.15)
"""What ``ORDER`` must reach."""
NOTES = {
    ORDER: "must reach 1.1 1.03 1.02 1.15",
    ONE: f"'b {ROOT}', ignored",
    FORWARD: "line, module, edges",
    BOTH: f"what 'b {NOWHERE}' costs",
    ASKED: "'b norm > 1e30'",
    "detect_anomaly": "NaN yes or no, only",
    PROFILER: "",
    "a function mode that only counts": "",
}


class Counting(TorchFunctionMode):
    """Does the least that a function mode can do."""

    seen = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # fmt: skip
        Counting.seen += 1
        return func(*args, **(kwargs or {}))


def variants() -> dict[str, Context]:
    """Return what is measured, by name."""
    engine = inside.session()
    return {
        ORDER: lambda: inside.armed(engine, NOWHERE, forward=False),
        ONE: lambda: inside.armed(engine, ROOT, forward=False, ignore=1 << 40),
        FORWARD: lambda: inside.recorded(engine),
        BOTH: lambda: inside.armed(engine, NOWHERE),
        ASKED: lambda: inside.armed(engine, "norm > 1e30"),
        "detect_anomaly": lambda: torch.autograd.detect_anomaly(check_nan=True),
        "a function mode that only counts": Counting,
    }


def measure(seconds: float) -> Section:
    """Measure all workloads, each in a process of its own."""
    return pairs.section("overhead", "CPU time over bare", GOALS, NOTES, seconds)


if __name__ == "__main__":
    pairs.child(variants)
