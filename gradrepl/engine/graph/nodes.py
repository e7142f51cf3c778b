"""One autograd node as a record: its rule, what it saved, where its gradients go."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.chain import table
from gradrepl.engine.code.evaluate import text_of
from gradrepl.engine.tensor import facts
from gradrepl.model import Edge, Node, NodeRow, Saved

if TYPE_CHECKING:
    from gradrepl.engine.graph.backward import Pass
    from gradrepl.engine.stopping.events import NodeEvent

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
        if any(getattr(each, "unpack_hook", None) for each in raw):
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


def _describe(grads: list[Any]) -> tuple[Any, ...]:
    return tuple(
        facts.describe(grad) if isinstance(grad, torch.Tensor) else None for grad in grads[:16]
    )


def record(backward: Pass, place: int, event: NodeEvent | None = None) -> Node:
    """Return the record of the node at index ``place``; gradients only at its own event."""
    node = backward.graph.nodes[place]
    op = backward.op(place)
    sequence = backward.graph.sequence(place)
    return Node(
        id=backward.order.place(place),
        name=name(node),
        label=backward.label(place),
        seq=None if sequence >= NO_SEQUENCE else sequence,
        site=op.site if op else None,
        module=backward.module(place),
        op=op.id if op else None,
        rule=_rule(node, op, ran=place in backward.ran and not (event and event.when == "before")),
        grad_in=_describe(event.grad_in) if event else (),
        grad_out=_describe(event.grad_out) if event else (),
        edges=_edges(backward, place),
        saved=saved_records(node, backward.names),
        hooks=_hooks(node),
    )


def _rule(node: Any, op: Any, ran: bool) -> str:
    """Return what the node does to a gradient: torch's own formula, where it has one."""
    if hasattr(node, "variable"):
        if ran:
            return "went into the leaf's .grad"
        fresh = node.variable.grad is None
        return "becomes the leaf's .grad" if fresh else "is added to the leaf's .grad"
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        return f"{type(node).__name__.removesuffix('Backward')}.backward, in Python"
    entry = table.table().get(name(node))
    if entry is not None:
        return "; ".join(f"d/d {to} {formula}" for to, formula in entry.formulas.items())
    made = op.name if op else name(node).rstrip("0123456789").removesuffix("Backward").lower()
    return f"derivative of {made}"


def _hooks(node: Any) -> int:
    variable = getattr(node, "variable", None)
    found = getattr(variable, "_backward_hooks", None) or ()
    after = getattr(variable, "_post_accumulate_grad_hooks", None) or ()
    return len(found) + len(after)


def _edges(backward: Pass, place: int) -> tuple[Edge, ...]:
    found = []
    for target, number in backward.graph.nodes[place].next_functions[:16]:
        index = backward.graph.index.get(target) if target is not None else None
        if index is None:
            found.append(Edge(0, int(number), "none"))
            continue
        where = backward.order.place(index)  # 0 where nobody asked for that gradient
        label = backward.leaf(index) or name(target)
        shown = f"#{where} {label}" if where else f"none ({label} is not asked for)"
        found.append(Edge(where, int(number), shown))
    return tuple(found)


def row(backward: Pass, place: int, here: int | None, lanes: str) -> NodeRow:
    """Return the line of a node in the backward list."""
    state = "here" if place == here else "done" if place in backward.ran else "predicted"
    return NodeRow(
        id=backward.order.place(place),
        name=backward.name(place),
        label=backward.label(place),
        state=state,
        norm=backward.ran.get(place),
        shape=shape(backward.graph.nodes[place]),
        lanes=lanes,
    )


def shape(node: Any) -> tuple[int, ...] | None:
    """Return the shape of the gradient that arrives, as the node's metadata has it."""
    variable = getattr(node, "variable", None)
    if isinstance(variable, torch.Tensor):
        return facts.sizes(variable.shape)
    try:
        return facts.sizes(node._input_metadata[0].shape)
    except (AttributeError, IndexError, RuntimeError, TypeError):
        return None
