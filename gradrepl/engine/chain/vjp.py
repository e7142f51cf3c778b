"""One backward function run by hand: its vector-Jacobian product, outside of the engine.

torch's own nodes can be called: that runs the formula alone, no hook of anybody's, frees nothing
that was saved and writes no ``.grad`` (AccumulateGrad, which would, is never called). A custom
Function's node has ``apply``, which is its author's ``backward``: that is user code, and each run
is counted and told. What the engine does around both is done here: missing gradients of a custom
Function are zeros, and a gradient is brought to shape and dtype of what it is the gradient of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import Graph
from gradrepl.engine.tensor import figures
from gradrepl.errors import AutogradError, GradreplError, StateError

Grads = list[Any]
CHECKPOINT = "torch.utils.checkpoint"


def is_custom(node: Any) -> bool:
    """Is this the node of a Function written in Python?"""
    return isinstance(node, torch.autograd.function.BackwardCFunction)


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
            for hook in _unpack_hooks(node):
                if getattr(hook, "__module__", "") == CHECKPOINT:
                    raise _checkpointed()
                packed += 1
            if is_custom(node) and type(node)._forward_cls.__module__ == CHECKPOINT:
                raise _checkpointed()
        if not packed:
            return []
        return [f"{packed} saved values were unpacked by your saved_tensors_hooks."]

    def run(self, place: int, grads: Grads) -> Grads:
        """Return one gradient an edge for the gradients that arrive; None is none.

        Raises:
            AutogradError: the graph was freed, or what it saved was changed.
        """
        return self.run_node(self._nodes[place], grads)

    def run_node(self, node: Any, grads: Grads) -> Grads:
        """Do the same for a node of any graph."""
        try:
            leaving = self._custom(node, grads) if is_custom(node) else self._own(node, grads)
        except GradreplError:
            raise
        except Exception as error:  # a custom backward is user code
            raise sentence(nodes.name(node), error) from error
        with figures.quiet():
            return [
                None if grad is None or target is None else conform(grad, target, number)
                for grad, (target, number) in zip(leaving, node.next_functions, strict=False)
            ]

    def _own(self, node: Any, grads: Grads) -> Sequence[Any]:
        with figures.quiet():
            leaving = node(*grads)
        return leaving if isinstance(leaving, tuple) else (leaving,)

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
        self.reruns[type(node).__name__.removesuffix("Backward")] += 1

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


def _unpack_hooks(node: Any) -> list[Any]:
    hooks = []
    names = ("_raw_saved_tensors",) if is_custom(node) else nodes._saved_attributes(type(node))  # type: ignore[arg-type]
    for name in names:
        try:
            raw = getattr(node, name if is_custom(node) else "_raw" + name, None)
        except RuntimeError:  # freed: said when the node runs
            continue
        for each in raw if isinstance(raw, (list, tuple)) else (raw,):
            hook = getattr(each, "unpack_hook", None)
            if hook is not None:
                hooks.append(hook)
    return hooks


def _checkpointed() -> StateError:
    return StateError(
        "a part of this graph is checkpointed: each look at it would run your forward again.",
        "Take a root or a leaf on this side of the checkpoint, or switch checkpointing off.",
    )


def sentence(name: str, error: Exception) -> AutogradError:
    """Return what ``error``, met while node ``name`` or the whole engine ran, means."""
    text = str(error).strip().partition("\n")[0]
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
    return AutogradError(f"{name} could not be run for a look: {type(error).__name__}: {text}")
