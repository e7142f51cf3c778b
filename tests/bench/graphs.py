"""Capturing a graph: nodes a second, memory, and depth.

``graphs.py NODES`` or ``graphs.py deep``, with a large stack: graphs this deep are freed in C,
which calls itself once for each node.
"""

from __future__ import annotations

import gc
import json
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from table import Row, Section, in_child

SIZES = (1_000, 10_000, 100_000, 1_000_000)
GOAL = 1.5
"""Million nodes a second."""
MEGABYTE = 1e6


def chain(length: int) -> Any:
    """Return a scalar whose graph is one chain of ``length`` nodes and a leaf."""
    import torch

    x = torch.ones((), requires_grad=True)
    for _ in range(length - 1):
        x = x * 1.0
    return x


def capture(length: int) -> dict[str, float]:
    """Return million nodes a second and the memory that the columns take."""
    import torch

    from gradrepl.engine.graph.graph import Graph

    torch.set_num_threads(1)
    root = chain(length).grad_fn
    gc.collect()
    before = _resident()
    rates = []
    for _ in range(max(3, min(50, 300_000 // length))):
        start = time.thread_time()
        graph = Graph([root])
        rates.append(len(graph) / (time.thread_time() - start) / 1e6)
        assert len(graph) == length
        del graph
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "rate": statistics.median(rates),
        "best": max(rates),
        "megabytes": max(0.0, peak - before) / MEGABYTE,
    }


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def deep(length: int = 1_000_000) -> dict[str, float]:
    """Capture, step and free a chain of a million nodes; return the seconds of each."""
    import threading

    import inside

    from gradrepl import conditions as c
    from gradrepl import protocol

    steps = 0

    def heard(message: protocol.Message) -> None:
        nonlocal steps
        if isinstance(message, protocol.Prompt) and message.state == "backward":
            steps += 1
            verb: c.Verb = c.Step() if steps < 100 else c.Continue()
            engine.gate.put(protocol.Ask(id=steps, request=protocol.Resume(verb=verb)))

    engine = inside.session(heard)
    start = time.perf_counter()
    root = chain(length)
    built = time.perf_counter()
    with engine.stepper.code(typed=True):
        engine.stepper.recorder.remove()
        engine.stepper.go(c.FirstNode())
        root.backward()
    stepped = time.perf_counter()
    assert threading.active_count() == 1
    assert steps == 100
    del root
    gc.collect()
    freed = time.perf_counter()
    return {"build": built - start, "step": stepped - built, "free": freed - stepped}


def measure() -> Section:
    """Measure all sizes, each in a process of its own."""
    found = [in_child("graphs", str(size)) for size in SIZES]
    freed = in_child("graphs", "deep")
    rates = Row(
        "capture", tuple(each["rate"] for each in found), (GOAL,) * len(SIZES), "M/s",
        "torchview 18 s at 10^5; torchlens 6.1 s at 10^6", more_is_better=True,
    )  # fmt: skip
    memory = Row(
        "memory on top of torch's own graph", tuple(each["megabytes"] for each in found),
        (None, None, None, 140.0), "MB", "torchlens 553 MB at 10^6",
    )  # fmt: skip
    depth = Row(
        "10^6 deep: built; backward with 100 steps; freed",
        (None, freed["build"], freed["step"], freed["free"]), unit="s", note="did not crash",
        others="torchviz dies at 1,000 deep",
    )  # fmt: skip
    columns = ("10^3 nodes", "10^4", "10^5", "10^6")
    return Section("Graphs (a chain)", columns, (rates, memory, depth))


if __name__ == "__main__":
    print(json.dumps(deep() if sys.argv[1] == "deep" else capture(int(sys.argv[1]))))
