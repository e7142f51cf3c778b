"""Ask torch's engine for a gradient so that nothing of it stays in the user's program.

A plain ``torch.autograd.grad`` runs the user's hooks, writes ``.grad`` of tensors that retain it,
and may use random numbers where a backward is user code. Here hooks are muted while our own
thread asks (those that would have run are told), retained gradients and generators are put
back, and a ``backward()`` inside of somebody's backward is refused, as it writes ``.grad``.
"""

from __future__ import annotations

import gc
import random
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.autograd.graph import GradientEdge

from gradrepl.engine import torch_private
from gradrepl.engine.graph import nodes
from gradrepl.errors import StateError

SHOWN = 8
SOME = 256
"""Dictionaries of hooks up to which the collector is asked who holds them."""


class Muted:
    """Which hooks were muted where they would have run."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.hooks: dict[tuple[int, str], tuple[Any, str]] = {}

    def met(self, hook: Any) -> None:
        """A hook of the user's would run now."""
        node = torch_private.running_node()
        name = nodes.name(node) if node is not None else "a leaf"
        self.hooks.setdefault((id(hook), name), (hook, name))

    def notes(self) -> list[str]:
        """Say which hooks did not run."""
        hooks = [f"{_named(hook)} on {name}" for hook, name in self.hooks.values()]
        if not hooks:
            return []
        more = f" and {len(hooks) - SHOWN} more" if len(hooks) > SHOWN else ""
        return [
            f"hooks not run: {', '.join(hooks[:SHOWN])}{more}; a real backward runs them, and what "
            "they return takes the gradient's place."
        ]


class _Mute:
    """Stands in for one hook: silent in our own thread."""

    def __init__(self, hook: Any, muted: Muted) -> None:
        self.hook, self.muted = hook, muted

    def __call__(self, *grads: Any) -> Any:
        if threading.get_ident() != self.muted.thread:
            return self.hook(*grads)
        if not _ours(self.hook):
            self.muted.met(self.hook)
        return None


def _ours(hook: Any) -> bool:
    function = getattr(hook, "func", hook)
    return str(getattr(function, "__module__", "")).startswith("gradrepl.")


def _named(hook: Any) -> str:
    code = getattr(hook, "__code__", None)
    name = getattr(hook, "__name__", type(hook).__name__)
    return f"{name} ({Path(code.co_filename).name}:{code.co_firstlineno})" if code else name


def _heap() -> tuple[list[Any], list[OrderedDict[int, Any]]]:
    """Return the tensors that retain a gradient, and the dictionaries of hooks that C++ holds."""
    kinds: dict[type, bool] = {}
    retaining, tables = [], []
    for each in gc.get_objects():
        kind = type(each)
        if kind is OrderedDict:
            if each and _is_hooks(each):
                tables.append(each)
            continue
        tensor = kinds.get(kind)
        if tensor is None:
            tensor = kinds[kind] = issubclass(kind, torch.Tensor)
        if tensor and each.retains_grad:
            retaining.append(each)
    return retaining, _held_by_cpp(tables)


def _is_hooks(table: OrderedDict[Any, Any]) -> bool:
    return all(type(key) is int and callable(value) for key, value in table.items())


def _held_by_cpp(tables: list[OrderedDict[int, Any]]) -> list[OrderedDict[int, Any]]:
    """Return those that no Python object but a tensor holds: all hooks of nodes are such."""
    if not tables:
        return []
    elsewhere: set[int] = set()
    known = {id(table) for table in tables}
    # Each table more makes the collector's own search longer: many are looked for from here.
    holders = gc.get_referrers(*tables) if len(tables) <= SOME else gc.get_objects()
    for holder in holders:
        if holder is tables or issubclass(type(holder), torch.Tensor):
            continue
        if type(holder) is tuple and list(map(id, holder)) == list(map(id, tables)):
            continue  # since Python 3.13 the collector shows its own arguments, too
        elsewhere |= known.intersection(map(id, gc.get_referents(holder)))
    return [table for table in tables if id(table) not in elsewhere]


@contextmanager
def unseen(user_code: bool) -> Iterator[Muted]:
    """Mute hooks and put back gradients, for a run of torch's engine in this thread.

    With ``user_code`` (a custom backward is among the nodes) random numbers are put back, too.
    """
    muted = Muted()
    with torch_private.DisableTorchFunction():
        retaining, tables = _heap()
        before = [(tensor, tensor.grad) for tensor in retaining]
    stood: list[tuple[OrderedDict[int, Any], int, Any, _Mute]] = []
    try:
        for table in tables:
            for key, hook in list(table.items()):
                mute = _Mute(hook, muted)
                stood.append((table, key, hook, mute))
                table[key] = mute
        with contained(user_code):
            yield muted
    finally:
        for table, key, hook, mute in stood:
            if table.get(key) is mute:
                table[key] = hook
        with torch_private.DisableTorchFunction():
            for tensor, grad in before:
                if tensor.grad is not grad:
                    tensor.grad = grad


@contextmanager
def contained(user_code: bool = True) -> Iterator[None]:
    """Let nothing accumulate, and with ``user_code`` put random numbers back.

    Without any the generators are left alone: other threads may be using them.
    """
    states = _generators() if user_code else []
    engine = torch_private.engine()
    guard = _guarded(engine)
    torch_private.set_engine(guard)
    try:
        yield
    finally:
        if torch_private.engine() is guard:
            torch_private.set_engine(engine)
        for put_back, state in states:
            put_back(state)


def _generators() -> list[tuple[Any, Any]]:
    """Return what puts back each random generator, and its state."""
    states: list[tuple[Any, Any]] = [
        (torch.set_rng_state, torch.get_rng_state()),
        (random.setstate, random.getstate()),
    ]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    numbers = sys.modules.get("numpy")
    if numbers is not None:
        states.append((numbers.random.set_state, numbers.random.get_state()))
    return states


def _guarded(engine: Callable[..., Any]) -> Callable[..., Any]:
    thread = threading.get_ident()

    def run(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("accumulate_grad") and threading.get_ident() == thread:
            raise StateError(
                "a custom backward calls backward() itself: run for a look, it would write .grad.",
                "Take a root or a leaf on this side of it.",
            )
        return engine(*args, **kwargs)

    return run


def gradients(
    outputs: Sequence[Any], seeds: Sequence[Any], inputs: Sequence[tuple[Any, int]]
) -> tuple[Any, ...]:
    """Return ``torch.autograd.grad`` of the outputs by (node, number) pairs; inside ``unseen``.

    What it raises where the graph was freed or changed in place is left to the caller.
    """
    edges = [GradientEdge(node, number) for node, number in inputs]
    grads: tuple[Any, ...] = torch.autograd.grad(
        tuple(outputs), edges, grad_outputs=list(seeds), retain_graph=True, allow_unused=True
    )  # type: ignore[arg-type]
    return grads
