"""Samples fetched in a copy of the program, as a loader's worker would fetch them.

By index; from a stream, one after the other, from iterations of our own over an iterable dataset.
What is drawn meanwhile is told by the generators of random numbers that loading data can draw
from: torch's, Python's and NumPy's own, and those that a loader, its sampler and its dataset hold
or have as globals.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterable, Iterator
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.code.values import USER_ERRORS
from gradrepl.engine.data import isolate
from gradrepl.engine.tensor import figures

worker_module: Any = torch_private.worker_module
DEPTH = 6
MOST = 4000
"""Objects that are looked into for generators."""
INSIDE = 64
"""Items of one container that are looked at."""
CLOSED = (int, float, str, bytes, bool, type)
"""What holds nothing."""
now = time.perf_counter


# -- generators of random numbers --------------------------------------------------------------


class Held:
    """One generator: its name, and its state."""

    def __init__(self, name: str, generator: Any) -> None:
        self.name = name
        self.generator = generator

    def state(self) -> Any:
        """Return a copy of its state."""
        with figures.quiet():
            if isinstance(self.generator, random.Random):
                return self.generator.getstate()
            if hasattr(self.generator, "bit_generator"):
                return self.generator.bit_generator.state
            return self.generator.get_state()

    def put_back(self, state: Any) -> None:
        """Give it a state that it had."""
        with figures.quiet():
            if isinstance(self.generator, random.Random):
                self.generator.setstate(state)
            elif hasattr(self.generator, "bit_generator"):
                self.generator.bit_generator.state = state
            else:
                self.generator.set_state(state)


def same(a: Any, b: Any) -> bool:
    """Are two states the same?"""
    if isinstance(a, torch.Tensor):
        with figures.quiet():
            return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "tobytes"):
        return bool(a.tobytes() == b.tobytes())
    return bool(a == b)


def _numpy() -> Any:
    numpy = sys.modules.get("numpy")
    return getattr(numpy, "random", None)


def _is_generator(value: Any) -> bool:
    if isinstance(value, (torch.Generator, random.Random)):
        return not isinstance(value, random.SystemRandom)
    numpy = _numpy()
    return numpy is not None and isinstance(value, (numpy.Generator, numpy.RandomState))


def everywhere() -> list[Held]:
    """Return the generators that everybody shares."""
    shared = [Held("torch", torch.default_generator), Held("random", random._inst)]  # type: ignore[attr-defined]
    numpy = _numpy()
    if numpy is not None:
        shared.append(Held("numpy", numpy.mtrand._rand))
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        shared += [Held(f"cuda:{n}", each) for n, each in enumerate(torch.cuda.default_generators)]
    return shared


def held_by(*named: tuple[str, Any]) -> list[Held]:
    """Return the generators that the named objects hold; runs no code of theirs."""
    seen: set[int] = set()
    held: dict[int, Held] = {}
    todo = [(name, value, 0) for name, value in named]
    while todo and len(seen) < MOST:
        name, value, depth = todo.pop(0)
        if id(value) in seen or value is None:
            continue
        seen.add(id(value))
        if _is_generator(value):
            held.setdefault(id(value), Held(name, value))
        elif depth < DEPTH:
            todo += [(inner, each, depth + 1) for inner, each in _inside(name, value)]
    return list(held.values())


def _inside(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a value holds, by name."""
    kind = type(value)
    if kind in (list, tuple):
        yield from ((f"{name}[{n}]", each) for n, each in enumerate(value[:INSIDE]))
    elif kind is dict:
        yield from ((f"{name}[{key!r}]"[:60], value[key]) for key in list(value)[:INSIDE])
    elif kind is MethodType:
        yield name, value.__self__
        yield from _globals(value.__func__)
    elif kind is FunctionType:
        yield from _globals(value)
        yield from _closed_over(name, value)
    elif kind not in CLOSED and not isinstance(value, (torch.Tensor, ModuleType)):
        yield from _attributes(name, value)


def _closed_over(name: str, function: FunctionType) -> Iterator[tuple[str, Any]]:
    for cell in function.__closure__ or ():
        try:
            yield f"{name}()", cell.cell_contents
        except ValueError:  # a variable that has no value yet
            continue


