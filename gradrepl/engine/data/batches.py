"""One batch of an epoch, rebuilt: its indices from the sampler, its samples fetched in a copy."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from gradrepl import protocol as p
from gradrepl.engine.code.values import USER_ERRORS
from gradrepl.engine.data import apart, fetching, isolate, odd, order, parts
from gradrepl.engine.data.current_loader import CurrentLoader, current_of, find_loader
from gradrepl.engine.data.fetching import Fetched
from gradrepl.engine.data.wanted import log_of
from gradrepl.engine.session import Answer, on
from gradrepl.engine.tensor import figures
from gradrepl.errors import StateError, UsageError
from gradrepl.model import Batch, Part, SampleRow

if TYPE_CHECKING:
    from gradrepl.engine.data.epoch_log import BatchLog, EpochLog
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

ROWS, INDICES, ODD, LABELS = 512, 4096, 64, 32
STREAM = "of a pass that would begin now: an iterable dataset gives no indices"
MISFITS = ("other keys", "other shape", "other dtype")
"""What keeps samples from being made into one batch."""


class BatchIndices(NamedTuple):
    """Which indices are a batch, and how that is known."""

    indices: list[Any]
    how: str
    epoch: int | None = None
    base_seed: int | None = None
    log: BatchLog | None = None
    fresh: bool = False
    """It is of the epoch that would begin now."""


def is_iterable(loader: Any) -> bool:
    """Is its dataset an IterableDataset?"""
    return bool(loader._dataset_kind == 1)


def total_of(loader: Any) -> int | None:
    """Return how many batches an epoch has, where the loader knows."""
    if is_iterable(loader):
        return None  # asking makes torch compare, and warn, from then on
    try:
        return len(loader)
    except (TypeError, NotImplementedError, AttributeError):
        return None


def find(loader: Any, number: int, current: CurrentLoader, log: EpochLog | None) -> BatchIndices:
    """Return the indices of batch ``number`` of the epoch that the program is in, or would begin.

    Raises:
        UsageError: there is no such batch.
        StateError: the sampler cannot be asked again.
    """
    if log is not None and (indices := _in_log(loader, number, log)) is not None:
        return indices
    for iterator in reversed(order.iterators(loader)):
        whole = order.drawn_by(iterator)
        began = vars(iterator).get("_num_yielded") or iterator is current.raised_in()
        if whole is not None and began:
            _check(number, len(whole))
            how = "from the order that the sampler has drawn for the epoch that is running"
            return BatchIndices(whole[number], how, None, vars(iterator).get("_base_seed"))
    if log is not None or current.epoch is None:
        raise StateError(
            f"batch {number} cannot be rebuilt: the sampler draws from generators that other code "
            "draws from, too, so asking it again gives another order.",
            "Batches that the program has got while loaders are watched are known.",
        )
    drawn = current.epoch.batches(loader, number, 1)
    if not drawn:
        _check(number, total_of(loader))
        raise UsageError(f"there is no batch {number}: the sampler ends before it.")
    how = "of the epoch that would have begun when the loader was asked for, rebuilt"
    return BatchIndices(drawn[0], how, None, current.epoch.base_seed(loader), fresh=True)


def _in_log(loader: Any, number: int, log: EpochLog) -> BatchIndices | None:
    """Return what is known of a batch of an epoch that was watched from its begin."""
    logged = log.batch(number)
    if logged is not None:
        how = "as the program's loop got it"
        return BatchIndices(list(logged.indices), how, log.epoch, log.base_seed, logged)
    drawn = log.begun.batches(loader, number, 1)
    if not drawn or not log.agrees(loader):
        return None
    how = "rebuilt from the sampler's generator as it was when this epoch began"
    return BatchIndices(drawn[0], how, log.epoch, log.base_seed)


def _check(number: int, total: int | None) -> None:
    if total is not None and number >= total:
        raise UsageError(
            f"there is no batch {number}: this loader has {total}, from 0 to {total - 1}.",
            "':batch 0' is the first.",
        )


@on(p.AskBatch)
def _(request: p.AskBatch, session: Session, place: Place) -> Answer:
    """Fetch the samples of a batch, in a copy of the program."""
    loader, name = find_loader(request.expression, session, place)
    current, log = current_of(session), log_of(session, loader)
    number = request.number
    if number is None:
        number = current.next or current.failed_batch(loader) or 0
    if number < 0:
        raise UsageError("batches are counted from 0.", "':batch 0' is the first.")

    def made() -> Batch:
        with session.grad_as_typed(place):
            if is_iterable(loader):
                batch = BatchIndices([], STREAM)
                fetched, drew = _of_stream(loader, number)
            else:
                _check(number, total_of(loader))
                batch = find(loader, number, current, log)
                fetched, drew = _fetched(loader, number, batch, current)
            return record(loader, number, name, batch, fetched, drew, request.rows)

    answer = apart.answered(session, place, made)
    if isinstance(answer, Batch):
        current.next, current.indices = number + 1, answer.indices
    return answer


def _fetched(
    loader: Any, number: int, batch: BatchIndices, current: CurrentLoader
) -> tuple[list[Fetched], tuple[str, ...]]:
    """Fetch the samples as their worker does; return them and the generators they drew from."""
    worker = fetching.worker_of(loader, number) if batch.log is None else batch.log.worker
    if batch.fresh and number == 0 and worker is None and current.epoch is not None:
        next(current.epoch.begin(loader)[0], None)
    before = fetching.be_worker(loader, worker, batch.base_seed)
    return fetching.fetch(loader.dataset, batch.indices), before.changed()


def _of_stream(loader: Any, number: int) -> tuple[list[Fetched], tuple[str, ...]]:
    """Return a batch of a pass that begins now, and the generators that it drew from.

    Raises:
        UsageError: the dataset has ended.
    """
    found = next(islice(fetching.stream(loader), number, None), None)
    if found is None:
        raise UsageError(f"the dataset ends before batch {number}.", "':batch 0' is the first.")
    return found


def rows_of(fetched: list[Fetched], worker: int | None) -> list[SampleRow]:
    """Return a row for each sample."""
    return [_row(place, each, worker) for place, each in enumerate(fetched)]


def _row(place: int, sample: Fetched, worker: int | None) -> SampleRow:
    about: dict[str, Any] = {"place": place, "index": _index(sample.index), "worker": worker}
    if sample.error is not None:
        return SampleRow(**about, seconds=sample.seconds, error=error_text(sample.error))
    made = parts.described(sample.value)
    whole = parts.main(made) or Part()
    return SampleRow(
        **about,
        seconds=sample.seconds,
        shape=whole.shape,
        dtype=whole.dtype or whole.kind,
        min=whole.stats.min if whole.stats else None,
        max=whole.stats.max if whole.stats else None,
        label=parts.label(sample.value),
        parts=made,
    )


def _index(index: Any) -> str:
    return "" if index is None else order.shown([index])[0]


def error_text(error: BaseException | None) -> str:
    """Return what an exception of the user's says, in one line; of a worker's the worker's own."""
    if error is None:
        return ""
    try:
        text = str(error)
    except USER_ERRORS:  # the user's own __str__
        text = ""
    if text.startswith("Caught ") and "Original Traceback" in text:
        lines = [line for line in text.splitlines() if line and not line.startswith(" ")]
        return lines[-1][:200]
    text = " ".join(text.split())
    return f"{type(error).__name__}: {text}"[:200] if text else type(error).__name__


