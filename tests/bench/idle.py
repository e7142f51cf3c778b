"""A script under a debuggee with nothing armed, beside the same script alone: ``idle.py SECONDS``.

The two processes take turns, so that both see the same machine; each says how much CPU time all
its threads spent. With ``idle.py --script W1 READ WRITE`` this file is that script.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from table import Row, Section, in_child

NAMES = ("W1", "W2", "W3", "W4")
GOAL = 1.01
CHUNK = 0.1
Turn = Callable[[int], float]
"""Runs some steps in the other process; returns its CPU seconds."""


@contextmanager
def _ends() -> Iterator[tuple[tuple[int, int], Turn]]:
    """Yield the descriptors for a script, and the function that gives it a turn."""
    with ExitStack() as stack:
        ask, answer = os.pipe(), os.pipe()
        questions = stack.enter_context(os.fdopen(ask[1], "w", buffering=1))
        answers = stack.enter_context(os.fdopen(answer[0]))
        theirs = ask[0], answer[1]

        def turn(times: int) -> float:
            questions.write(f"{times}\n")
            return float(answers.readline())

        yield theirs, turn
        for descriptor in theirs:
            os.close(descriptor)


@contextmanager
def _alone(name: str) -> Iterator[Turn]:
    with _ends() as (theirs, turn):
        command = [sys.executable, __file__, "--script", name, *map(str, theirs)]
        with subprocess.Popen(command, pass_fds=theirs) as process:
            yield turn
            process.kill()


@contextmanager
def _attached(name: str) -> Iterator[Turn]:
    from debuggee import debuggee

    from gradrepl import conditions as c
    from gradrepl import protocol

    with _ends() as (theirs, turn), debuggee(warm=False, pass_fds=theirs) as found:
        found.load(__file__, "--script", name, *map(str, theirs))
        found.send(protocol.Resume(verb=c.Continue()))
        yield turn


def ratio(name: str, seconds: float) -> dict[str, float]:
    """Return the median and the smallest of the pairs."""
    with _alone(name) as alone, _attached(name) as attached:
        alone(3), attached(3)
        times = max(1, round(CHUNK / (min(alone(3), alone(3)) / 3)))
        pairs = []
        end = time.monotonic() + seconds
        while len(pairs) < 5 or (time.monotonic() < end and len(pairs) < 60):
            before, took, after = alone(times), attached(times), alone(times)
            pairs.append(2 * took / (before + after))
        return {"median": statistics.median(pairs), "best": min(pairs)}


def measure(seconds: float) -> Section:
    """Measure all workloads."""
    found = {name: in_child("idle", name, str(seconds)) for name in NAMES}
    row = Row(
        "attached, nothing armed",
        tuple(found[name]["median"] for name in NAMES),
        (GOAL,) * len(NAMES),
        note="two processes, in turn",
        best=tuple(found[name]["best"] for name in NAMES),
    )
    return Section("CPU time over bare", NAMES, (row,))


def _script(name: str, read: str, write: str) -> None:
    from workloads import WORKLOADS

    step = WORKLOADS[name]()
    with os.fdopen(int(read)) as questions, os.fdopen(int(write), "w", buffering=1) as answers:
        for line in questions:
            start = time.process_time()
            for _ in range(int(line)):
                step()
            answers.write(f"{time.process_time() - start}\n")


if __name__ == "__main__":
    if sys.argv[1] == "--script":
        _script(*sys.argv[2:])
    else:
        print(json.dumps(ratio(sys.argv[1], float(sys.argv[2]))))