def _attributes(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an object, and what its methods that fetch name."""
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        yield from ((f"{name}.{key}", each) for key, each in list(attributes.items()))
    for method in ("__getitem__", "__getitems__", "__iter__", "__call__"):
        function = getattr(type(value), method, None)
        if type(function) is FunctionType:
            yield from _globals(function)


def _globals(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the global generators that a function names."""
    space = function.__globals__
    for name in function.__code__.co_names:
        if name in space and _is_generator(space[name]):
            yield name, space[name]


class States:
    """The states of some generators at one moment."""

    def __init__(self, held: Iterable[Held]) -> None:
        unique = {id(each.generator): each for each in held}
        self._states = [(each, each.state()) for each in unique.values()]

    def put_back(self) -> None:
        """Give all of them these states again."""
        for each, state in self._states:
            each.put_back(state)

    def changed(self) -> tuple[str, ...]:
        """Return the names of those whose state is another now."""
        return tuple(each.name for each, state in self._states if not same(state, each.state()))


def seed(number: int, numpy_seed: Any) -> None:
    """Seed what everybody shares as a worker does; ``numpy_seed`` is a list of four numbers."""
    random.seed(number)
    with figures.quiet():
        torch.default_generator.manual_seed(number)
    numpy = _numpy()
    if numpy is not None:
        numpy.seed(numpy_seed)


def of_loader(loader: Any) -> list[Held]:
    """Return all generators that iterating over ``loader`` can draw from."""
    parts = ("sampler", "batch_sampler", "dataset", "collate_fn")
    named = [(name, getattr(loader, name, None)) for name in parts]
    own = ("loader.generator", getattr(loader, "generator", None))
    return [*everywhere(), *held_by(own, *named)]


def of_order(loader: Any) -> list[Held]:
    """Return the generators that the order of ``loader`` can depend on, without its dataset's."""
    named = [("loader.generator", getattr(loader, "generator", None))]
    for name in ("sampler", "batch_sampler"):
        sampler = getattr(loader, name, None)
        named.append((f"{name}.generator", getattr(sampler, "generator", None)))
        attributes = getattr(sampler, "__dict__", None) or {}
        named += [
            (f"{name}.{key}", each) for key, each in attributes.items() if _is_generator(each)
        ]
        function = getattr(type(sampler), "__iter__", None)
        if type(function) is FunctionType:
            named += list(_globals(function))
    return [*everywhere(), *held_by(*named)]


def base_seed_of(loader: Any) -> int:
    """Draw the seed from which a new iterator seeds its workers, as torch draws it."""
    with figures.quiet():
        drawn = torch.empty((), dtype=torch.int64, device="cpu")
        return int(drawn.random_(generator=loader.generator).item())


# -- fetching ----------------------------------------------------------------------------------


class Fetched(NamedTuple):
    """One sample, or what was raised instead."""

    index: Any
    value: Any
    seconds: float | None
    error: BaseException | None


def worker_of(loader: Any, number: int) -> int | None:
    """Return the worker that delivers batch ``number``; None without workers."""
    return number % loader.num_workers if loader.num_workers else None


def be_worker(loader: Any, worker: int | None, base_seed: int | None = None) -> States:
    """Be worker number ``worker`` from now on; with ``base_seed`` seeded like it.

    Returns the states of all generators that it may draw from.
    """
    if worker is not None:
        if base_seed is not None:
            seed(base_seed + worker, worker_module._generate_state(base_seed, worker))
        worker_module._worker_info = worker_module.WorkerInfo(
            id=worker,
            num_workers=loader.num_workers,
            seed=(base_seed or 0) + worker,
            dataset=loader.dataset,
        )
    return States(of_loader(loader))


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
        except USER_ERRORS:  # the user's dataset; one by one tells which it was
            pass
    return [one(dataset, index) for index in indices]


def one(dataset: Any, index: Any) -> Fetched:
    """Return ``dataset[index]``."""
    begun = now()
    try:
        value = dataset[index]
    except USER_ERRORS as problem:  # the user's dataset
        isolate.check(problem)
        return Fetched(index, None, now() - begun, problem)
    return Fetched(index, value, now() - begun, None)


def stream(loader: Any) -> Iterator[tuple[list[Fetched], tuple[str, ...]]]:
    """Yield the batches of a pass over an iterable dataset, and the generators they drew from.

    Each worker has an iteration of its own; where one has ended the next worker's goes on.
    """
    base_seed_of(loader)
    workers: list[int | None] = list(range(loader.num_workers)) or [None]
    iterators: dict[int | None, Any] = {}
    while workers:
        worker = workers.pop(0)
        before = be_worker(loader, worker)
        if worker not in iterators:
            iterators[worker] = iter(loader.dataset)
        if batch := _take(loader, iterators[worker]):
            workers.append(worker)
            yield batch, before.changed()


def _take(loader: Any, samples: Iterator[Any]) -> list[Fetched]:
    batch: list[Fetched] = []
    for _ in range(loader.batch_size or 1):
        begun = now()
        try:
            value = next(samples)
        except StopIteration:
            break
        except USER_ERRORS as problem:  # the user's dataset
            isolate.check(problem)
            raise
        batch.append(Fetched(None, value, now() - begun, None))
    return [] if loader.drop_last and len(batch) < (loader.batch_size or 1) else batch
