"""One sample, looked at from near: figures, a small picture, its values, what made it."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import torch

from gradrepl import conditions as c
from gradrepl import model
from gradrepl.engine.code import evaluate
from gradrepl.engine.data import batches, fetching, generators, loaders, order, parts
from gradrepl.engine.data.current_loader import CurrentLoader, current_of
from gradrepl.engine.data.wanted import watch_of
from gradrepl.engine.progress import Telling
from gradrepl.engine.tensor import figures
from gradrepl.errors import StateError
from gradrepl.model import Part, Sample, Site

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

CELLS = 32
"""Rows and columns of a picture."""
VALUES = 256
TEXT = 2000


def look(loader: Any, index: Any, session: Session) -> Sample:
    """Return the record of ``dataset[index]``, fetched here; leaves all generators as they were.

    Raises:
        StateError: the dataset has no indices.
        Exception: what the dataset raises.
    """
    _indexed(loader)
    worker, seed = worker_for(loader, index, session)
    held = generators.of_loader(loader)
    with generators.aside(held), fetching.as_worker(loader, worker, seed):
        before = generators.States(held)
        fetched, steps = fetching.fetch_timed(loader.dataset, index)
        drew = before.changed()
    if fetched.error is not None:
        raise fetched.error
    return record(loader, index, fetched, steps, drew, (worker, seed), session)


def _indexed(loader: Any) -> None:
    if batches.is_iterable(loader):
        raise StateError(
            f"{type(loader.dataset).__name__} is an IterableDataset: its samples have no indices.",
            "':batch' takes its next ones.",
        )


def worker_for(loader: Any, index: Any, session: Session) -> tuple[int | None, int | None]:
    """Return the worker that has (had) an index, and the seed from which workers were seeded."""
    if not loader.num_workers:
        return None, None
    watch = watch_of(session)
    log = watch.of(loader) if watch is not None else None
    seed = log.base_seed if log is not None else None
    for logged in log.last_batches if log is not None else ():
        if index in logged.indices:
            return logged.worker, seed
    for iterator in order.iterators(loader):
        seed = vars(iterator).get("_base_seed") if seed is None else seed
        for number, indices in enumerate(order.drawn_by(iterator) or ()):
            if index in indices:
                return batches.worker_of(loader, number), seed
    return _worker_shown(loader, index, current_of(session), seed)


def _worker_shown(
    loader: Any, index: Any, current: CurrentLoader, seed: int | None
) -> tuple[int | None, int | None]:
    """Return the same as far as the batch that was shown last tells; else the first worker."""
    if current.epoch is not None and seed is None:
        seed = current.epoch.base_seed(loader)
    shown = index in current.indices
    return batches.worker_of(loader, current.next - 1) if shown else 0, seed


def record(
    loader: Any,
    index: Any,
    fetched: fetching.Fetched,
    steps: tuple[model.TransformStep, ...],
    drew: tuple[str, ...],
    who: tuple[int | None, int | None],
    session: Session,
) -> Sample:
    """Return the record of a sample that was fetched."""
    worker, seed = who
    value = fetched.value
    made = [near(key, each) for key, each in parts.leaves(value)]
    return Sample(
        index=order.shown([index])[0],
        dataset=loaders.dataset_name(loader.dataset),
        loader=current_of(session).name,
        length=loaders.length(loader),
        seconds=fetched.seconds or 0.0,
        label=parts.label(value),
        parts=tuple(made),
        steps=steps,
        odd=tuple(_odd(made)),
        random=drew,
        worker=worker,
        seed=None if seed is None or worker is None else seed + worker,
        notes=tuple(_notes(steps, drew, worker)),
        site=_where(loader.dataset),
    )


def _notes(
    steps: tuple[model.TransformStep, ...], drew: tuple[str, ...], worker: int | None
) -> Iterator[str]:
    if drew and worker is not None:
        yield (
            f"drawn with worker {worker}'s seed, as if this were the first that it fetches: the "
            "program's own sample has other random numbers."
        )
    elif drew:
        yield "the dataset draws random numbers: another look gives another sample."
    first = next((step for step in steps if step.first_nan), None)
    if first is not None:
        yield f"the first NaN is made by {first.name} ({first.where})."


def _odd(made: list[Part]) -> Iterator[str]:
    for part in made:
        stats, whose = part.stats, f"part '{part.key}'" if part.key else "it"
        if stats is None:
            continue
        bad = [f"{n} {word}" for n, word in ((stats.nans, "NaN"), (stats.infs, "Inf")) if n]
        if bad:
            yield f"{whose} has {' and '.join(bad)}."
        elif part.shape and stats.min is not None and stats.min == stats.max and part.shape != (1,):
            yield f"{whose} is {stats.min:.4g} everywhere."


def _where(dataset: Any) -> Site | None:
    """Return where a dataset's ``__getitem__`` is written; of torch's own, what it wraps."""
    inner = getattr(dataset, "dataset", None)
    if inner is not None and type(dataset).__module__.startswith("torch."):
        return _where(inner)
    if type(dataset).__module__.startswith("torch."):
        return None
    site = loaders.function_site(getattr(type(dataset), "__getitem__", None))
    return site if site is not None and site.text else None


def near(key: str, value: Any) -> Part:
    """Return a part with its picture, its values, or its text in full."""
    with figures.quiet():
        part = parts.describe(key, value)
        if isinstance(value, str):
            return parts.replace(part, text=value[:TEXT])
        alias = parts.as_tensor(value)
        if alias is None or alias.layout is not torch.strided or alias.is_complex():
            return part
        lines = picture(alias)
        if lines:
            return parts.replace(part, lines=lines)
        return parts.replace(part, values=sequence(alias))


def sequence(tensor: torch.Tensor) -> tuple[float, ...]:
    """Return up to 256 values of a sequence (one dimension, or several that are 1 wide)."""
    if sum(size > 1 for size in tensor.shape) != 1:
        return ()
    flat = tensor.reshape(-1)
    step = -(-flat.numel() // VALUES)
    return tuple(float(each) for each in flat[::step].tolist())


def picture(tensor: torch.Tensor) -> tuple[tuple[int, ...], ...]:
    """Return an image as rows of brightness 0..255, at most 32 x 32; () for what is no image.

    (H, W), (C, H, W) and (H, W, C) with 1, 3 or 4 channels are images, from 4 x 4 on. Whole numbers
    and fractions within 0..1 keep their scale, others go from their minimum to their maximum.
    """
    plane = _plane(tensor)
    if plane is None:
        return ()
    rows, columns = (max(1, size // (8 * CELLS)) for size in plane.shape)
    grey = plane[::rows, ::columns].to(torch.float32)
    finite = torch.isfinite(grey)
    floor = grey[finite].min() if bool(finite.any()) else torch.zeros(())
    grey = torch.where(finite, grey, floor)  # what is not finite is dark
    low, high = float(grey.min()), float(grey.max())
    if tensor.dtype == torch.uint8:
        low, high = 0.0, 255.0
    elif low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    scale = 255.0 / (high - low) if high > low else 0.0
    size = (min(CELLS, grey.shape[0]), min(CELLS, grey.shape[1]))
    small = torch.nn.functional.adaptive_avg_pool2d(grey[None, None], size)[0, 0]
    levels = ((small - low) * scale).round().clamp(0, 255).to(torch.int64)
    return tuple(tuple(row) for row in levels.tolist())


def _plane(tensor: torch.Tensor) -> torch.Tensor | None:
    """Return the brightness of an image as (H, W), or None."""
    shape = tuple(tensor.shape)
    while len(shape) > 3 and shape[0] == 1:
        tensor, shape = tensor[0], shape[1:]
    if len(shape) == 3 and shape[0] in (1, 3, 4):
        tensor = tensor[:3].to(torch.float32).mean(0)
    elif len(shape) == 3 and shape[2] in (1, 3, 4):
        tensor = tensor[:, :, :3].to(torch.float32).mean(2)
    elif len(shape) != 2:
        return None
    return tensor if min(tensor.shape) >= 4 else None


# -- under the stepper -------------------------------------------------------------------------


def stepped(loader: Any, index: Any, session: Session, place: Place) -> Sample:
    """Run ``dataset[index]`` here with its worker's seed, stopped at its first op.

    Raises:
        StateError: the dataset has no indices.
    """
    _indexed(loader)
    worker, seed = worker_for(loader, index, session)
    codes = evaluate.compiled("dataset[index]")
    space = {"dataset": loader.dataset, "index": index}
    held = generators.of_loader(loader)
    with (
        generators.aside(held),
        fetching.as_worker(loader, worker, seed),
        session.stepper.code(typed=True),
        session.grad_as_typed(place),
    ):
        begun = fetching.now()
        session.stepper.go(c.First())
        before = generators.States(held)
        value = evaluate.run(codes, space, space)
        drew = before.changed()
        taken = fetching.now() - begun
    session.keep(value)
    fetched = fetching.Fetched(index, value, taken, None)
    return record(loader, index, fetched, (), drew, (worker, seed), session)


# -- some samples of a dataset ------------------------------------------------------------------


def some_rows(
    loader: Any, most: int, seconds: float, telling: Telling
) -> tuple[list[model.SampleRow], str]:
    """Fetch samples spread over the dataset, or the first of a stream, within a time."""
    size = None if batches.is_iterable(loader) else loaders.length(loader) or 0
    fetched: list[fetching.Fetched] = []
    end = time.monotonic() + seconds
    source = _stream(loader) if size is None else _spread(loader, size, min(size, most))
    with closing(source):
        for samples in source:
            fetched += samples
            telling.at(len(fetched))
            if len(fetched) >= most or time.monotonic() > end or telling.stopped:
                break
    count = len(fetched)
    what = (
        f"the first {count} samples of the stream" if size is None else f"{count} of {size} samples"
    )
    return batches.rows_of(fetched, None), what


def _spread(loader: Any, size: int, count: int) -> Generator[list[fetching.Fetched]]:
    wanted = sorted({(n * (size - 1)) // max(1, count - 1) for n in range(count)})
    worker = 0 if loader.num_workers else None
    held = generators.of_loader(loader)
    with generators.aside(held), fetching.as_worker(loader, worker, None):
        for index in wanted:
            yield [fetching.one(loader.dataset, index)]


def _stream(loader: Any) -> Generator[list[fetching.Fetched]]:
    ours = fetching.Streams(loader)
    while samples := ours.next(loader)[0]:
        yield samples


def is_random(loader: Any) -> bool:
    """Is a sample another when it is fetched again?"""
    if batches.is_iterable(loader) or not loaders.length(loader):
        return False
    worker = 0 if loader.num_workers else None
    held = generators.of_loader(loader)
    with generators.aside(held) as before, fetching.as_worker(loader, worker, None):
        fetching.one(loader.dataset, 0)
        return bool(before.changed())
