"""One epoch: what of it the program has got, and what is left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.data import apart, batches, fetching, loaders, order, parts
from gradrepl.engine.data.current_loader import CurrentLoader, current_of, find_loader
from gradrepl.engine.data.epoch_log import VISITS, EpochLog
from gradrepl.engine.data.order import Epoch
from gradrepl.engine.data.wanted import watch_of
from gradrepl.engine.session import Answer, on
from gradrepl.errors import UsageError

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

LABELS = 32
LISTED = 16
AGAIN = 100_000
"""Batches of an epoch that are rebuilt where the loader does not say how many it has."""


@on(p.AskEpoch)
def _(request: p.AskEpoch, session: Session, place: Place) -> Answer:
    """Tell what of an epoch the program has got, and what is left.

    Raises:
        UsageError: no such epoch was seen.
    """
    loader, name = find_loader(request.expression, session, place)
    watch, current = watch_of(session), current_of(session)
    known = watch.epochs_of(loader) if watch is not None else []
    number = request.number
    if number is not None and number not in [log.epoch for log in known]:
        raise UsageError(f"epoch {number} of {name} was not seen.", _seen(known, watch is not None))
    log = next((s for s in known if s.epoch == number), known[-1] if known else None)

    def made() -> model.Epoch:
        with session.grad_as_typed(place):
            if log is None:
                return _unwatched(loader, name, current, request.seconds)
            return _watched(loader, name, log, known, request.seconds)

    return apart.answered(session, place, made)


def _watched(
    loader: Any, name: str, log: EpochLog, known: list[EpochLog], seconds: float
) -> model.Epoch:
    return _record(
        loader,
        name,
        log.visits(),
        whole_of(loader, log.begun) if log.agrees(loader) else None,
        seconds,
        number=log.epoch,
        ended=log.ended,
        left_off=log.left_off(),
        known=tuple(each.epoch for each in known),
        batches=log.batches,
        samples=log.samples,
        how="as the program's loop got it",
    )


def _seen(known: list[EpochLog], watched: bool) -> str:
    if known:
        return f"Seen were {', '.join(str(each.epoch) for each in known)}."
    return "None has begun since." if watched else "':loader watch' sees those that begin then."


def _unwatched(loader: Any, name: str, current: CurrentLoader, seconds: float) -> model.Epoch:
    """Describe the epoch that runs unwatched, as far as its iterator tells; or the next one."""
    for iterator in reversed(order.iterators(loader)):
        got = vars(iterator).get("_num_yielded", 0)
        whole = order.drawn_by(iterator)
        if got and whole is not None:
            first = order.samples_of([index for each in whole[:got] for index in each])
            counts = None if batches.is_iterable(loader) else Counter(map(_plain, first))
            return _record(
                loader,
                name,
                counts,
                whole,
                seconds,
                batches=min(got, len(whole)),
                samples=len(first),
                ended=got >= len(whole),
                how="from the order that the sampler has drawn for the epoch that is running",
            )
    begun = (
        current.epoch if current.epoch is not None and current.loader is loader else Epoch(loader)
    )
    whole = whole_of(loader, begun)
    how = "the program has begun none that was seen; ':loader watch' notes the next ones"
    return _record(loader, name, None, whole, seconds, how=how)


def whole_of(loader: Any, begun: Epoch) -> list[list[Any]] | None:
    """Return all batches of an epoch, by indices, or None where they cannot be known."""
    if batches.is_iterable(loader):
        return None
    total = batches.total_of(loader)
    most = AGAIN if total is None else min(total, VISITS)
    whole = begun.batches(loader, 0, most)
    return whole if sum(map(len, whole)) <= VISITS else None


def _plain(index: Any) -> Any:
    return index if type(index) in (int, str) else repr(index)[:60]


def _record(
    loader: Any,
    name: str,
    counts: Counter[Any] | None,
    whole: list[list[Any]] | None,
    seconds: float,
    *,
    samples: int = 0,
    **more: Any,
) -> model.Epoch:
    length = loaders.length(loader)
    labels, looked = _labels(loader, counts, seconds) if counts else (Counter(), 0)
    all_of_it = (
        Counter(_plain(index) for each in whole for index in order.samples_of(each))
        if whole
        else None
    )
    return model.Epoch(
        loader=name,
        total=batches.total_of(loader),
        length=length,
        samples=samples,
        left=None if all_of_it is None else max(0, all_of_it.total() - samples),
        so_far=None if counts is None else visits(counts, length),
        whole=None if all_of_it is None else visits(all_of_it, length),
        labels=tuple(labels.most_common(LABELS)),
        labels_of=looked,
        notes=_notes(loader, whole),
        **more,
    )


def _labels(loader: Any, counts: Counter[Any], seconds: float) -> tuple[Counter[str], int]:
    """Count the labels of the samples that came, as many as can be fetched in a time."""
    labels: Counter[str] = Counter()
    looked = 0
    end = time.monotonic() + seconds
    fetching.be_worker(loader, fetching.worker_of(loader, 0))
    for index, times in counts.items():
        one = fetching.one(loader.dataset, index)
        label = "" if one.error is not None else parts.label(one.value)
        if not label:
            break
        labels[label] += times
        looked += times
        if time.monotonic() > end:
            break
    return labels, looked


def _notes(loader: Any, whole: Any) -> tuple[str, ...]:
    if batches.is_iterable(loader):
        return ("an IterableDataset gives no indices; samples are counted as full batches.",)
    if whole is None:
        return ("the sampler cannot be asked again: what is left of the epoch is not known.",)
    return ()


def visits(counts: Counter[Any], length: int | None) -> model.Visits:
    """Return how often indices come; those of a map dataset count from 0 to its length."""
    counts = _from_zero(counts, length)
    repeats = [(index, times) for index, times in counts.most_common() if times > 1]
    never: int | None = None
    missing: Iterable[int] = ()
    if length is not None and all(type(each) is int for each in counts):
        never = length - sum(0 <= each < length for each in counts)
        missing = (index for index in range(length if never else 0) if index not in counts)
    return model.Visits(
        samples=counts.total(),
        different=len(counts),
        repeated=len(repeats),
        repeats=tuple((order.shown([index])[0], times) for index, times in repeats[:LISTED]),
        never=never,
        missing=order.shown(islice(missing, LISTED)),
    )


def _from_zero(counts: Counter[Any], length: int | None) -> Counter[Any]:
    """Return the same with indices from the end as those from the begin."""
    if length is None or not any(type(each) is int and each < 0 for each in counts):
        return counts
    turned: Counter[Any] = Counter()
    for index, times in counts.items():
        turned[index + length if type(index) is int and index < 0 else index] += times
    return turned
