"""Loops of the program over its loaders, seen without a change to what they get.

In place only while somebody asks: stand-ins for the methods of torch's two iterators that begin
an epoch, draw the indices of a batch and hand a batch over. Each calls the original and notes
what it did; nothing is drawn, fetched or kept but indices and times.
"""

from __future__ import annotations

import functools
import sys
import time
import weakref
from array import array
from collections import Counter, deque
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from torch.utils.data import dataloader

from gradrepl import model
from gradrepl.engine.data import pace
from gradrepl.engine.data.event import BatchEvent
from gradrepl.engine.data.order import Epoch, indices_of
from gradrepl.engine.patches import Patch, passes
from gradrepl.errors import StateError

if TYPE_CHECKING:
    from gradrepl.engine.data.synthetic import Swap
    from gradrepl.engine.stepper import Stepper

KEPT = 64
"""Batches of an epoch that are remembered."""
LOADERS = 32
SAMPLED = 4
"""Each so many batches it is counted how many lie ready."""
now = time.perf_counter


class Noted:
    """One batch that the program got."""

    __slots__ = ("indices", "number", "ready", "step", "wait", "worker")

    def __init__(
        self, number: int, indices: list[Any], worker: int | None, wait: float,
        step: float | None = None, ready: int | None = None,
    ) -> None:  # fmt: skip
        self.number, self.indices, self.worker, self.wait = number, indices, worker, wait
        self.step, self.ready = step, ready


class Seen:
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
        self.noted: deque[Noted] = deque(maxlen=KEPT)
        self.tasks: dict[int, list[Any]] = {}
        """By the iterator's own number: indices that were drawn and not handed over so far."""
        self.workers: dict[int, int] = {}
        self.since: dict[int, float] = {}
        """By worker: since when it has been at what it has to deliver next."""
        self.samples = 0
        """In the batches that the program has got."""
        self.busy = pace.Busy()
        self._many = bool(loader.num_workers)
        self._plain = not self._many or (
            bool(getattr(loader, "in_order", True)) and loader._dataset_kind == 0
        )
        """Batches come one after the other, each from the worker that it was given to."""
        self._pending: list[list[Any]] = []
        """Indices that were not counted so far."""
        self._visited = array("q")
        self._texts: Counter[str] = Counter()
        self._uncounted = False
        self._handed: float | None = None
        """When the program got its last batch, unless somebody has stopped since."""
        self._drawn = 0

    def batch(self, number: int) -> Noted | None:
        """Return what is remembered of a batch."""
        return next((each for each in self.noted if each.number == number), None)

    @property
    def goes_on(self) -> bool:
        """Is the program in the middle of it?"""
        return not self.ended and self.iterator is not None and self.iterator() is not None

    def agrees(self, loader: Any) -> bool:
        """Does the sampler, asked again, draw what the program got?"""
        if not self.noted:
            return True
        first, last = self.noted[0].number, self.noted[-1].number
        try:
            again = self.begun.batches(loader, first, last - first + 1)
        except StateError:
            return False
        return again == [each.indices for each in self.noted]

    def drew(self, iterator: Any, drawn: Any) -> None:
        """The sampler yielded the indices of a batch that will be fetched."""
        number = vars(iterator).get("_send_idx", self._drawn)
        self._drawn += 1
        self.tasks[number] = indices_of(drawn)

    def sent(self, iterator: Any) -> None:
        """See which worker each batch was given to."""
        moment = now()
        for number, info in vars(iterator).get("_task_info", {}).items():
            if number not in self.workers:
                self.workers[number] = info[0]
                self.since.setdefault(info[0], moment)

    def left_off(self) -> bool:
        """Has the program left its loop before the end?"""
        alive = self.iterator() if self.iterator is not None else None
        return not self.ended and alive is None

    def restart(self) -> None:
        """Somebody stops here: this step's time says nothing."""
        self._handed = None
        self.busy.restart()

    def steps(self) -> list[pace.Step]:
        """Return the last steps that were measured."""
        return [
            pace.Step(each.step, each.wait, each.ready)
            for each in self.noted
            if each.step is not None
        ]

    def visits(self) -> Counter[Any] | None:
        """Return how often the program has got each index, or None where that was not kept."""
        self._count()
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
        self._pending.clear()

    def _count(self) -> None:
        """Count what is pending."""
        pending, self._pending = self._pending, []
        for indices in pending:
            kinds = set(map(type, indices))
            if self._uncounted or self.samples > pace.VISITS or kinds - {int, str}:
                self.forget()
            elif kinds == {int}:
                try:
                    self._visited.extend(indices)
                except OverflowError:
                    self.forget()
            else:
                self._texts.update(indices)

    def before(self, known: dict[str, Any]) -> tuple[int | None, int | None]:
        """Return (batches that lie ready, worker that has the next) as the program asks for one."""
        if not self._many:
            return None, None
        info = known["_task_info"].get(known["_rcvd_idx"]) if self._plain else None
        ready = None if self.last % SAMPLED else pace.ready(known)
        return ready, None if info is None else info[0]

    def got(self, iterator: Any, begun: float, ready: int | None, worker: int | None) -> Noted:
        """The program has got a batch, for which it has waited since ``begun``."""
        moment = now()
        handed, self._handed = self._handed, moment
        if self._plain:
            task = iterator._rcvd_idx - 1 if self._many else next(iter(self.tasks), -1)
        else:
            task, worker = self._gone(iterator)
        self.last += 1
        indices = self.tasks.pop(task, [])
        noted = Noted(
            self.last, indices, worker, moment - begun,
            None if handed is None else moment - handed, ready,
        )  # fmt: skip
        self.noted.append(noted)
        self.samples += len(indices)
        self._pending.append(indices)
        if len(self._pending) >= KEPT:
            self._count()
        if worker is not None:
            self.since[worker] = moment
        if ready is not None:
            self.busy.look(iterator, moment)
        return noted

    def _gone(self, iterator: Any) -> tuple[int, int | None]:
        """Return which of what was drawn is not outstanding any more, and whose it was."""
        waiting = vars(iterator).get("_task_info")
        gone = [n for n in self.tasks if waiting is None or n not in waiting]
        task = gone[0] if gone else -1
        worker = self.workers.pop(task, None)
        self.sent(iterator)
        return task, worker


