"""One autograd node: its name, what it saved, the shape of what arrives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.code.evaluate import text_of
from gradrepl.engine.tensor import facts
from gradrepl.model import Saved

NO_SEQUENCE = 2**64 - 1
"""The sequence number of every AccumulateGrad."""
STALE = "modified by an inplace operation"
FREED = "after they have already been freed"


def name(node: Any) -> str:
    """Return the node's name without torch's C++ name space."""
    known = type(node).__name__
    return known if known[:3] != "Cpp" else str(node.name()).rpartition("::")[2]


def saved(node: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield (name, value, state) of what a node saved, running no hook of anybody's.

    A value that a user's ``saved_tensors_hooks`` packed is not unpacked: its state is 'packed'.
    """
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        yield from _saved_by_function(node)
        return
    for attribute in _saved_attributes(type(node)):  # type: ignore[arg-type]
        short = attribute.removeprefix("_saved_")
        try:
            raw = getattr(node, "_raw" + attribute, None)
            if not torch_private.tells_packed:
                yield short, None, "not to be read"
                continue
            if any(getattr(each, "unpack_hook", None) for each in _several(raw)):
                yield short, None, "packed"
                continue
            yield short, getattr(node, attribute), "ok"
        except RuntimeError as error:
            yield short, None, _state(error)


@cache
def _saved_attributes(kind: type) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith("_saved_"))


def _saved_by_function(node: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield what a custom Function saved; its own attributes are the ctx of its author."""
    try:
        raw = node._raw_saved_tensors
        if not torch_private.tells_packed:
            yield "saved_tensors", None, "not to be read"
        elif any(getattr(each, "unpack_hook", None) for each in raw):
            yield "saved_tensors", None, "packed"
        else:
            for place, value in enumerate(node.saved_tensors):
                yield f"saved_tensors[{place}]", value, "ok"
    except RuntimeError as error:
        yield "saved_tensors", None, _state(error)
    for attribute, value in list(vars(node).items()):
        if not attribute.startswith("_"):
            yield f"ctx.{attribute}", value, "ok"


def _several(raw: Any) -> tuple[Any, ...]:
    return tuple(raw) if isinstance(raw, (list, tuple)) else (raw,)


def _state(error: RuntimeError) -> str:
    text = str(error)
    if STALE in text:
        return "changed in place"
    return "freed" if FREED in text else "not to be read"


def saved_records(node: Any, names: Any) -> tuple[Saved, ...]:
    """Return what a node saved, at most 24 values, running no hook of anybody's."""
    found = []
    with torch_private.DisableTorchFunction():
        for short, value, state in saved(node):
            if isinstance(value, torch.Tensor):
                info = facts.describe(value, names.tensor(value), figures=False)
                found.append(Saved(name=short, tensor=info, state=state))
            elif isinstance(value, int) and value >= 2**63:  # torch hands out -100 unsigned
                found.append(Saved(name=short, value=str(value - 2**64), state=state))
            elif value is not None or state != "ok":
                found.append(Saved(name=short, value=text_of(value)[:60], state=state))
    return tuple(found[:24])


def saved_texts(live: Iterable[Any], most: int) -> tuple[tuple[str, ...], str]:
    """Return what nodes saved, 'result (64, 128) v0', and 'freed' or 'changed in place' if any is.

    Of texts at most so many; what is no tensor has one only where something is wrong with it.
    """
    texts: list[str] = []
    problem = ""
    with torch_private.DisableTorchFunction():
        for name, value, state in (each for node in live for each in saved(node)):
            if state in ("freed", "changed in place"):
                problem = problem if problem == "freed" else state
            if len(texts) < most and (isinstance(value, torch.Tensor) or state != "ok"):
                texts.append(_saved_text(name, value, state))
    return tuple(texts), problem


def _saved_text(name: str, value: Any, state: str) -> str:
    if not isinstance(value, torch.Tensor):
        return f"{name} {state}"
    version = facts.version(value)
    seen = "" if version is None else f" v{version}"
    return f"{name} {facts.shape(value)}{seen}" + ("" if state == "ok" else f" {state}")


def shape(node: Any) -> tuple[int, ...] | None:
    """Return the shape of the gradient that arrives, as the node's metadata has it."""
    variable = getattr(node, "variable", None)
    if isinstance(variable, torch.Tensor):
        return facts.shape(variable)
    try:
        return facts.sizes(node._input_metadata[0].shape)
    except (AttributeError, IndexError, RuntimeError, TypeError):
        return None
