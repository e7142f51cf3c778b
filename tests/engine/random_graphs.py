"""Graphs made of a list of small instructions: the same list always makes the same graph.

Imported by the tests, which draw the lists, and by a debuggee, which steps their backward.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

SIZE = 3
Step = tuple[str, int, int]
"""(operation, first operand, second operand): operands count back from the newest tensor."""


class Twice(torch.autograd.Function):
    """A custom Function with two outputs and a saved input."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.save_for_backward(x)
        return x * 2, x.square()

    @staticmethod
    def backward(ctx: Any, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return 2 * first + 2 * x * second


def _write_to_row(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    fresh = a * 1
    fresh[0] = b[1]
    return fresh


def _write_through_view(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    fresh = a.clone(memory_format=torch.contiguous_format)
    fresh.view(-1)[::2].mul_(0.5)
    return fresh


def _no_grad(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        scale = (a + b).sigmoid()
    return a * scale


OPERATIONS = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "matmul": lambda a, b: a @ b / SIZE,
    "tanh": lambda a, b: torch.tanh(a),
    "transpose": lambda a, b: a.t(),
    "row": lambda a, b: a[0].expand(SIZE, SIZE),
    "stack": lambda a, b: torch.stack([a[0], b[1], a[2]]),
    "split": lambda a, b: torch.cat(a.split([1, 2])[::-1]),
    "unbind": lambda a, b: torch.stack(b.unbind()[:2] + a.unbind()[2:]),
    "in place": lambda a, b: (a * 1).add_(b),
    "write to row": _write_to_row,
    "write through view": _write_through_view,
    "custom": lambda a, b: sum(Twice.apply(a)),
    "one of custom": lambda a, b: Twice.apply(a)[1],
    "detach": lambda a, b: a.detach() + b,
    "no grad": _no_grad,
    "linear": lambda a, b: torch.nn.functional.linear(a, b, b[0]).sin(),
}


def build(
    steps: Iterable[Step], roots: int
) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]:
    """Return (roots, leaves, all tensors); each root is a sum, so that a backward can start."""
    torch.manual_seed(0)
    leaves = [torch.randn(SIZE, SIZE).requires_grad_() for _ in range(3)]
    tensors = list(leaves)
    for name, first, second in steps:
        a, b = (tensors[-1 - number % len(tensors)] for number in (first, second))
        tensors.append(OPERATIONS[name](a, b))
    ends = [tensor.sum() for tensor in tensors[-roots:] if tensor.requires_grad]
    return ends or [sum(leaf.sum() for leaf in leaves)], leaves, tensors


def nodes_of(roots: Iterable[torch.Tensor]) -> list[Any]:
    """Return every node behind the roots."""
    found = {root.grad_fn: None for root in roots}
    todo = list(found)
    for node in todo:
        for target, _ in node.next_functions:
            if target is not None and target not in found:
                found[target] = None
                todo.append(target)
    return todo


def key(node: Any, leaves: list[torch.Tensor], zero: int) -> str:
    """Return a name of a node that is the same in each build of the same graph."""
    variable = getattr(node, "variable", None)
    if variable is not None:
        return f"leaf {[leaf is variable for leaf in leaves].index(True)}"
    return f"{node.name().rpartition('::')[2]} {node._sequence_nr() - zero}"


def order_by_hooks(
    steps: Iterable[Step], roots: int
) -> tuple[list[str], list[list[Any]], dict[str, Any]]:
    """Run a backward with plain hooks; return the order, the gradients, and autograd.grad's."""
    ends, leaves, tensors = build(steps, roots)
    nodes = nodes_of(ends)
    zero = min((node._sequence_nr() for node in nodes if not hasattr(node, "variable")), default=0)
    order: list[str] = []
    gradients: list[list[Any]] = []

    def look(node: Any, grads: Any) -> None:
        order.append(key(node, leaves, zero))
        gradients.append([None if grad is None else grad.norm().item() for grad in grads])

    handles = [node.register_prehook(lambda g, node=node: look(node, g)) for node in nodes]
    torch.autograd.backward(ends, retain_graph=True)
    for handle in handles:
        handle.remove()
    wanted = [tensor for tensor in tensors if tensor.grad_fn in nodes] + leaves
    found = torch.autograd.grad(ends, wanted, allow_unused=True)
    places = [
        f"{key(tensor.grad_fn, leaves, zero)} {tensor.output_nr}" for tensor in wanted[:-3]
    ] + [f"leaf {number} 0" for number in range(3)]
    norms = [None if grad is None else grad.norm().item() for grad in found]
    return order, gradients, dict(zip(places, norms, strict=True))
