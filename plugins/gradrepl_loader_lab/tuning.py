"""How many workers are best: copies of a loader, each iterated for a few seconds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gradrepl.engine.data import batches, parts
from gradrepl.engine.data.workers import END, next_batch, running
from gradrepl.hookspecs import Here
from gradrepl_loader_lab import loader_copy
from gradrepl_loader_lab.records import TuneRow, Tuning

TRIED = (0, 1, 2, 4, 8)
WORTH = 1.1
"""More workers are worth it where they are so many times as fast."""


def measure(loader: Any, name: str, here: Here, seconds: float, wanted: tuple[int, ...]) -> Tuning:
    """Iterate over a copy with each number of workers; Ctrl-C ends it with what there is."""
    cores = _cores()
    numbers = wanted or tuple(sorted({n for n in TRIED if n <= 2 * cores} | {loader.num_workers}))
    rows: list[TuneRow] = []
    with here.progress(f"tune {name}", len(numbers), "numbers of workers") as telling:
        for place, workers in enumerate(numbers):
            if telling.stopped:
                break
            telling.at(place, f"num_workers={workers}")
            found = timed(loader, workers, seconds, telling)
            if telling.stopped:
                break
            rows.append(_row(workers, found))
            said = found.failed or f"{rows[-1].samples_per_second:.0f} samples/s"
            telling.at(place + 1, f"num_workers={workers}: {said}")
    best = _best(rows)
    return Tuning(
        name=name,
        rows=tuple(rows),
        now=loader.num_workers,
        best=loader.num_workers if best is None else best.workers,
        stopped=telling.interrupted,
        verdict=_verdict(rows, best, loader.num_workers),
        cores=cores,
    )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Timed(NamedTuple):
    """A copy that was iterated for some time."""

    batches: int
    samples: int
    """Without those of the first batch."""
    first: float
    """Seconds to the first batch."""
    seconds: float
    """To the last."""
    last: Any
    """The last batch."""
    failed: str = ""

    @property
    def spent(self) -> float:
        """Seconds from the first batch to the last."""
        return max(1e-9, self.seconds - self.first)

    @property
    def each(self) -> float | None:
        """Seconds a batch, without the first."""
        return self.spent / (self.batches - 1) if self.batches > 1 else None


def timed(
    loader: Any,
    workers: int,
    seconds: float,
    telling: Any,
    got: Callable[[int], None] = lambda taken: None,
) -> Timed:
    """Iterate over a copy for some time after its first batch, in as many epochs as that takes.

    At Ctrl-C it returns what there is.
    """
    begun = time.perf_counter()
    end = begun + seconds
    taken = samples = 0
    first = last = 0.0
    batch: Any = None
    failed = ""
    try:
        copy = loader_copy.copy_of(loader, workers)
        before = -1
        while taken > before and last <= end and not telling.stopped:
            before = taken
            with running(copy) as iterator:
                while (found := next_batch(iterator)) is not END:
                    batch, last, taken = found, time.perf_counter(), taken + 1
                    got(taken)
                    if taken == 1:
                        first, end = last - begun, last + seconds
                    else:
                        samples += size(batch, loader)
                    if last > end or telling.stopped:
                        break
    except KeyboardInterrupt:  # it came while the user's dataset ran, or while a worker did
        telling.interrupted = True
    except Exception as problem:  # the user's dataset, here or in a worker
        failed = batches.error_text(problem)
    return Timed(taken, samples, first, max(0.0, last - begun), batch, failed)


def _row(workers: int, found: Timed) -> TuneRow:
    if found.failed:
        return TuneRow(workers=workers, failed=found.failed)
    rate = found.samples / found.spent if found.batches > 1 else 0.0
    return TuneRow(
        workers=workers,
        samples_per_second=rate,
        batches=found.batches,
        first=found.first,
        seconds=found.seconds,
    )


def size(batch: Any, loader: Any) -> int:
    """Return how many samples are in a batch."""
    if not loader._auto_collation:
        return 1
    for _, value in parts.leaves(batch):
        shape = getattr(value, "shape", None)
        if shape:
            return int(shape[0])
        if isinstance(value, list):
            return len(value)
    return int(loader.batch_size or 1)


def _best(rows: list[TuneRow]) -> TuneRow | None:
    """Return the fastest; of those about as fast, the one with the fewest workers."""
    good = [row for row in rows if not row.failed and row.samples_per_second]
    if not good:
        return None
    top = max(row.samples_per_second for row in good)
    near = [row for row in good if row.samples_per_second * WORTH >= top]
    return min(near, key=lambda row: row.workers)


def _verdict(rows: list[TuneRow], best: TuneRow | None, now: int) -> str:
    if best is None:
        return "nothing could be measured."
    here = next((r for r in rows if r.workers == now and r.samples_per_second), None)
    if best.workers == now:
        return f"num_workers={now} is as good as any that was tried."
    if here is None:
        return f"num_workers={best.workers} is best."
    times = best.samples_per_second / here.samples_per_second
    return (
        f"num_workers={best.workers} gives {times:.1f} times the samples of num_workers={now}, "
        "measured with nothing else running: the training wants cores, too."
    )
