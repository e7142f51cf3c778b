"""Ratios over bare from adjacent pairs in one process: what else the machine does cancels out."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import torch
from table import Row, Section, in_child
from workloads import WORKLOADS

PROFILER = "torch.profiler"
Context = Callable[[], AbstractContextManager[object]]
"""Puts something in place around the training steps."""
CHUNK = 0.04
"""CPU seconds that one side of a pair takes at least."""


class Ratio(msgspec.Struct, frozen=True):
    """CPU time over that of bare."""

    median: float
    """Of the adjacent pairs."""
    best: float
    """The smallest of the pairs: it errs downwards, by as much as the machine is unsteady."""


def _measured(script: str, workload: str, seconds: float) -> dict[str, Any]:
    """Run a script's variants in one process, and the profiler in another.

    What runs after the profiler in its process is slower for a while.
    """
    ours = in_child(script, workload, str(seconds))
    return ours | in_child(script, workload, str(seconds / 4), PROFILER)


def section(
    script: str, title: str, goals: Mapping[str, tuple[float | None, ...]],
    notes: Mapping[str, str], seconds: float,
) -> Section:  # fmt: skip
    """Return the table of a script's variants over all workloads, each in processes of its own."""
    found = {name: _measured(script, name, seconds) for name in WORKLOADS}
    rows = [
        Row(
            what,
            tuple(each[what]["median"] for each in found.values()),
            goals.get(what, ()),
            note=notes.get(what, ""),
            best=tuple(each[what]["best"] for each in found.values()),
        )
        for what in next(iter(found.values()))
    ]
    return Section(title, tuple(WORKLOADS), tuple(rows))


def child(variants: Callable[[], Mapping[str, Context]]) -> None:
    """Be that process: ``script.py WORKLOAD SECONDS [torch.profiler]``; prints JSON."""
    step = WORKLOADS[sys.argv[1]]()
    chosen = variants() if len(sys.argv) < 4 else {PROFILER: _profiler}
    print(json.dumps(msgspec.to_builtins(ratios(step, chosen, float(sys.argv[2])))))


def _profiler() -> AbstractContextManager[object]:
    return torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])


def cpu(work: Callable[[], object], times: int = 1) -> float:
    """Return the CPU seconds that this thread spends in ``times`` calls."""
    start = time.thread_time()
    for _ in range(times):
        work()
    return time.thread_time() - start


def chunk(step: Callable[[], object]) -> int:
    """Return how many steps take about ``CHUNK``."""
    step()
    return max(1, round(CHUNK / max(1e-6, min(cpu(step) for _ in range(3)))))


def ratios(
    step: Callable[[], object], variants: Mapping[str, Context], seconds: float
) -> dict[str, Ratio]:
    """Measure ``step`` inside each variant, a bare run before and after each, for ``seconds``."""
    times = chunk(step)
    for context in variants.values():
        with context():
            step()
    pairs: dict[str, list[float]] = {name: [] for name in variants}
    end = time.monotonic() + seconds
    rounds = 0
    while rounds < 3 or (time.monotonic() < end and rounds < 25):
        rounds += 1
        before = cpu(step, times)
        for name, context in variants.items():
            took = _inside(context, step, times)
            after = cpu(step, times)
            pairs[name].append(2 * took / (before + after))
            before = after
    return {name: Ratio(statistics.median(found), min(found)) for name, found in pairs.items()}


def _inside(context: Context, step: Callable[[], object], times: int) -> float:
    """Return the CPU time of some steps, with what putting things in place and away costs."""
    start = time.thread_time()
    with context():
        for _ in range(times):
            step()
    return time.thread_time() - start