class DataWatch:
    """What is seen of the program's loops."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self.on = False
        self._seen: deque[Seen] = deque(maxlen=LOADERS)
        self._by_iterator: dict[int, Seen] = {}
        """By id: the epoch that an iterator is in; a freed one's id may come back."""
        self._asked: frozenset[int] | None = frozenset()
        self.swap: Swap | None = None
        """One batch from memory in the place of a loader, where that was asked for."""
        self.epochs = self.batches = 0
        base, many = dataloader._BaseDataLoaderIter, dataloader._MultiProcessingDataLoaderIter
        single = dataloader._SingleProcessDataLoaderIter
        self._patches = [
            self._patch(base, "__init__", self._begin),
            self._patch(many, "__init__", self._begin),
            self._patch(many, "_reset", self._reset),
            self._patch(base, "_next_index", self._next_index),
            self._patch(single, "_next_data", self._next),
            self._patch(many, "_next_data", self._next),
        ]

    def _patch(self, owner: Any, name: str, ours: Callable[..., Any]) -> Patch:
        original = vars(owner)[name]

        @functools.wraps(original)
        @passes
        def stand_in(iterator: Any, *args: Any, **kwargs: Any) -> Any:
            if self.unseen():
                return patch.kept(iterator, *args, **kwargs)
            return ours(patch.kept, iterator, *args, **kwargs)

        patch = Patch(owner, name, stand_in)
        return patch

    def unseen(self) -> bool:
        """Is this not the program's own doing?"""
        return not self.stepper.sees()

    def place(self, on: bool) -> None:
        """Have the stand-ins in place, or not."""
        self._asked = self.stepper.armed.batches()
        if on == self.on:
            return
        self.on = on
        for patch in self._patches if on else reversed(self._patches):
            patch.install() if on else patch.remove()
        if not on and self.swap is not None:
            self.swap.off()
            self.swap = None
        if on:
            self._seen.clear()
            self._by_iterator.clear()
            self.epochs = self.batches = 0

    def restart(self) -> None:
        """Somebody stops here: the steps that are running say nothing."""
        for each in self._seen:
            each.restart()
        if self.swap is not None:
            self.swap.restart()

    def of(self, loader: Any) -> Seen | None:
        """Return the last epoch seen of a loader, or None."""
        return next((each for each in reversed(self._seen) if each.loader() is loader), None)

    def epochs_of(self, loader: Any) -> list[Seen]:
        """Return the epochs of a loader that are remembered, the oldest first."""
        return [each for each in self._seen if each.loader() is loader]

    def latest(self) -> list[Any]:
        """Return the loaders seen: those in the middle of an epoch first, the newest first."""
        found = sorted(reversed(self._seen), key=lambda each: not each.goes_on)
        return [loader for each in found if (loader := each.loader()) is not None]

    def of_iterator(self, iterator: Any) -> Seen | None:
        """Return the epoch that an iterator is in."""
        seen = self._by_iterator.get(id(iterator))
        if seen is None or seen.iterator is None or seen.iterator() is not iterator:
            return None
        return seen

    # -- the stand-ins -------------------------------------------------------------------------

    @passes
    def _begin(self, original: Callable[..., Any], iterator: Any, loader: Any) -> Any:
        """An iterator is made: an epoch begins."""
        if self.of_iterator(iterator) is None:
            self._new(iterator, loader, Epoch(loader))
        result = original(iterator, loader)
        self._made(iterator)
        return result

    @passes
    def _reset(
        self, original: Callable[..., Any], iterator: Any, loader: Any, first_iter: bool = False
    ) -> Any:
        """Persistent workers begin a further epoch."""
        if not first_iter:
            before = self.of_iterator(iterator)
            if before is not None:
                before.ended, before.iterator = True, None
            seen = self._new(iterator, loader, Epoch(loader, again=True))
            seen.base_seed = before.base_seed if before is not None else None
        result = original(iterator, loader, first_iter)
        self._made(iterator)
        return result

    def _new(self, iterator: Any, loader: Any, begun: Epoch) -> Seen:
        before = self.of(loader)
        seen = Seen(loader, begun, 0 if before is None else before.epoch + 1)
        seen.iterator = weakref.ref(iterator)
        self._seen.append(seen)
        self._by_iterator = {id(each.iterator()): each for each in self._seen if each.iterator}
        kept = sum(each.kept() for each in self._seen)
        for each in list(self._seen)[:-1] if kept > pace.VISITS else ():
            each.forget()
        self.epochs += 1
        return seen

    def _made(self, iterator: Any) -> None:
        seen = self.of_iterator(iterator)
        if seen is not None:
            seen.base_seed = vars(iterator).get("_base_seed", seen.base_seed)
            seen.sent(iterator)

    @passes
    def _next_index(self, original: Callable[..., Any], iterator: Any) -> Any:
        drawn = original(iterator)
        seen = self.of_iterator(iterator)
        if seen is not None:
            seen.drew(iterator, drawn)
        return drawn

    @passes
    def _next(self, original: Callable[..., Any], iterator: Any) -> Any:
        if self.swap is not None and self.swap.serves(iterator):
            return self.swap.instead(vars(iterator)["_num_yielded"])
        seen = self.of_iterator(iterator)
        if seen is None:
            return original(iterator)
        ready, worker = seen.before(iterator.__dict__)
        start = now()
        try:
            batch = original(iterator)
        except StopIteration:
            seen.ended = True
            raise
        if seen.iterator is not None and seen.iterator() is iterator:
            noted = seen.got(iterator, start, ready, worker)
            self.batches += 1
            self.stepper.session.observers.batch(noted.number, noted.indices)
            if self._asked is None or noted.number in self._asked:
                self._tell(seen, noted, batch, sys._getframe(1))
        return batch

    def _tell(self, seen: Seen, noted: Noted, batch: Any, frame: FrameType) -> None:
        """Stop here, if a breakpoint waits for this batch."""
        stepper = self.stepper
        stepper.event(BatchEvent(stepper, stepper.armed.anchor, seen, noted, batch, frame))

    # -- what may be asked ---------------------------------------------------------------------

    def seen_batches(self, loader: Any, count: int = 32) -> tuple[model.SeenBatch, ...]:
        """Return the last batches that the program got of a loader."""
        found = [
            model.SeenBatch(
                number=noted.number, epoch=seen.epoch, size=len(noted.indices),
                indices=tuple(repr(index)[:60] for index in noted.indices[:8]),
                worker=noted.worker, wait=noted.wait, ready=noted.ready,
            )
            for seen in self._seen
            if seen.loader() is loader
            for noted in seen.noted
        ]  # fmt: skip
        return tuple(found[-count:])


def watch_of(stepper: Stepper) -> DataWatch | None:
    """Return what watches loaders, where something does."""
    found = stepper.loading
    return found if found is not None and found.on else None