def record(
    loader: Any,
    number: int,
    name: str,
    batch: BatchIndices,
    fetched: list[Fetched],
    drew: tuple[str, ...],
    limit: int,
) -> Batch:
    """Return the record of a batch."""
    worker = batch.log.worker if batch.log is not None else fetching.worker_of(loader, number)
    rows = rows_of(fetched, worker)
    made, error = collated(loader, fetched)
    oddities = odd.find(rows, strict=bool(error))
    words: dict[int, dict[str, None]] = {}
    for each in oddities:
        words.setdefault(each.place, {})[each.what] = None
    rows = [msgspec.structs.replace(row, odd=tuple(words.get(row.place, ()))) for row in rows]
    shown = sorted(rows, key=lambda row: (not {*row.odd} - {"slow"}, not row.odd))
    shown = shown[: min(limit, ROWS)]
    labels = Counter(row.label for row in rows if row.label)
    return Batch(
        number=number,
        total=total_of(loader),
        loader=name,
        epoch=batch.epoch,
        indices=tuple(_index(each.index) for each in fetched[:INDICES]),
        size=len(fetched),
        rows=tuple(shown),
        odd=tuple(oddities[:ODD]),
        collated=made,
        problem=problem(rows, oddities, error),
        error=error,
        labels=tuple(labels.most_common(LABELS)),
        worker=worker,
        seconds=sum(each.seconds or 0.0 for each in fetched),
        wait=batch.log.wait if batch.log is not None else None,
        how=batch.how,
        notes=tuple(_notes(loader, number, batch, drew)),
    )


