"""One sample, looked at from near: figures, a small picture, its values, what made it.

A pipeline of transforms is timed step by step while one sample goes through it: the dataset of the
copy of the program has timed transforms in their place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from msgspec import structs

from gradrepl import conditions as c
from gradrepl import protocol as p
from gradrepl.engine.code import evaluate
from gradrepl.engine.code.values import attributes
from gradrepl.engine.data import apart, batches, fetching, loaders, order, parts
from gradrepl.engine.data.current_loader import CurrentLoader, current_of, find_loader
from gradrepl.engine.data.fetching import Fetched
from gradrepl.engine.data.wanted import log_of
from gradrepl.engine.session import Answer, on
from gradrepl.engine.tensor import figures
from gradrepl.errors import StateError
from gradrepl.model import Part, Sample, Site, TransformStep

if TYPE_CHECKING:
    from gradrepl.engine.data.epoch_log import EpochLog
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

CELLS = 32
"""Rows and columns of a picture."""
VALUES = 256
TEXT = 2000


@on(p.AskSample)
def _(request: p.AskSample, session: Session, place: Place) -> Answer:
    """Fetch ``dataset[index]`` in a copy of the program."""
    loader, name = find_loader(request.expression, session, place)
    log = log_of(session, loader)

    def fetched() -> Sample:
        index = _index(loader, request.index, session, place)
        worker, seed = worker_for(loader, index, log, current_of(session))
        with session.grad_as_typed(place):
            before = fetching.be_worker(loader, worker, seed)
            found, steps = fetch_timed(loader.dataset, index)
            drew = before.changed()
        if found.error is not None:
            raise found.error
        return record(loader, name, found, steps, drew, (worker, seed))

    return apart.answered(session, place, fetched)


def _index(loader: Any, index: str, session: Session, place: Place) -> Any:
    """Return the index that is asked for.

    Raises:
        StateError: the dataset has no indices.
    """
    if batches.is_iterable(loader):
        raise StateError(
            f"{type(loader.dataset).__name__} is an IterableDataset: its samples have no indices.",
            "':batch' takes its next ones.",
        )
    return session.evaluate(index, place)


def worker_for(
    loader: Any, index: Any, log: EpochLog | None, current: CurrentLoader
) -> tuple[int | None, int | None]:
    """Return the worker that has (had) an index, and the seed from which workers were seeded.

    Where that is not known, the one that has the batch shown last, else the first.
    """
    if not loader.num_workers:
        return None, None
    seed = None
    for indices, worker, seed in _known_batches(loader, log):
        if index in indices:
            return worker, seed
    if current.epoch is not None and seed is None:
        seed = current.epoch.base_seed(loader)
    shown = order.shown([index])[0] in current.indices
    return fetching.worker_of(loader, current.next - 1) if shown else 0, seed


def _known_batches(
    loader: Any, log: EpochLog | None
) -> Iterator[tuple[list[Any], int | None, int | None]]:
    """Yield the indices of batches, the worker of each, and the seed of the workers."""
    seed = log.base_seed if log is not None else None
    for logged in log.last_batches if log is not None else ():
        yield logged.indices, logged.worker, seed
    for iterator in order.iterators(loader):
        seed = vars(iterator).get("_base_seed") if seed is None else seed
        for number, indices in enumerate(order.drawn_by(iterator) or ()):
            yield indices, fetching.worker_of(loader, number), seed
    yield [], None, seed


def record(
    loader: Any,
    name: str,
    fetched: Fetched,
    steps: tuple[TransformStep, ...],
    drew: tuple[str, ...],
    who: tuple[int | None, int | None],
) -> Sample:
    """Return the record of a sample that was fetched."""
    worker, seed = who
    value = fetched.value
    made = [near(key, each) for key, each in parts.leaves(value)]
    return Sample(
        index=order.shown([fetched.index])[0],
        dataset=loaders.dataset_name(loader.dataset),
        loader=name,
        length=loaders.length(loader),
        seconds=fetched.seconds or 0.0,
        label=parts.label(value),
        parts=tuple(made),
        steps=steps,
        odd=tuple(_odd(made)),
        random=drew,
        worker=worker,
        seed=None if seed is None or worker is None else seed + worker,
        notes=(*_notes(steps, drew, worker), *batches.stale(loader)),
        site=_where(loader.dataset),
    )


def _notes(
    steps: tuple[TransformStep, ...], drew: tuple[str, ...], worker: int | None
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
            return structs.replace(part, text=value[:TEXT])
        alias = parts.as_tensor(value)
        if alias is None or alias.layout is not torch.strided or alias.is_complex():
            return part
        lines = picture(alias)
        if lines:
            return structs.replace(part, lines=lines)
        return structs.replace(part, values=sequence(alias))


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


@on(p.FetchSample)
def _(request: p.FetchSample, session: Session, place: Place) -> Answer:
    """Run ``dataset[index]`` with its worker's seed, stopped at its first op, in a copy.

    ``here`` it runs in the program itself, with no seed but the program's, and is ``_``.
    """
    loader, name = find_loader(request.loader, session, place)
    log = log_of(session, loader)

    def fetched() -> Sample:
        index = _index(loader, request.index, session, place)
        who = worker_for(loader, index, log, current_of(session)) if apart.inside else (None, None)
        codes = evaluate.compiled("dataset[index]")
        space = {"dataset": loader.dataset, "index": index}
        before = fetching.be_worker(loader, *who)
        with session.stepper.code(typed=True), session.grad_as_typed(place):
            begun = fetching.now()
            session.stepper.go(c.First())
            value = evaluate.run(codes, space, space)
            drew = before.changed()
            taken = fetching.now() - begun
        session.keep(value)
        return record(loader, name, Fetched(index, value, taken, None), (), drew, who)

    return fetched() if request.here else apart.answered(session, place, fetched, stepped=True)


# -- its transforms ----------------------------------------------------------------------------

HOLDERS = ("transform", "transforms", "target_transform", "augment", "augmentation", "preprocess")
"""Attributes under which datasets keep what a sample goes through."""
STEPS = 64


class Pipeline:
    """What was seen of each step."""

    def __init__(self) -> None:
        self.steps: list[TransformStep] = []
        self.looking = 0.0
        """Seconds spent on looking at what steps made."""
        self._bad = False

    def timed(self, step: Callable[..., Any], where: str) -> Callable[..., Any]:
        """Return what does the same as ``step`` and is timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            entered = fetching.now()
            had = _nans(parts.described(list(args)))
            begun = fetching.now()
            result = step(*args, **kwargs)
            ended = fetching.now()
            self._note(step, where, ended - begun, result, had)
            self.looking += begun - entered + fetching.now() - ended
            return result

        functools.update_wrapper(timed, step, ("__name__", "__doc__"), ())
        return timed

    def _note(self, step: Any, where: str, seconds: float, result: Any, had: int) -> None:
        if len(self.steps) >= STEPS:
            return
        made = parts.described(result)
        nans = _nans(made)
        first = bool(nans) and not had and not self._bad
        self._bad = self._bad or first
        self.steps.append(
            TransformStep(
                name=str(getattr(step, "__name__", None) or type(step).__name__),
                where=where,
                seconds=seconds,
                out=parts.main(made) or Part(),
                nans=nans,
                first_nan=first,
            )
        )


