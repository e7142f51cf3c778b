"""One epoch: what of it the program has got, and what is left."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from gradrepl import model
from gradrepl.engine.data import batches, fetching, generators, loaders, order, pace, parts
from gradrepl.engine.data.order import Epoch
from gradrepl.engine.data.room import room_of
from gradrepl.engine.data.seen import Seen
from gradrepl.engine.data.watch import watch_of
from gradrepl.errors import StateError, UsageError

if TYPE_CHECKING:
    from gradrepl.engine.session import Session

LABELS = 32
AGAIN = 100_000
"""Batches of an epoch that are rebuilt where the loader does not say how many it has."""


def describe(
    loader: Any, name: str, session: Session, number: int | None, seconds: float
) -> model.Epoch:
    """Return what of an epoch the program has got, and what is left.

    Raises:
        UsageError: no such epoch was seen.
    """
    watch = watch_of(session.stepper)
    known = watch.epochs_of(loader) if watch is not None else []
    if number is not None and number not in [seen.epoch for seen in known]:
        raise UsageError(f"epoch {number} of {name} was not seen.", _seen(known, watch is not None))
    seen = next((s for s in known if s.epoch == number), known[-1] if known else None)
    if seen is None:
        return _unwatched(loader, name, session, seconds)
    counts = seen.visits()
    whole = whole_of(loader, seen.begun) if seen.agrees(loader) else None
    return _record(
        loader, name, counts, whole, seconds, number=seen.epoch, ended=seen.ended,
        left_off=seen.left_off(),
        known=tuple(each.epoch for each in known), batches=seen.last + 1, samples=seen.samples,
        how="as the program's loop got it", notes=_notes(loader, counts, whole),
    )  # fmt: skip


def _seen(known: list[Seen], watched: bool) -> str:
    if known:
        return f"Seen were {', '.join(str(each.epoch) for each in known)}."
    return "None has begun since." if watched else "':loader watch' sees those that begin then."


def _unwatched(loader: Any, name: str, session: Session, seconds: float) -> model.Epoch:
    """Describe the epoch that runs unwatched, as far as its iterator tells; or the next one."""
    for iterator in reversed(order.iterators(loader)):
        got = vars(iterator).get("_num_yielded", 0)
        whole = order.drawn_by(iterator)
        if got and whole is not None:
            first = [index for each in whole[:got] for index in each]
            counts = None if batches.is_iterable(loader) else Counter(map(_plain, first))
            return _record(
                loader, name, counts, whole, seconds, batches=min(got, len(whole)),
                samples=len(first), ended=got >= len(whole),
                how="from the order that the sampler has drawn for the epoch that is running",
                notes=_notes(loader, counts, whole),
            )  # fmt: skip
    mine = room_of(session)
    begun = mine.epoch if mine.epoch is not None and mine.loader is loader else Epoch(loader)
    whole = whole_of(loader, begun)
    return _record(
        loader, name, None, whole, seconds, notes=_notes(loader, None, whole),
        how="the program has begun none that was seen; ':loader watch' notes the next ones",
    )  # fmt: skip


def whole_of(loader: Any, begun: Epoch) -> list[list[Any]] | None:
    """Return all batches of an epoch, by indices, or None where they cannot be known."""
    if batches.is_iterable(loader):
        return None
    total = batches.total_of(loader)
    most = AGAIN if total is None else min(total, pace.VISITS)
    try:
        found = begun.batches(loader, 0, most)
    except StateError:
        return None
    return found if sum(map(len, found)) <= pace.VISITS else None


def _plain(index: Any) -> Any:
    return index if type(index) in (int, str) else repr(index)[:60]


def _record(
    loader: Any, name: str, counts: Counter[Any] | None, whole: list[list[Any]] | None,
    seconds: float, *, samples: int = 0, **more: Any,
) -> model.Epoch:  # fmt: skip
    length = loaders.length(loader)
    labels, looked = _labels(loader, counts, seconds) if counts else (Counter(), 0)
    all_of_it = Counter(_plain(index) for each in whole for index in each) if whole else None
    return model.Epoch(
        loader=name, total=batches.total_of(loader), length=length, samples=samples,
        left=None if all_of_it is None else max(0, all_of_it.total() - samples),
        so_far=None if counts is None else pace.visits(counts, length),
        whole=None if all_of_it is None else pace.visits(all_of_it, length),
        labels=tuple(labels.most_common(LABELS)), labels_of=looked, **more,
    )  # fmt: skip


def _labels(loader: Any, counts: Counter[Any], seconds: float) -> tuple[Counter[str], int]:
    """Count the labels of the samples that came, as many as can be fetched in a time."""
    found: Counter[str] = Counter()
    looked = 0
    end = time.monotonic() + seconds
    worker = 0 if loader.num_workers else None
    with (
        generators.aside(generators.of_loader(loader)),
        fetching.as_worker(loader, worker, None),
    ):
        for index, times in counts.items():
            one = fetching.one(loader.dataset, index)
            label = "" if one.error is not None else parts.label(one.value)
            if not label:
                break
            found[label] += times
            looked += times
            if time.monotonic() > end:
                break
    return found, looked


def _notes(loader: Any, counts: Any, whole: Any) -> tuple[str, ...]:
    if batches.is_iterable(loader):
        return ("an IterableDataset gives no indices; samples are counted as full batches.",)
    notes = []
    if whole is None:
        notes.append("the sampler cannot be asked again: what is left of the epoch is not known.")
    return tuple(notes)
