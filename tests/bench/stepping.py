"""From one node to the next: inside the engine, and over the link. ``stepping.py here NODES``."""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue

sys.path.insert(0, str(Path(__file__).parent.parent))

import inside
from graphs import chain
from table import Row, Section, in_child, load

from gradrepl import conditions as c
from gradrepl import protocol

SIZES = (10, 1_000_000)
STEPS = 1_000
"""Steps that are timed, as many passes as that takes."""
MICRO, MILLI = 1e6, 1e3
NOWHERE = {"a leaf that is not there": "leaf nosuch", "every node's norm": "norm > 1e30"}


class Face:
    """Answers each prompt in a backward with one step, from a thread of its own."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.wall: list[float] = []
        """Seconds from the step being asked for to being parked at the next node."""
        self.cpu: list[float] = []
        """CPU seconds of the parked thread meanwhile."""
        self._prompts: SimpleQueue[tuple[float, float] | None] = SimpleQueue()
        self.engine = inside.session(self.heard)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def heard(self, message: protocol.Message) -> None:
        """Note when a prompt is sent; in the parked thread."""
        if isinstance(message, protocol.Prompt) and message.state == "backward":
            self._prompts.put((time.perf_counter(), time.thread_time()))

    def backward(self, length: int) -> None:
        """Step through the backward of a chain, or as far as there are steps left."""
        self._asked = 0.0
        root = chain(length)
        with self.engine.stepper.code(typed=True):
            self.engine.stepper.recorder.remove()
            self.engine.stepper.go(c.FirstNode())
            root.backward()

    def close(self) -> None:
        """End the thread."""
        self._prompts.put(None)
        self._thread.join()

    def _serve(self) -> None:
        spent = 0.0
        while (prompt := self._prompts.get()) is not None:
            came, now = prompt
            if self._asked:
                self.wall.append(came - self._asked)
                self.cpu.append(now - spent)
                self.left -= 1
            spent = now
            verb: c.Verb = c.Step() if self.left > 0 else c.Continue()
            self._asked = time.perf_counter()
            self.engine.gate.put(protocol.Ask(id=1, request=protocol.Resume(verb=verb)))


def here(length: int) -> dict[str, float]:
    """Time steps in this process."""
    face = Face(STEPS)
    while face.left > 0:
        face.backward(length)
    face.close()
    return {
        "p50": statistics.median(face.wall), "p99": _percentile(face.wall, 99),
        "cpu": statistics.median(face.cpu),
    }  # fmt: skip


def link(length: int) -> dict[str, float]:
    """Time steps of a real debuggee, from sending the request to reading the next prompt."""
    from debuggee import debuggee

    times: list[float] = []
    with debuggee() as d:
        d.type(f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})")
        d.type("from graphs import chain")
        while len(times) < STEPS:
            d.type(f"L = chain({length})")
            d.backward("L")
            while len(times) < STEPS:
                start = time.perf_counter()
                d.step()
                if d.prompt is None or d.prompt.state != "backward":
                    break
                times.append(time.perf_counter() - start)
    return {"p50": statistics.median(times), "p99": _percentile(times, 99)}


def unmatched(text: str, length: int = 100_000) -> dict[str, float]:
    """Return what each node of a backward costs when a condition is armed and never holds.

    The capture of the graph at its start and the hooks put in place are part of it.
    """
    engine = inside.session()
    bare, ours = [], []
    for _ in range(4):
        bare.append(_backward(length))
        with inside.armed(engine, text, forward=False):
            ours.append(_backward(length))
    return {"node": (min(ours) - min(bare)) / length, "bare": min(bare) / length}


def _backward(length: int) -> float:
    root = chain(length)
    start = time.thread_time()
    root.backward()
    return time.thread_time() - start


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def measure() -> Section:
    """Measure steps at all sizes, each in a process of its own."""
    own = [in_child("stepping", "here", str(size)) for size in SIZES]
    far = [in_child("stepping", "link", str(size)) for size in SIZES]
    idle = [in_child("stepping", "unmatched", text) for text in NOWHERE.values()]

    def row(
        what: str, found: list[dict[str, float]], key: str, goal: float | None, note: str
    ) -> Row:  # fmt: skip
        goals = (goal,) * len(found)
        return Row(what, tuple(MICRO * each[key] for each in found), goals, "us", note=note)

    rows = [
        row("step, engine side, p50", own, "p50", None, load()),
        row("step, engine side, p99", own, "p99", 35.0, load()),
        row("  its CPU time in the parked thread, p50", own, "cpu", None, ""),
        row("step, there and back over the link, p50", far, "p50", None, load()),
        row("step, there and back over the link, p99", far, "p99", None, load()),
    ]
    for what, found in zip(NOWHERE, idle, strict=True):
        note = f"bare: {MICRO * found['bare']:.2f} us a node"
        goals = (None, 0.5 if what.startswith("a leaf") else None)
        values = (None, MICRO * found["node"])
        rows.append(Row(f"continue, no match: {what}", values, goals, "us", note=note))
    return Section("Stepping (a chain)", ("10 nodes", "10^6 nodes"), tuple(rows))


if __name__ == "__main__":
    work = {"here": here, "link": link, "unmatched": unmatched}[sys.argv[1]]
    argument = sys.argv[2]
    print(json.dumps(work(int(argument) if argument.isdigit() else argument)))  # type: ignore[operator]
