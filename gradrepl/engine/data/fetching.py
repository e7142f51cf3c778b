"""Samples fetched here, in the main process, as a loader's worker would fetch them.

By index; from a stream, one after the other, from iterations of our own over an iterable dataset;
and through a pipeline of transforms that are timed step by step while one sample goes through
it: the dataset is not touched, a shallow copy of it has timed transforms in their place.
"""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from gradrepl.engine import torch_private
from gradrepl.engine.data import generators, order, parts
from gradrepl.errors import StateError, UsageError
from gradrepl.model import Part, TransformStep

if TYPE_CHECKING:
    from gradrepl.engine.data.current_loader import CurrentLoader

worker_module: Any = torch_private.worker_module
now = time.perf_counter


class Fetched(NamedTuple):
    """One sample, or what was raised instead."""

    index: Any
    value: Any
    seconds: float | None
    error: Exception | None


@contextmanager
def as_worker(loader: Any, worker: int | None, base_seed: int | None) -> Iterator[None]:
    """Be worker number ``worker`` for ``get_worker_info()``; with ``base_seed`` seeded like it."""
    before = worker_module._worker_info
    if worker is not None and base_seed is not None:
        state = worker_module._generate_state(base_seed, worker)
        generators.seed(base_seed + worker, state)
    if worker is not None:
        worker_module._worker_info = worker_module.WorkerInfo(
            id=worker,
            num_workers=loader.num_workers,
            seed=(base_seed or 0) + worker,
            dataset=loader.dataset,
        )
    try:
        yield
    finally:
        worker_module._worker_info = before


def fetch(dataset: Any, indices: list[Any]) -> list[Fetched]:
    """Return ``dataset[index]`` for each index, with the seconds that it took.

    A dataset that fetches many at once (``__getitems__``) is asked so, as a loader asks it; torch's
    own Subset is asked one by one, which gives the same.
    """
    many = getattr(dataset, "__getitems__", None)
    if many and not type(dataset).__module__.startswith("torch."):
        try:
            values = list(many(indices))
            return [Fetched(*pair, None, None) for pair in zip(indices, values, strict=True)]
        except Exception:  # the user's dataset; one by one tells which it was
            pass
    return [one(dataset, index) for index in indices]


def one(dataset: Any, index: Any) -> Fetched:
    """Return ``dataset[index]``."""
    begun = now()
    try:
        value = dataset[index]
    except Exception as problem:  # the user's dataset
        return Fetched(index, None, now() - begun, problem)
    return Fetched(index, value, now() - begun, None)


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
                with as_worker(loader, worker, None):
                    before = generators.States(held)
                    samples = self._take(loader, worker)
                    if samples:
                        self.number += 1
                        drew = before.changed()
                        self._states = generators.States(held)
                        return samples, drew
            return [], ()

    def _take(self, loader: Any, worker: int | None) -> list[Fetched]:
        if worker not in self._iterators:
            self._iterators[worker] = iter(loader.dataset)
        batch: list[Fetched] = []
        samples = self._iterators[worker]
        for _ in range(loader.batch_size or 1):
            begun = now()
            try:
                value = next(samples)
            except StopIteration:
                break
            batch.append(Fetched(None, value, now() - begun, None))
        return [] if loader.drop_last and len(batch) < (loader.batch_size or 1) else batch


def next_batch(
    loader: Any, number: int, current: CurrentLoader
) -> tuple[list[Fetched], tuple[str, ...]]:
    """Return the next batch of our own iteration, and the generators that it drew from.

    Raises:
        StateError: it would have to be rebuilt, or skipped to.
        UsageError: the dataset has ended.
    """
    if current.streams is None or number == 0:
        current.streams = Streams(loader)
    streams = current.streams
    if number != streams.number:
        raise StateError(
            f"batch {number} of an IterableDataset cannot be rebuilt: its samples have no indices, "
            f"they come one after the other. Batch {streams.number} is next.",
            "':batch' takes the next one, ':batch 0' restarts.",
        )
    samples, drew = streams.next(loader)
    if not samples:
        raise UsageError(f"the dataset ends before batch {number}.", "':batch 0' restarts.")
    return samples, drew


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
            entered = now()
            had = _nans(parts.described(list(args)))
            begun = now()
            result = step(*args, **kwargs)
            ended = now()
            self._note(step, where, ended - begun, result, had)
            self.looking += begun - entered + now() - ended
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
    timed = _with_timed(dataset, pipeline, "")
    if timed is None:
        return one(dataset, index), ()
    fetched = one(timed, index)
    seconds = max(0.0, (fetched.seconds or 0.0) - pipeline.looking)
    return fetched._replace(seconds=seconds), tuple(pipeline.steps)


def _with_timed(dataset: Any, pipeline: Pipeline, path: str) -> Any:
    """Return a copy of ``dataset`` whose transforms are timed; None where it has none."""
    if not isinstance(getattr(dataset, "__dict__", None), dict):
        return None
    if any("__del__" in vars(kind) for kind in type(dataset).__mro__):
        return None  # the copy's end would close what the dataset still uses
    changed: dict[str, Any] = {}
    for name, value in list(vars(dataset).items()):
        where = f"{path}.{name}" if path else name
        if name in HOLDERS and value is not None:
            changed[name] = _timed_transform(value, pipeline, where)
        elif name == "dataset" and hasattr(value, "__getitem__"):
            changed[name] = _with_timed(value, pipeline, where)
    changed = {name: value for name, value in changed.items() if value is not None}
    return _copy(dataset, changed) if changed else None


def _copy(value: Any, changed: dict[str, Any]) -> Any:
    made = copy.copy(value)
    vars(made).update(changed)
    return made


def _timed_transform(value: Any, pipeline: Pipeline, where: str) -> Any:
    """Return a timed transform for one, for a list of them, or for what holds such a list."""
    if _are_steps(value):
        steps = [pipeline.timed(each, f"{where}[{n}]") for n, each in enumerate(value)]
        return type(value)(steps) if type(value) in (list, tuple) else None
    held = getattr(value, "__dict__", {}).get("transforms")
    if _are_steps(held):
        timed = _timed_transform(held, pipeline, f"{where}.transforms")
        return None if timed is None else _copy(value, {"transforms": timed})
    return pipeline.timed(value, where) if callable(value) else None


def _are_steps(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(map(callable, value))
