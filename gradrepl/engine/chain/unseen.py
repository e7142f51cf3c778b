"""Run torch's backward, one node by hand or the engine, so that nothing of it stays in the program.

torch's own nodes can be called: that runs the formula alone, no hook of anybody's, frees nothing
that was saved and writes no ``.grad`` (AccumulateGrad, which would, is never called). A custom
Function's node has ``apply``, which is its author's ``backward``: that is user code, and each run
is counted and told. What the engine does around both is done here: missing gradients of a custom
Function are zeros, and a gradient is brought to shape and dtype of what it is the gradient of.

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
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch.autograd.graph import GradientEdge

from gradrepl.engine import torch_private
from gradrepl.engine.code.evaluate import first_line, summary
from gradrepl.engine.code.values import USER_ERRORS
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import Graph
from gradrepl.engine.graph.nodes import is_custom
from gradrepl.engine.tensor import figures
from gradrepl.errors import AutogradError, GradreplError, StateError

Grads = list[Any]
CHECKPOINT = "torch.utils.checkpoint"
SHOWN = 8
SOME = 256
"""Dictionaries of hooks up to which the collector is asked who holds them."""


def outputs_of(node: Any) -> int:
    """Return how many gradients arrive at a node: one for each output of its forward."""
    return len(node._input_metadata)


class Runner:
    """Runs the nodes of one graph one by one, and counts what user code that ran."""

    def __init__(self, graph: Graph | None = None) -> None:
        self._nodes = graph.nodes if graph is not None else []
        self.reruns: Counter[str] = Counter()
        """Runs of custom backwards, by name."""

    def check(self, places: Sequence[int]) -> list[str]:
        """Return what is to be said before these nodes run.

        Raises:
            StateError: a checkpoint is among them: its forward would run again and again; or
                this torch does not tell whether one is.
        """
        if not torch_private.tells_packed:
            raise StateError(
                f"torch {torch.__version__} does not tell which saved values hooks of the program"
                " have packed: a look at this graph could run them.",
                "A newer torch does: 'gradrepl doctor' names what this one lacks.",
            )
        packed = 0
        for place in places:
            node = self._nodes[place]
            for hook in nodes.unpack_hooks(node):
                if getattr(hook, "__module__", "") == CHECKPOINT:
                    raise _checkpointed()
                packed += 1
            if is_custom(node) and type(node)._forward_cls.__module__ == CHECKPOINT:
                raise _checkpointed()
        if not packed:
            return []
        return [f"{packed} saved values were unpacked by your saved_tensors_hooks."]

    def run(self, node: Any, grads: Grads) -> Grads:
        """Return one gradient an edge for the gradients that arrive at a node; None is none.

        Raises:
            AutogradError: the graph was freed, or what it saved was changed.
        """
        node = self._nodes[node] if isinstance(node, int) else node
        try:
            if is_custom(node):
                leaving = self._custom(node, grads)
            else:
                with figures.quiet():
                    leaving = node(*grads)
        except GradreplError:
            raise
        except USER_ERRORS as error:  # a custom backward is user code
            raise sentence(nodes.name(node), error) from error
        leaving = leaving if isinstance(leaving, tuple | list) else (leaving,)
        with figures.quiet():
            return [
                None if grad is None or target is None else conform(grad, target, number)
                for grad, (target, number) in zip(leaving, node.next_functions, strict=False)
            ]

    def _custom(self, node: Any, grads: Grads) -> Sequence[Any]:
        self.count(node)
        filled = [seed(node, n, 0.0) if grad is None else grad for n, grad in enumerate(grads)]
        with torch.no_grad():
            made = node.apply(*filled)
        made = made if isinstance(made, tuple) else (made,)
        placed: Grads = [None] * len(node.next_functions)
        wanted = [e for e, (target, _) in enumerate(node.next_functions) if target is not None]
        given = [g for g, need in zip(made, node.needs_input_grad, strict=False) if need]
        for edge, grad in zip(wanted, given, strict=False):
            placed[edge] = grad
        return placed

    def count(self, node: Any) -> None:
        """One more run of a custom backward."""
        self.reruns[nodes.kind(nodes.name(node))] += 1

    def single(self, place: int, number: int, grad: Any) -> Grads:
        """Return what the node makes of ``grad`` arriving at output ``number`` alone."""
        grads: Grads = [None] * outputs_of(self._nodes[place])
        grads[number] = grad
        return self.run(place, grads)

    def notes(self) -> list[str]:
        """Say what user code was run."""
        return [
            f"the backward of {name} was run {count} more time{'s' if count > 1 else ''} "
            "for this answer."
            for name, count in sorted(self.reruns.items())
        ]


def seed(node: Any, number: int, value: float = 1.0) -> torch.Tensor:
    """Return a gradient for output ``number`` of the node, full of ``value``."""
    about = node._input_metadata[number]
    with figures.quiet():
        return torch.full(tuple(about.shape), value, dtype=about.dtype, device=about.device)


def elements(node: Any, number: int) -> int:
    """Return how many elements that output has."""
    return prod(int(size) for size in node._input_metadata[number].shape)


def is_real_number(node: Any, number: int) -> bool:
    """Is that output one real number?"""
    return elements(node, number) == 1 and not node._input_metadata[number].dtype.is_complex


def conform(grad: torch.Tensor, target: Any, number: int) -> torch.Tensor:
    """Bring a gradient to what the engine would hand on: summed over what was broadcast."""
    about = target._input_metadata[number]
    shape = tuple(about.shape)
    if grad.layout is torch.strided and tuple(grad.shape) != shape:
        grad = grad.sum_to_size(shape)
    if grad.dtype != about.dtype:
        if grad.is_complex() and not about.dtype.is_complex:
            grad = torch.real(grad)
        grad = grad.to(about.dtype)
    return grad


def _checkpointed() -> StateError:
    return StateError(
        "a part of this graph is checkpointed: each look at it would run your forward again.",
        "Take a root or a leaf on this side of the checkpoint, or switch checkpointing off.",
    )


def sentence(name: str, error: BaseException) -> AutogradError:
    """Return what ``error``, met while node ``name`` or the whole engine ran, means."""
    text = first_line(error)
    if nodes.FREED in text:
        return AutogradError(
            f"{name} has lost what it saved: a backward has freed that part of the graph.",
            "Run the forward again, call backward(retain_graph=True), or ask at the first node.",
        )
    if nodes.STALE in text:
        return AutogradError(
            f"what {name} saved has been changed in place since: {text}",
            "The backward itself would raise the same; write out of place, or clone first.",
        )
    return AutogradError(f"{name} could not be run for a look: {summary(error)}")


# -- the engine -----------------------------------------------------------------------------------


class Muted:
    """Which hooks were muted where they would have run."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.hooks: dict[tuple[int, str], tuple[Any, str]] = {}

    def note(self, hook: Any) -> None:
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


def _muted(hook: Any, muted: Muted) -> Callable[..., Any]:
    """Return what stands in for one hook: silent in our own thread."""

    def mute(*grads: Any) -> Any:
        if threading.get_ident() != muted.thread:
            return hook(*grads)
        if not _ours(hook):
            muted.note(hook)
        return None

    return mute


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
        if type(holder) is tuple and len(holder) == len(tables) and holder[0] is tables[0]:
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
    stood: list[tuple[OrderedDict[int, Any], int, Any, Any]] = []
    try:
        for table in tables:
            for key, hook in list(table.items()):
                mute = _muted(hook, muted)
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


def gradients(starts: Sequence[Any], inputs: Sequence[tuple[Any, int]]) -> tuple[Any, ...]:
    """Return ``torch.autograd.grad`` of (node, number, seed) by (node, number); inside ``unseen``.

    What it raises where the graph was freed or changed in place is left to the caller.
    """
    grads: tuple[Any, ...] = torch.autograd.grad(
        [GradientEdge(node, number) for node, number, _ in starts],
        [GradientEdge(node, number) for node, number in inputs],
        grad_outputs=[seed for _, _, seed in starts],
        retain_graph=True,
        allow_unused=True,
    )  # type: ignore[arg-type]
    return grads
