"""Batches of an iterable dataset: taken one after the other, from iterations of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradrepl.engine.data import fetching, generators, order
from gradrepl.engine.data.fetching import Fetched, now
from gradrepl.errors import StateError, UsageError

if TYPE_CHECKING:
    from gradrepl.engine.data.batches import Found
    from gradrepl.engine.data.room import Room

HOW = "from an iteration of our own: an iterable dataset gives no indices"


class Streams:
    """An iteration over the dataset for each worker, with random numbers of its own."""

    def __init__(self, loader: Any) -> None:
        self.number = 0
        """The batch that comes next."""
        held = generators.of_loader(loader)
        with generators.aside(held):
            self.base_seed = order.base_seed_of(loader)
            self._iterators: dict[int | None, Any] = {}
            self._states = generators.States(held)

    def next(self, loader: Any) -> tuple[list[Fetched], tuple[str, ...]]:
        """Take the next batch; where one iteration has ended, from the next worker's."""
        held = generators.of_loader(loader)
        workers: list[int | None] = list(range(loader.num_workers)) or [None]
        with generators.aside(held):
            self._states.put_back()
            for turn in range(len(workers)):
                worker = workers[(self.number + turn) % len(workers)]
                with fetching.as_worker(loader, worker, None):
                    before = generators.States(held)
                    found = self._taken(loader, worker)
                    if found:
                        self.number += 1
                        drew = before.changed()
                        self._states = generators.States(held)
                        return found, drew
            return [], ()

    def _taken(self, loader: Any, worker: int | None) -> list[Fetched]:
        if worker not in self._iterators:
            self._iterators[worker] = iter(loader.dataset)
        found: list[Fetched] = []
        samples = self._iterators[worker]
        for _ in range(loader.batch_size or 1):
            begun = now()
            try:
                value = next(samples)
            except StopIteration:
                break
            found.append(Fetched(None, value, now() - begun, None))
        return [] if loader.drop_last and len(found) < (loader.batch_size or 1) else found


def batch(loader: Any, number: int, room: Room) -> tuple[Found, list[Fetched], tuple[str, ...]]:
    """Return the next batch of our own iteration.

    Raises:
        StateError: it would have to be rebuilt, or skipped to.
        UsageError: the dataset has ended.
    """
    from gradrepl.engine.data.batches import Found

    if room.streams is None or number == 0:
        room.streams = Streams(loader)
    streams = room.streams
    if number != streams.number:
        raise StateError(
            f"batch {number} of an IterableDataset cannot be rebuilt: its samples have no indices, "
            f"they come one after the other. Batch {streams.number} is next.",
            "':batch' takes the next one, ':batch 0' begins anew.",
        )
    found, drew = streams.next(loader)
    if not found:
        raise UsageError(f"the dataset ends before batch {number}.", "':batch 0' begins anew.")
    return Found([], HOW), found, drew
