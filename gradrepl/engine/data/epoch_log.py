"""The log of one epoch in the program's own loop: indices sampled, batches received, waits.

What a batch leaves behind is put down in one row as it is handed over, and worked out when
somebody asks, or a good many have come: after a batch the program has its own work to do, and
with workers the thread that feeds them waits for the interpreter just then.
"""

from __future__ import annotations

import time
import weakref
from array import array
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from gradrepl import model
from gradrepl.engine.data import workers
from gradrepl.engine.data.order import Epoch, indices_of, samples_of

KEPT = 64
"""Batches of an epoch that are remembered."""
EVERY = 0.01
"""Seconds between two looks at how many batches lie ready."""
FEW = 3
"""Steps from which on their mean says something."""
VISITS = 2_000_000
"""Visits of one epoch that are kept."""
now = time.perf_counter


class Step(NamedTuple):
    """One step of the program: from one batch to the next."""

    total: float
    wait: float
    ready: int | None


def pace_of(steps: Iterable[Step], capacity: int | None, limit: float) -> model.Pace | None:
    """Return the mean of some steps, or None where there are too few.

    The loader holds the program up if waiting is more than ``limit`` of it.
    """
    kept = list(steps)
    if len(kept) < FEW:
        return None
    total = sum(each.total for each in kept) / len(kept)
    wait = sum(each.wait for each in kept) / len(kept)
    ready = [each.ready for each in kept if each.ready is not None]
    share = wait / total if total else 0.0
    kept_up = "the loader keeps up" if share < limit else "the program's own work takes more"
    what = "loader-bound" if share >= max(limit, 0.5) else kept_up
    return model.Pace(
        batches=len(kept),
        step=total,
        wait=wait,
        room=capacity,
        ready=sum(ready) / len(ready) if ready else None,
        verdict=f"{what}: {share:.0%} of the step is waiting for data.",
    )


class BatchLog(NamedTuple):
    """One batch that the program got."""

    number: int
    indices: list[Any]
    worker: int | None
    wait: float
    step: float | None
    """From one batch to the next; None for the first one, and where somebody stopped between."""
    ready: int | None


