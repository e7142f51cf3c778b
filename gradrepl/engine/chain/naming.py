"""What the user's words mean in a graph, and how its nodes are called in an answer.

A root and a leaf are expressions, '#N', or the root of the backward that is paused.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.chain.gradients import Start
from gradrepl.engine.chain.unseen import outputs_of, seed
from gradrepl.engine.graph import nodes
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures
from gradrepl.errors import AutogradError, StateError, UsageError


class Root(NamedTuple):
    """Where paths begin."""

    name: str
    starts: list[Start]


class Target(NamedTuple):
    """Where paths end: an output of a node."""

    name: str
    node: Any
    number: int


def paused(session: Session, place: Place) -> Any:
    """Return the backward that is paused here, or None."""
    passes = session.stepper.passes
    return getattr(place.event, "backward", None) or (passes[-1] if passes else None)


def root(text: str, session: Session, place: Place) -> Root:
    """Return what ``text`` names; empty: the root of the backward that is paused.

    Raises:
        StateError: there is no backward.
        AutogradError: no gradient can start there.
    """
    if not text:
        return _own_root(session, place)
    if text.startswith("#"):
        return _node_root(text, session, place)
    tensor = session.tensor(text, place)
    edge = _edge(tensor, text, session)
    if tensor.numel() != 1:
        raise AutogradError(
            f"'{text}' has shape {tuple(tensor.shape)}: paths need a root that is one number.",
            f"Use ({text}).sum(), or at a backward stop leave the root out: then they start with "
            "that backward's own gradient.",
        )
    with figures.quiet():
        ones = torch.ones_like(tensor, memory_format=torch.preserve_format)
    return Root(text, [Start(edge.node, edge.output_nr, ones)])


def _own_root(session: Session, place: Place) -> Root:
    backward = paused(session, place)
    if backward is None:
        raise StateError(
            "no backward is paused here: say where to start, too.", "Write ':paths LOSS LEAF'."
        )
    if not backward.starts:
        raise StateError("this backward is over.", "Write ':paths LOSS LEAF'.")
    starts = []
    for root, grad in backward.starts:
        edge = gradient_edge(root) if isinstance(root, torch.Tensor) else root
        starts.append(Start(edge.node, edge.output_nr, grad))
    return Root(backward.root or "the root", starts)


def _node_root(text: str, session: Session, place: Place) -> Root:
    index = node_index(text, session, place)
    backward = paused(session, place)
    node = backward.graph.nodes[index]
    label = f"{text} {backward.name(index)}"
    event = place.event
    if getattr(event, "node", None) == index and event.grad_in:
        grads = event.grad_in
        return Root(label, [Start(node, n, g) for n, g in enumerate(grads) if g is not None])
    if outputs_of(node) == 1 and node._input_metadata[0].shape in ([], ()):
        return Root(label, [Start(node, 0, seed(node, 0))])
    raise StateError(
        f"the gradient that arrives at {label} is not known here.",
        f"Go there first ('until {text}'), or leave the root out.",
    )


def here(session: Session, place: Place) -> Root | None:
    """Return the node that we stand before, with the gradient that arrives; None elsewhere."""
    event = place.event
    if getattr(event, "kind", "") != "node" or event.when != "before":
        return None
    number = event.backward.order.place(event.node)
    return _node_root(f"#{number}", session, place) if number else None


def node_index(text: str, session: Session, place: Place) -> int:
    """Return the index of node '#N' in the graph of the backward that is paused.

    Raises:
        UsageError, StateError: there is no such node, or no backward.
    """
    backward = session.backward_here(place)
    try:
        index = backward.order.at(int(text[1:]))
    except ValueError:
        raise UsageError(f"'{text}' is not a node.", "Write it as '#7'.") from None
    if index is None:
        raise UsageError(
            f"there is no node {text}: this backward has {backward.order.total}.",
            "':nodes' lists them.",
        )
    return int(index)


def target(text: str, session: Session, place: Place) -> Target:
    """Return the output of a node that ``text`` names: a tensor, a parameter's name, '#N'."""
    if text.startswith("#"):
        index = node_index(text, session, place)
        backward = session.backward_here(place)
        name = backward.leaf(index) or f"{text} {backward.name(index)}"
        return Target(name, backward.graph.nodes[index], 0)
    parameter = session.names(place.frame).parameters.get(text)
    tensor = session.tensor(text, place) if parameter is None else parameter
    edge = _edge(tensor, text, session)
    return Target(text, edge.node, edge.output_nr)


def _edge(tensor: Any, text: str, session: Session) -> Any:
    if not tensor.requires_grad:
        how = session.recorder.cuts.of(tensor)
        raise AutogradError(
            f"'{text}' does not require a gradient" + (f": {how} cut it off." if how else "."),
            "':t NAME' tells about a tensor.",
        )
    return gradient_edge(tensor)


def gradient_edge(tensor: Any) -> Any:
    """Return the node and the number of its output that a gradient for ``tensor`` arrives at."""
    with figures.quiet():
        return torch.autograd.graph.get_gradient_edge(tensor)


class Labels:
    """Names of one moment: ids of the backward that is paused, the user's variables, lines."""

    def __init__(self, session: Session, place: Place) -> None:
        self._op_of = session.recorder.op_of
        self._backward = paused(session, place)
        self._names = session.names(place.frame)
        self._made: dict[tuple[Any, int], tuple[str, torch.Tensor]] = {}
        with torch_private.DisableTorchFunction():
            for name, tensor in self._names.variables():
                if tensor.requires_grad and not tensor.is_leaf:
                    self._made.setdefault((tensor.grad_fn, tensor.output_nr), (name, tensor))

    def node(self, node: Any) -> str:
        """Return '#7 MulBackward0', 'MulBackward0', or for a leaf '#9 weight'."""
        name = self.leaf(node) or nodes.name(node)
        index = self._backward.graph.index.get(node) if self._backward is not None else None
        place = self._backward.order.place(index) if index is not None else 0
        return f"#{place} {name}" if place else name

    def leaf(self, node: Any) -> str:
        """Return the name of the leaf that a node accumulates into, or ''."""
        variable = getattr(node, "variable", None)
        if not isinstance(variable, torch.Tensor):
            return ""
        return self._names.tensor(variable) or nodes.unnamed(variable)

    def made(self, node: Any, number: int) -> str:
        """Return what an output of the node is called: a variable, a leaf, else its op."""
        held = self.variable(node, number)
        return held[0] if held is not None else self.leaf(node) or self._op_name(node)

    def variable(self, node: Any, number: int) -> tuple[str, torch.Tensor] | None:
        """Return (name, tensor) of the variable that holds this output, or None."""
        return self._made.get((node, number))

    def _op_name(self, node: Any) -> str:
        op = self._op_of(node._sequence_nr())
        return op.name if op is not None else nodes.kind(nodes.name(node)).lower()

    def line(self, node: Any) -> str:
        """Return 'train.py:12', where the node was made, or ''."""
        op = self._op_of(node._sequence_nr())
        return op.site.place if op and op.site else ""
