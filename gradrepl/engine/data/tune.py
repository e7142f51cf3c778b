"""How many workers are best: copies of a loader, each iterated for a few seconds."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from gradrepl import model
from gradrepl.engine.data import batches, copies, parts
from gradrepl.model import TuneRow

if TYPE_CHECKING:
    from gradrepl.engine.session import Session

TRIED = (0, 1, 2, 4, 8)
WORTH = 1.1
"""More workers are worth it where they are so many times as fast."""


def measure(
    loader: Any, name: str, session: Session, seconds: float, wanted: tuple[int, ...]
) -> model.Tuning:
    """Iterate over a copy with each number of workers; Ctrl-C ends it with what there is."""
    cores = _cores()
    numbers = wanted or tuple(sorted({n for n in TRIED if n <= 2 * cores} | {loader.num_workers}))
    rows: list[TuneRow] = []
    for place, workers in enumerate(numbers, 1):
        if session.stepper.interrupted:
            break
        try:
            row = _one(loader, workers, seconds, session)
        except KeyboardInterrupt:  # it came while the user's dataset ran
            session.stepper.interrupted = True
            break
        rows.append(row)
        said = row.failed or f"{row.samples_per_second:.0f} samples/s"
        session.tell(model.Notice(message=f"{place} of {len(numbers)}: {workers} workers, {said}"))
    stopped, session.stepper.interrupted = session.stepper.interrupted, False
    best = _best(rows)
    return model.Tuning(
        name=name, rows=tuple(rows), now=loader.num_workers,
        best=loader.num_workers if best is None else best.workers,
        verdict=_verdict(rows, best, loader.num_workers), stopped=stopped, cores=cores,
    )  # fmt: skip


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _one(loader: Any, workers: int, seconds: float, session: Session) -> TuneRow:
    """Measure one number of workers, over as many epochs as fit into the time."""
    begun = time.perf_counter()
    end = begun + seconds
    taken = samples = 0
    first = last = 0.0
    try:
        copy = copies.copy_of(loader, workers)
        while not taken or time.perf_counter() < end:
            before = taken
            with copies.running(copy, loader) as iterator:
                for batch in iterator:
                    last = time.perf_counter()
                    taken += 1
                    if taken == 1:
                        first = last - begun
                        end = last + seconds
                    else:
                        samples += _size(batch, loader)
                    if last > end or session.stepper.interrupted:
                        break
            if taken == before or session.stepper.interrupted:
                break
    except Exception as problem:  # the user's dataset, here or in a worker
        return TuneRow(workers=workers, failed=batches.said(problem))
    spent = max(1e-9, last - begun - first)
    rate = samples / spent if taken > 1 else 0.0
    return TuneRow(
        workers=workers, samples_per_second=rate, batches=taken, first=first,
        seconds=last - begun,
    )  # fmt: skip


def _size(batch: Any, loader: Any) -> int:
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
