"""Every generator of random numbers that loading data can draw from: saved, put back, compared.

Torch's, Python's and NumPy's own, and those that a loader, its sampler and its dataset hold or
have as globals. What is asked about data leaves all of them as they were.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch

from gradrepl.engine.tensor import figures

DEPTH = 6
MOST = 4000
"""Objects that are looked into."""
INSIDE = 64
"""Items of one container that are looked at."""
CLOSED = (int, float, str, bytes, bool, type)
"""What holds nothing."""


class Held:
    """One generator: its name, and its state."""

    def __init__(self, name: str, generator: Any) -> None:
        self.name = name
        self.generator = generator

    def state(self) -> Any:
        """Return a copy of its state."""
        made = self.generator
        if isinstance(made, torch.Generator):
            with figures.quiet():
                return made.get_state()
        if isinstance(made, random.Random):
            return made.getstate()
        if hasattr(made, "bit_generator"):
            return made.bit_generator.state
        return made.get_state()

    def put_back(self, state: Any) -> None:
        """Give it a state that it had."""
        made = self.generator
        if isinstance(made, torch.Generator):
            with figures.quiet():
                made.set_state(state)
        elif isinstance(made, random.Random):
            made.setstate(state)
        elif hasattr(made, "bit_generator"):
            made.bit_generator.state = state
        else:
            made.set_state(state)


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
    return [
        *everywhere(),
        *held_by(
            ("loader.generator", getattr(loader, "generator", None)),
            ("sampler", getattr(loader, "sampler", None)),
            ("batch_sampler", getattr(loader, "batch_sampler", None)),
            ("dataset", getattr(loader, "dataset", None)),
            ("collate_fn", getattr(loader, "collate_fn", None)),
        ),
    ]


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


@contextmanager
def aside(held: Iterable[Held]) -> Iterator[States]:
    """Run something whose draws nobody shall notice: all generators are put back behind it."""
    states = States(held)
    try:
        yield states
    finally:
        states.put_back()
