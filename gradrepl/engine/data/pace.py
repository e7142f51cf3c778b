"""How the program gets on with a loader: its steps, what it waits, how busy the workers are."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from gradrepl import model
from gradrepl.engine.data.order import shown

PROC = "/proc"
EVERY = 0.25
"""Seconds between two looks at what the workers have computed."""
LOOKS = 40
FEW = 3
"""Steps from which on their mean says something."""
VISITS = 2_000_000
"""Visits of one epoch that are kept."""
SOME = 16
now = time.perf_counter


class Step(NamedTuple):
    """One step of the program: from one batch to the next."""

    total: float
    wait: float
    ready: int | None


def mean(steps: Iterable[Step], room: int | None, limit: float) -> model.Pace | None:
    """Return the mean of some steps, or None where there are too few."""
    kept = list(steps)
    if len(kept) < FEW:
        return None
    total = sum(each.total for each in kept) / len(kept)
    wait = sum(each.wait for each in kept) / len(kept)
    lay = [each.ready for each in kept if each.ready is not None]
    return model.Pace(
        batches=len(kept),
        step=total,
        wait=wait,
        room=room,
        ready=sum(lay) / len(lay) if lay else None,
        verdict=verdict(wait, total, limit),
    )


def verdict(wait: float, total: float, limit: float) -> str:
    """Say whether it is the loader that holds the program up; ``limit`` is a share of the step."""
    share = wait / total if total else 0.0
    if share >= limit:
        return f"loader-bound: {share:.0%} of the step is waiting for data."
    return f"the loader keeps up: {share:.0%} of the step is waiting for data."


def room_of(loader: Any) -> int | None:
    """Return how many batches may lie ready; None without workers."""
    return loader.num_workers * (loader.prefetch_factor or 2) if loader.num_workers else None


def ready(known: dict[str, Any]) -> int | None:
    """Return how many batches are fetched and not handed over; None where nobody can tell.

    ``known`` are the attributes of an iterator.
    """
    if not known.get("_workers"):
        return None
    try:
        come = sum(len(each) == 2 for each in list(known.get("_task_info", {}).values()))
        first, second = known["_worker_result_queue"], known["_data_queue"]
        return int(come + first.qsize() + (second.qsize() if second is not first else 0))
    except (KeyError, NotImplementedError, OSError, ValueError):  # macOS; or it is shut down
        return None


# -- workers -----------------------------------------------------------------------------------


def can_tell() -> bool:
    """Can it be told how busy a process is?"""
    return os.path.exists(f"{PROC}/self/stat")


def computed(pid: int | None) -> tuple[float, float] | None:
    """Return the seconds that a process has computed, and those since it began; or None."""
    try:
        text = Path(f"{PROC}/{pid}/stat").read_text()
        uptime = float(Path(f"{PROC}/uptime").read_text().split()[0])
        fields = text.rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        spent = (int(fields[11]) + int(fields[12])) / ticks
        return spent, max(0.0, uptime - int(fields[19]) / ticks)
    except (OSError, ValueError, IndexError):
        return None


class Busy:
    """What the workers of one epoch computed while batches were fetched."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, dict[int, float]]] = deque(maxlen=LOOKS)
        self._next = 0.0

    def look(self, iterator: Any, moment: float) -> None:
        """Look, if the last time, or the begin, is long enough ago."""
        if moment < self._next:
            return
        begins, self._next = not self._next, moment + EVERY
        if begins:
            return
        pids = [process.pid for process in vars(iterator).get("_workers", ())]
        spent = {pid: each[0] for pid in pids if (each := computed(pid)) is not None}
        self._looks.append((now(), spent))

    def restart(self) -> None:
        """Somebody stopped: the workers waited, too."""
        self._looks.clear()
        self._next = 0.0

    def share(self, pid: int) -> tuple[float, float] | None:
        """Return (share of one core, seconds it is the mean of) of a worker, or None."""
        known = [(moment, spent[pid]) for moment, spent in self._looks if pid in spent]
        if len(known) < 2 or known[-1][0] - known[0][0] < EVERY / 2:
            return None
        over = known[-1][0] - known[0][0]
        return (known[-1][1] - known[0][1]) / over, over


# -- visits ------------------------------------------------------------------------------------


def visits(counts: Counter[Any], length: int | None) -> model.Visits:
    """Return how often indices come; those of a map dataset count from 0 to its length."""
    counts = _from_zero(counts, length)
    repeats = [(index, times) for index, times in counts.most_common() if times > 1]
    never, missing = None, ()
    if length is not None and all(type(each) is int for each in counts):
        never = length - sum(0 <= each < length for each in counts)
        absent = (index for index in range(length if never else 0) if index not in counts)
        missing = shown(islice(absent, SOME))
    return model.Visits(
        samples=counts.total(),
        different=len(counts),
        repeated=len(repeats),
        repeats=tuple((shown([index])[0], times) for index, times in repeats[:SOME]),
        never=never,
        missing=missing,
    )


def _from_zero(counts: Counter[Any], length: int | None) -> Counter[Any]:
    """Return the same with indices from the end as those from the begin."""
    if length is None or not any(type(each) is int and each < 0 for each in counts):
        return counts
    turned: Counter[Any] = Counter()
    for index, times in counts.items():
        turned[index + length if type(index) is int and index < 0 else index] += times
    return turned
