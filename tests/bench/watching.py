"""What watching gradients costs a training step: ``watching.py W1 SECONDS``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import inside
import pairs
import torch
from pairs import Context
from table import Section
from torch.utils._debug_mode import DebugMode

from gradrepl import model
from gradrepl.engine.health.wanted import Gradients
from gradrepl.engine.session import Session

GRADS = "watch grads: every parameter"
EVERY_LOOK = "the same, all figures at every look"
TENTH = "watch grads every 10"
NODES = "watch nodes: norm, NaN/Inf of every node"
STATISTICS = "watch nodes stats: min and max, too"
GOALS: dict[str, tuple[float | None, ...]] = {
    NODES: (1.20, 1.05, 1.03, 1.35),
    STATISTICS: (1.40, 1.06, 1.08, 1.50),
}
NOTES = {
    EVERY_LOOK: "'set health.figures 1'",
    "detect_anomaly": "NaN yes or no, only",
}


@contextmanager
def watching(engine: Session, *, figures: int = 0, **what: bool | int) -> Iterator[None]:
    """Have gradients watched."""
    gradients = engine.state(Gradients)
    gradients.asked = model.Watching(grads=True, **what)  # type: ignore[arg-type]
    gradients.limits = model.HealthLimits(figures=figures)
    engine.stepper.rearm()
    assert gradients.watch is not None
    # Names are looked up at the beginning of a run, not at that of each of these few steps.
    gradients.watch.forget = lambda: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        gradients.asked = model.Watching()
        engine.stepper.rearm()


def variants() -> dict[str, Context]:
    """Return what is measured, by name."""
    engine = inside.session()
    return {
        GRADS: lambda: watching(engine),
        EVERY_LOOK: lambda: watching(engine, figures=1),
        TENTH: lambda: watching(engine, every=10),
        NODES: lambda: watching(engine, nodes=True),
        STATISTICS: lambda: watching(engine, nodes=True, statistics=True),
        "detect_anomaly": lambda: torch.autograd.detect_anomaly(check_nan=True),
        "torch's DebugMode": DebugMode,
    }


def measure(seconds: float) -> Section:
    """Measure all workloads, each in a process of its own."""
    return pairs.section("watching", "Watching, CPU time over bare", GOALS, NOTES, seconds)


if __name__ == "__main__":
    # What is done now and then, names and figures, must have its share and no more of it.
    pairs.CHUNK = 0.4
    pairs.child(variants)
