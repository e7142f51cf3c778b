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
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from gradrepl import model
from gradrepl.engine import torch_private
from gradrepl.engine.code.patches import Patch, passes
from gradrepl.engine.data import pace
from gradrepl.engine.data.event import BatchEvent
from gradrepl.engine.data.order import Epoch
from gradrepl.engine.data.seen import Seen

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
        self._seen: deque[Seen] = deque(maxlen=LOADERS)
        self._by_iterator: dict[int, Seen] = {}
        """By id: the epoch that an iterator is in; a freed one's id may come back."""
        self._told: frozenset[int] | None = frozenset()
        """Numbers of the only batches that a breakpoint or a plugin waits for; None: any."""
        self.replacement: Replacement | None = None
        """What the program's loops get instead of a loader's batches, where that was asked for."""
        self.epochs = self._forgotten = 0
        """Epochs that began, and batches of those that are not remembered any more."""
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
        shown = self.stepper.session.observers.wants("batch")
        self._told = None if shown else self.stepper.armed.batches()
        if on == self.on:
            return
        self.on = on
        for patch in self._patches if on else reversed(self._patches):
            patch.install() if on else patch.remove()
        if not on and self.replacement is not None:
            self.replacement.off()
            self.replacement = None
        if on:
            self._seen.clear()
            self._by_iterator.clear()
            self.epochs = self._forgotten = 0

    def restart(self) -> None:
        """Somebody stops here: the steps that are running say nothing."""
        for each in self._seen:
            each.restart()
        if self.replacement is not None:
            self.replacement.restart()

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
        if len(self._seen) == LOADERS:
            self._forgotten += self._seen[0].batches
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

    def _drawing(self, owner: Any) -> Patch:
        """Stand in for what draws the indices of a batch: once a batch, so it is lean."""
        sees, of = self.stepper.sees, self.of_iterator

        @functools.wraps(owner._next_index)
        @passes
        def stand_in(iterator: Any) -> Any:
            drawn = patch.kept(iterator)
            seen = of(iterator) if sees() else None
            if seen is not None:
                seen.drew(iterator, drawn)
            return drawn

        patch = Patch(owner, "_next_index", stand_in)
        return patch

    def _handing(self, owner: Any) -> Patch:
        """Stand in for what hands a batch over: once a batch, so it is lean."""
        sees, of = self.stepper.sees, self.of_iterator

        @functools.wraps(owner._next_data)
        @passes
        def stand_in(iterator: Any) -> Any:
            if not sees():
                return patch.kept(iterator)
            if self.replacement is not None and self.replacement.serves(iterator):
                return self.replacement.instead(iterator._num_yielded)
            seen = of(iterator)
            if seen is None:
                return patch.kept(iterator)
            seen.asked(iterator)
            try:
                batch = patch.kept(iterator)
            except StopIteration:
                seen.ended = True
                raise
            seen.got(iterator)
            if self._told is None or seen.last in self._told:
                self._tell(seen, batch, sys._getframe(1))
            return batch

        patch = Patch(owner, "_next_data", stand_in)
        return patch

    def _tell(self, seen: Seen, batch: Any, frame: FrameType) -> None:
        """Show this batch to plugins, and stop here if a breakpoint waits for it."""
        stepper, noted = self.stepper, seen.noted[-1]
        stepper.session.observers.batch(noted.number, noted.indices)
        stepper.event(BatchEvent(stepper, stepper.armed.anchor, seen, noted, batch, frame))

    # -- what may be asked ---------------------------------------------------------------------

    @property
    def batches(self) -> int:
        """How many the program has got."""
        return self._forgotten + sum(each.batches for each in self._seen)

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
