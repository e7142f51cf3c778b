"""Loops of the program over its loaders, watched without a change to what they get.

In place only while somebody asks: monkeypatched methods of torch's two iterators that begin an
epoch, draw the indices of a batch and hand a batch over. Each calls the original and logs what it
did; nothing is drawn, fetched or kept but indices and times.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from gradrepl import model
from gradrepl.engine import torch_private
from gradrepl.engine.boundary import Part
from gradrepl.engine.code import frames
from gradrepl.engine.code.patches import Once, Patch, passes
from gradrepl.engine.data import parts
from gradrepl.engine.data.epoch_log import VISITS, BatchLog, EpochLog
from gradrepl.engine.data.order import Epoch, shown
from gradrepl.engine.forward.events import TensorEvent
from gradrepl.engine.stopping.breakpoints import Anchor

if TYPE_CHECKING:
    from gradrepl.engine.stopping.stepper import Stepper

LOADERS = 32
"""Epochs that are remembered."""
now = time.perf_counter


class Replacement(Protocol):
    """Gives the program's own loops over a loader other batches than the loader's."""

    def loader(self) -> Any:
        """Return the loader, or None when it is gone."""

    def serves(self, iterator: Any) -> bool:
        """Is this an iterator of that loader?"""

    def instead(self, yielded: int) -> Any:
        """Return what comes after ``yielded`` batches of an epoch, or raise StopIteration."""

    def restart(self) -> None:
        """Somebody stops here: the step that is running says nothing."""

    def off(self) -> None:
        """Let the loader do its work again."""


class DataWatch:
    """What is seen of the program's loops."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self.on = False
        self._logs: deque[EpochLog] = deque(maxlen=LOADERS)
        self._by_iterator: dict[int, EpochLog] = {}
        """By id: the epoch that an iterator is in; a freed one's id may come back."""
        self._told: frozenset[int] | None = frozenset()
        """Numbers of the only batches that a breakpoint or a plugin waits for; None: any."""
        self.replacement: Replacement | None = None
        """What the program's loops get instead of a loader's batches, where that was asked for."""
        self.epochs = self._forgotten = 0
        """Epochs that began, and batches of those that are not remembered any more."""
        self.part = Part("watching loaders", lambda: self.rearm(False))
        base, many = torch_private.LoaderIterator, torch_private.WorkersIterator
        single = torch_private.PlainIterator
        self._patches = [
            self._patch(base, "__init__", self._begin),
            self._patch(many, "__init__", self._begin),
            self._patch(many, "_reset", self._reset),
            self._drawing(base),
            self._handing(single),
            self._handing(many),
        ]

    def _patch(self, owner: Any, name: str, ours: Callable[..., Any]) -> Patch:
        return Patch(owner, name, ours, self.part)

    def unseen(self) -> bool:
        """Is this not the program's own doing?"""
        return not self.stepper.sees()

    def rearm(self, on: bool) -> None:
        """Install the monkeypatches, or remove them; know which batches somebody waits for."""
        shown = self.stepper.wants("batch")
        self._told = None if shown else self.stepper.armed.batches()
        on = on and self.part.works
        if on == self.on:
            return
        self.on = on
        for patch in self._patches if on else reversed(self._patches):
            patch.install() if on else patch.remove()
        if not on and self.replacement is not None:
            self.replacement.off()
            self.replacement = None
        if on:
            self._logs.clear()
            self._by_iterator.clear()
            self.epochs = self._forgotten = 0

    def restart(self) -> None:
        """Somebody stops here: the steps that are running say nothing."""
        for each in self._logs:
            each.restart()
        if self.replacement is not None:
            self.replacement.restart()

    def of(self, loader: Any) -> EpochLog | None:
        """Return the last epoch seen of a loader, or None."""
        return next((each for each in reversed(self._logs) if each.loader() is loader), None)

    def epochs_of(self, loader: Any) -> list[EpochLog]:
        """Return the epochs of a loader that are remembered, the oldest first."""
        return [each for each in self._logs if each.loader() is loader]

    def latest(self) -> list[Any]:
        """Return the loaders seen: those in the middle of an epoch first, the newest first."""
        logs = sorted(reversed(self._logs), key=lambda each: not each.goes_on)
        return [loader for each in logs if (loader := each.loader()) is not None]

    def of_iterator(self, iterator: Any) -> EpochLog | None:
        """Return the epoch that an iterator is in."""
        log = self._by_iterator.get(id(iterator))
        if log is None or log.iterator is None or log.iterator() is not iterator:
            return None
        return log

    # -- in the place of torch's methods -------------------------------------------------------

    @passes
    def _begin(self, kept: Once, iterator: Any, loader: Any) -> Any:
        """An iterator is made: an epoch begins."""
        if self.unseen():
            return kept(iterator, loader)
        if self.of_iterator(iterator) is None:
            self._new(iterator, loader, Epoch(loader))
        result = kept(iterator, loader)
        self._made(iterator)
        return result

    @passes
    def _reset(self, kept: Once, iterator: Any, loader: Any, first_iter: bool = False) -> Any:
        """Persistent workers begin a further epoch."""
        if self.unseen():
            return kept(iterator, loader, first_iter)
        if not first_iter:
            before = self.of_iterator(iterator)
            if before is not None:
                before.ended, before.iterator = True, None
            log = self._new(iterator, loader, Epoch(loader, again=True))
            log.base_seed = before.base_seed if before is not None else None
        result = kept(iterator, loader, first_iter)
        self._made(iterator)
        return result

    def _new(self, iterator: Any, loader: Any, begun: Epoch) -> EpochLog:
        before = self.of(loader)
        log = EpochLog(loader, begun, 0 if before is None else before.epoch + 1)
        log.iterator = weakref.ref(iterator)
        if len(self._logs) == LOADERS:
            self._forgotten += self._logs[0].batches
        self._logs.append(log)
        self._by_iterator = {id(each.iterator()): each for each in self._logs if each.iterator}
        kept = sum(each.kept() for each in self._logs)
        for each in list(self._logs)[:-1] if kept > VISITS else ():
            each.forget()
        self.epochs += 1
        return log

    def _made(self, iterator: Any) -> None:
        log = self.of_iterator(iterator)
        if log is not None:
            log.base_seed = vars(iterator).get("_base_seed", log.base_seed)
            log.queued(iterator)

    def _drawing(self, owner: Any) -> Patch:
        """Monkeypatch what draws the indices of a batch: once a batch, so it is lean."""
        sees, of = self.stepper.sees, self.of_iterator

        @passes
        def drawing(kept: Once, iterator: Any) -> Any:
            drawn = kept(iterator)
            log = of(iterator) if sees() else None
            if log is not None:
                log.sampled(iterator, drawn)
            return drawn

        return Patch(owner, "_next_index", drawing, self.part)

    def _handing(self, owner: Any) -> Patch:
        """Monkeypatch what hands a batch over: once a batch, so it is lean."""
        sees, of = self.stepper.sees, self.of_iterator

        @passes
        def handing(kept: Once, iterator: Any) -> Any:
            if not sees():
                return kept(iterator)
            if self.replacement is not None and self.replacement.serves(iterator):
                return self.replacement.instead(iterator._num_yielded)
            log = of(iterator)
            if log is None:
                return kept(iterator)
            log.requested(iterator)
            try:
                batch = kept(iterator)
            except StopIteration:
                log.ended = True
                raise
            log.received(iterator)
            if self._told is None or log.last in self._told:
                self._tell(log, batch, sys._getframe(1))
            return batch

        return Patch(owner, "_next_data", handing, self.part)

    def _tell(self, log: EpochLog, batch: Any, frame: FrameType) -> None:
        """Show this batch to plugins, and stop here if a breakpoint waits for it."""
        stepper, logged = self.stepper, log.last_batches[-1]
        for each in stepper.observers:
            each.batch(logged.number, logged.indices)
        stepper.event(BatchEvent(stepper, stepper.armed.anchor, log, logged, batch, frame))

    # -- what may be asked ---------------------------------------------------------------------

    @property
    def batches(self) -> int:
        """How many the program has got."""
        return self._forgotten + sum(each.batches for each in self._logs)

    def seen_batches(self, loader: Any, count: int = 32) -> tuple[model.SeenBatch, ...]:
        """Return the last batches that the program got of a loader."""
        batches = [
            model.SeenBatch(
                number=logged.number,
                epoch=log.epoch,
                size=len(logged.indices),
                indices=shown(logged.indices[:8]),
                worker=logged.worker,
                wait=logged.wait,
                ready=logged.ready,
            )
            for log in self._logs
            if log.loader() is loader
            for logged in log.last_batches
        ]
        return tuple(batches[-count:])


class BatchEvent(TensorEvent):
    """A batch, in the line of the program that asked for it."""

    kind = "batch"

    def __init__(
        self,
        stepper: Stepper,
        anchor: Anchor,
        log: EpochLog,
        logged: BatchLog,
        batch: Any,
        frame: FrameType,
    ) -> None:
        super().__init__(stepper, anchor)
        self.log, self.logged, self.batch = log, logged, batch
        self._asked: FrameType | None = frame
        self.number = logged.number
        self.name = f"batch {logged.number}"

    @property
    def frame(self) -> FrameType | None:  # type: ignore[override]
        """The line of the user's that asked for the batch; found when somebody wants to know."""
        return None if self._asked is None else frames.Walk(self._asked).frame

    @frame.setter
    def frame(self, frame: FrameType | None) -> None:
        self._asked = frame

    def indices(self) -> Sequence[str]:
        """Return the dataset indices."""
        return [repr(index) for index in self.logged.indices]

    def targets(self) -> Sequence[str]:
        """Return the labels."""
        return parts.labels_of(self.batch)

    def extra(self) -> dict[str, Any]:
        """Return the names that typed code has here."""
        return {"batch": self.batch, "indices": list(self.logged.indices)}