def _nans(made: tuple[Part, ...]) -> int:
    return sum(part.stats.nans or 0 for part in made if part.stats is not None)


def fetch_timed(dataset: Any, index: Any) -> tuple[Fetched, tuple[TransformStep, ...]]:
    """Return ``dataset[index]``, and the steps of its transforms where it has such.

    What looking at the steps' results took is not in the sample's time.
    """
    pipeline = Pipeline()
    _put_timed(dataset, pipeline, "")
    fetched = fetching.one(dataset, index)
    seconds = max(0.0, (fetched.seconds or 0.0) - pipeline.looking)
    return fetched._replace(seconds=seconds), tuple(pipeline.steps)


def _put_timed(dataset: Any, pipeline: Pipeline, path: str) -> None:
    """Have the transforms of ``dataset`` timed, and those of a dataset that it wraps."""
    held = attributes(dataset)
    for name, value in list(held.items()):
        where = f"{path}.{name}" if path else name
        if name in HOLDERS and value is not None:
            held[name] = _timed(value, pipeline, where)
        elif name == "dataset":
            _put_timed(value, pipeline, where)


def _timed(value: Any, pipeline: Pipeline, where: str) -> Any:
    """Return a timed transform for one, for a list of them; what holds such a list gets them."""
    if type(value) in (list, tuple) and value and all(map(callable, value)):
        return type(value)(pipeline.timed(each, f"{where}[{n}]") for n, each in enumerate(value))
    held = attributes(value)
    steps = _timed(held.get("transforms"), pipeline, f"{where}.transforms")
    if type(steps) in (list, tuple):
        held["transforms"] = steps
        return value
    return pipeline.timed(value, where) if callable(value) else value
