"""``:epoch run``: a copy of an epoch, iterated to its end or to the first batch that raises."""

from __future__ import annotations

import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

from gradrepl.engine.code import evaluate
from gradrepl.engine.data import batches, epochs, parts, workers
from gradrepl.engine.data.order import Epoch
from gradrepl.engine.data.wanted import watch_of
from gradrepl.engine.explain.loader_errors import name_the_sample
from gradrepl.hookspecs import Here
from gradrepl_loader_lab import loader_copy
from gradrepl_loader_lab.records import EpochRun
from gradrepl_loader_lab.tuning import size

LABELS, INDICES, SLOWEST = 32, 64, 3


def run(loader: Any, name: str, here: Here) -> EpochRun:
    """Iterate a copy of the loader to its end, or to the first batch that raises.

    It is the epoch that the program is in, where that was seen to begin, else the one that would
    begin now.
    """
    begun, which = _begun(loader, here)
    whole = epochs.whole_of(loader, begun)
    total = len(whole) if whole is not None else batches.total_of(loader)
    taken = _Taken(loader)
    begun.put_back()
    if begun.again and whole is not None and loader.batch_sampler is not None:
        loader = loader_copy.copy_of(loader, loader.num_workers, batch_sampler=whole)
    with here.progress(f"epoch of {name}", total) as telling:
        taken.take(loader, telling)
    return EpochRun(
        loader=name,
        batches=taken.batches,
        total=total,
        samples=taken.samples,
        seconds=taken.seconds,
        workers=loader.num_workers,
        first=taken.first,
        slowest=tuple((number, waited) for waited, number in taken.waits),
        labels=tuple(taken.labels.most_common(LABELS)),
        stopped=telling.interrupted,
        **_failure(taken, whole, here),
        notes=(which,),
    )


def _begun(loader: Any, here: Here) -> tuple[Any, str]:
    """Return the epoch that is iterated, and which one it is, in words."""
    watch = watch_of(here.session)
    seen = watch.of(loader) if watch is not None else None
    if seen is not None and not seen.ended and not seen.left_off():
        return seen.begun, f"epoch {seen.epoch}, which the program is in"
    return Epoch(loader), "the epoch that would begin now"


def _failure(taken: _Taken, whole: Any, here: Here) -> dict[str, Any]:
    """Return what there is to say of the batch that raised, if one did."""
    if taken.raised is None:
        return {}
    failed = taken.batches
    indices = whole[failed] if whole and failed < len(whole) else []
    return {
        "failed": failed,
        "indices": tuple(repr(index)[:60] for index in indices[:INDICES]),
        "hint": _hint(taken.raised, whole, here),
        "error": batches.error_text(taken.raised),
    }


def _hint(raised: Exception, whole: list[list[Any]] | None, here: Here) -> str:
    """Say which sample it was, as far as the indices of the batches are known."""
    seen = SimpleNamespace(tasks=dict(enumerate(whole)), since={}) if whole is not None else None
    return name_the_sample(evaluate.error(raised).message, raised, here.session, seen)


class _Taken:
    """What came of a copy."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self.batches = self.samples = 0
        self.first = self.seconds = 0.0
        self.labels: Counter[str] = Counter()
        self.waits: list[tuple[float, int]] = []
        self.raised: Exception | None = None
        self.iterator: Any = None

    def take(self, loader: Any, telling: Any) -> None:
        """Take batch after batch."""
        begun = time.perf_counter()
        try:
            with workers.running(loader) as iterator:
                self.iterator = iterator
                asked = begun
                while not telling.stopped:
                    batch = workers.next_batch(iterator)
                    if batch is workers.END:
                        break
                    self._took(batch, time.perf_counter() - asked)
                    rate = self.samples / (time.perf_counter() - begun)
                    telling.at(self.batches, f"{self.samples} samples, {rate:.0f}/s")
                    asked = time.perf_counter()
        except Exception as problem:  # the user's dataset, here or in a worker
            self.raised = problem
        finally:
            self.seconds = time.perf_counter() - begun

    def _took(self, batch: Any, waited: float) -> None:
        if not self.batches:
            self.first = waited
        else:
            self.waits = sorted([*self.waits, (waited, self.batches)], reverse=True)[:SLOWEST]
        self.batches += 1
        self.samples += size(batch, self._loader)
        self.labels.update(parts.labels_of(batch))