def collated(loader: Any, fetched: list[Fetched]) -> tuple[Any, str]:
    """Let the loader's own function make a batch of the samples; return its parts, or its error."""
    if any(each.error is not None for each in fetched):
        return (), ""
    values = [each.value for each in fetched]
    try:
        made = loader.collate_fn(values if loader._auto_collation else values[0])
    except USER_ERRORS as raised:  # the user's samples, or the user's own collate_fn
        isolate.check(raised)
        return (), error_text(raised)
    with figures.quiet():
        return parts.described(made), ""


def problem(rows: list[SampleRow], oddities: list[Any], error: str) -> str:
    """Say why samples cannot be made into a batch, in one sentence; '' where they can."""
    raised = [each for each in oddities if each.what == "raises"]
    if raised:
        return str(raised[0].sentence)
    if not error:
        return ""
    guilty = [each for each in oddities if each.what in MISFITS]
    if not guilty:
        return f"collate_fn cannot make a batch of them: {error}"
    first = guilty[0]
    more = len({each.place for each in guilty}) - 1
    others = f" So {'is' if more == 1 else 'are'} {more} more." if more else ""
    return f"{first.sentence.rstrip('.')}: they cannot be made into one batch.{others}"


def misfit(rows: list[SampleRow], error: str) -> str:
    """Say which samples do not fit together, and the shapes of all; '' where they do."""
    oddities = odd.find(rows, strict=True)
    key = next((each.key for each in oddities if each.what in MISFITS), None)
    if key is None:
        return ""
    by_shape: dict[str, list[str]] = {}
    for row in rows:
        for part in row.parts:
            if part.key == key:
                kind = str(part.shape) if part.shape is not None else part.kind
                by_shape.setdefault(kind, []).append(row.index or str(row.place))
    shapes = [f"{kind}: {listed(indices)}" for kind, indices in by_shape.items()]
    more = f" In the batch are {'; '.join(shapes[:6])}." if len(shapes) > 1 else ""
    return f"{problem(rows, oddities, error)}{more} ':sample I' looks at one."


def listed(indices: list[str], most: int = 6) -> str:
    """Return '3, 7, 9 and 2 more'."""
    more = f" and {len(indices) - most} more" if len(indices) > most else ""
    return ", ".join(indices[:most]) + more


def _notes(loader: Any, number: int, batch: BatchIndices, drew: tuple[str, ...]) -> list[str]:
    """Return what may be different in the program's own batch, and why."""
    notes = []
    if drew and not _exact(loader, number, batch):
        notes.append(
            f"the dataset draws random numbers ({', '.join(drew)}): which ones the program's "
            f"batch {number} got depends on all that was drawn before; the indices are exact."
        )
    notes += stale(loader)
    if loader.num_workers and not getattr(loader, "in_order", True):
        notes.append("in_order is False: the program may get batches in another order than this.")
    return notes


def stale(loader: Any) -> list[str]:
    """Say where the workers that run have an older dataset than the one that is fetched from."""
    if getattr(loader, "_iterator", None) is None or not loader.num_workers:
        return []
    return [
        "fetched from the dataset as the program has it now: its persistent workers have copies "
        "from when they started, and what was set on it since has not reached them."
    ]


def _exact(loader: Any, number: int, batch: BatchIndices) -> bool:
    """Are the random numbers drawn here those that the program's own batch gets?"""
    if is_iterable(loader) or loader.worker_init_fn is not None:
        return False
    if loader.num_workers:
        return number < loader.num_workers and batch.base_seed is not None
    return batch.fresh and number == 0