class EpochLog:
    """One epoch of a loader in the program's own loop."""

    def __init__(self, loader: Any, begun: Epoch, number: int) -> None:
        self.loader = weakref.ref(loader)
        self.begun = begun
        self.epoch = number
        self.iterator: weakref.ref[Any] | None = None
        self.base_seed: int | None = None
        self.last = -1
        """The batch that the program has got last; -1: none."""
        self.ended = False
        self.tasks: dict[int, list[Any]] = {}
        """By the iterator's own number: indices that were drawn, and perhaps not handed over."""
        self._has_workers = bool(loader.num_workers)
        self._in_order = not self._has_workers or (
            bool(getattr(loader, "in_order", True)) and loader._dataset_kind == 0
        )
        """Batches come one after the other, each from the worker that it was given to."""
        self._workers: dict[int, int] = {}
        self._request: tuple[int | None, int | None, float] = (None, None, 0.0)
        """(batches that lay ready, worker that had the next, when) as one was asked for."""
        self._received: list[tuple[tuple[int | None, int | None, float], int, float]] = []
        """Of the last batches, not worked out so far: (as it was asked for, task, when)."""
        self._last_batches: deque[BatchLog] = deque(maxlen=KEPT)
        self._since: dict[int, float] = {}
        self._samples = 0
        self.busy = workers.Busy()
        self._visited = array("q")
        self._texts: Counter[str] = Counter()
        self._uncounted = False
        self._look = 0.0
        """When to look next at how many batches lie ready."""
        self._last_time: float | None = None
        """When the program got its last batch, unless somebody has stopped since."""
        self._sampled = 0

    # -- as the program continues ----------------------------------------------------------------

    def sampled(self, iterator: Any, drawn: Any) -> None:
        """The sampler yielded the indices of a batch that will be fetched."""
        self.tasks[iterator._send_idx if self._has_workers else self._sampled] = indices_of(drawn)
        self._sampled += 1

    def queued(self, iterator: Any) -> None:
        """See which worker each batch was given to."""
        moment = now()
        for number, info in vars(iterator).get("_task_info", {}).items():
            if number not in self._workers:
                self._workers[number] = info[0]
                self._since.setdefault(info[0], moment)

    def requested(self, iterator: Any) -> None:
        """The program asks for the next batch."""
        if len(self._received) >= KEPT:
            self.work_out()
        if not self._in_order:
            for task in self._taken_tasks(
                iterator
            ):  # could not be fetched, and the program goes on
                del self.tasks[task]
                self._workers.pop(task, None)
        ready = worker = None
        begun = now()
        if self._has_workers:
            if begun >= self._look:
                ready = workers.ready(vars(iterator))
                self.busy.look(iterator, begun)
                begun = now()
                self._look = begun + EVERY
            if self._in_order and (info := iterator._task_info.get(iterator._rcvd_idx)) is not None:
                worker = info[0]
        self._request = ready, worker, begun

    def received(self, iterator: Any) -> None:
        """The program has got the batch."""
        moment = now()
        self.last += 1
        if self._in_order:
            task = iterator._rcvd_idx - 1 if self._has_workers else self._sampled - 1
            self._received.append((self._request, task, moment))
        else:
            task = self._received_task(iterator)
            ready, _, begun = self._request
            self._received.append(((ready, self._workers.pop(task, None), begun), task, moment))
            self.work_out()
            self.queued(iterator)

    def _received_task(self, iterator: Any) -> int:
        """Return which of those that are gone was handed over: a worker at its end brings none."""
        gone = self._taken_tasks(iterator)
        ended = {n for n, goes_on in enumerate(iterator._workers_status) if not goes_on}
        brought = [task for task in gone if self._workers.get(task) not in ended]
        return (brought or gone or [-1])[-1]

    def _taken_tasks(self, iterator: Any) -> list[int]:
        """Return those of what was drawn that are not outstanding any more."""
        return [task for task in self.tasks if task not in iterator._task_info]

    def restart(self) -> None:
        """Somebody stops here: this step's time says nothing."""
        self.work_out()
        self._last_time = None
        self.busy.restart()

    def work_out(self) -> None:
        """Make of each row what is known of its batch."""
        rows, self._received = self._received, []
        number = self.last - len(rows)
        for (ready, worker, begun), task, moment in rows:
            number += 1
            indices = self.tasks.pop(task, [])
            step = None if self._last_time is None else moment - self._last_time
            self._last_time = moment
            self._last_batches.append(
                BatchLog(number, indices, worker, moment - begun, step, ready)
            )
            if worker is not None:
                self._since[worker] = moment
            self._count(samples_of(indices))
        if self._in_order and rows:
            for task in [task for task in self.tasks if task < rows[-1][1]]:
                del self.tasks[task]  # it could not be fetched, and the program went on

    def _count(self, indices: list[Any]) -> None:
        self._samples += len(indices)
        kinds = set(map(type, indices))
        if self._uncounted or self._samples > VISITS or kinds - {int, str}:
            self.forget()
        elif kinds == {int}:
            try:
                self._visited.extend(indices)
            except OverflowError:
                self.forget()
        else:
            self._texts.update(indices)

    # -- what is known -------------------------------------------------------------------------

    @property
    def last_batches(self) -> deque[BatchLog]:
        """The last batches that the program has got."""
        self.work_out()
        return self._last_batches

    @property
    def batches(self) -> int:
        """How many batches the program has got."""
        return self.last + 1

    @property
    def samples(self) -> int:
        """How many were in the batches that the program has got."""
        self.work_out()
        return self._samples

    @property
    def goes_on(self) -> bool:
        """Is the program in the middle of it?"""
        return not self.ended and self.iterator is not None and self.iterator() is not None

    def batch(self, number: int) -> BatchLog | None:
        """Return what is remembered of a batch."""
        return next((each for each in self.last_batches if each.number == number), None)

    @property
    def since(self) -> dict[int, float]:
        """By worker: since when it has been at what it has to deliver next."""
        self.work_out()
        return self._since

    def left_off(self) -> bool:
        """Has the program left its loop before the end?"""
        alive = self.iterator() if self.iterator is not None else None
        return not self.ended and alive is None

    def agrees(self, loader: Any) -> bool:
        """Does the sampler, asked again, draw what the program got?"""
        logged = self.last_batches
        if not logged:
            return True
        first, last = logged[0].number, logged[-1].number
        again = self.begun.batches(loader, first, last - first + 1)
        return again == [each.indices for each in logged]

    def steps(self) -> list[Step]:
        """Return the last steps that were measured."""
        return [
            Step(each.step, each.wait, each.ready)
            for each in self.last_batches
            if each.step is not None
        ]

    def visits(self) -> Counter[Any] | None:
        """Return how often the program has got each index, or None where that was not kept."""
        self.work_out()
        if self._uncounted or (self._texts and self._visited):
            return None
        return Counter(self._visited) if self._visited else Counter(self._texts)

    def kept(self) -> int:
        """Return how many visits are kept."""
        return len(self._visited)

    def forget(self) -> None:
        """Keep no visits."""
        self._uncounted, self._visited = True, array("q")
        self._texts.clear()
