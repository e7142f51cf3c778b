"""What torch itself knows of a tensor, asked so that nothing is run and no subclass's code is."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.tensor.figures import stats, values
from gradrepl.model import TensorInfo


def sizes(numbers: Iterable[Any]) -> tuple[int, ...]:
    """Return a shape as plain numbers; -1 for a size that is only a symbol (nested, traced)."""
    sizes = tuple(numbers)
    plain = all(type(size) is int for size in sizes)
    return sizes if plain else tuple(s if type(s) is int else -1 for s in sizes)


def shape(tensor: torch.Tensor) -> tuple[int, ...]:
    """Return a tensor's shape as plain numbers, also of a lazy parameter, whose class refuses."""
    try:
        return sizes(tensor.shape)
    except RuntimeError:
        with torch_private.DisableTorchFunction():
            try:
                return sizes(tensor.size())
            except RuntimeError:  # nested: its rows have different sizes
                return (-1,) * tensor.dim()


@cache
def short(dtype: torch.dtype) -> str:
    """Return the name of a type of elements.

    >>> short(torch.float32)
    'float32'
    """
    return str(dtype).removeprefix("torch.")


def version(tensor: torch.Tensor) -> int | None:
    """Return ``tensor._version``; None for an inference tensor, which has no counter.

    >>> version(torch.zeros(2).add_(1).mul_(2))
    2
    """
    return None if tensor.is_inference() else int(tensor._version)


def node_of(tensor: torch.Tensor) -> Any:
    """Return ``grad_fn``; None where torch refuses it: a view made under no_grad, then written."""
    try:
        return tensor.grad_fn
    except RuntimeError:
        return None


def start_of(root: Any) -> Any:
    """Return the node that the engine starts at for a root: a tensor, or a gradient edge.

    None where the engine refuses the root and says why itself.
    """
    node = getattr(root, "node", None)
    if node is not None or not isinstance(root, torch.Tensor) or not root.requires_grad:
        return node
    try:
        return root.grad_fn or torch.autograd.graph.get_gradient_edge(root).node
    except RuntimeError:  # a stale view
        return None


def node_name(tensor: torch.Tensor) -> str | None:
    """Return the name of the node behind ``tensor``, or None."""
    fn = node_of(tensor)
    return None if fn is None else str(fn.name())


def is_leaf(tensor: torch.Tensor) -> bool:
    """Return ``is_leaf``; False where torch refuses it, which is of a view only."""
    try:
        return tensor.is_leaf
    except RuntimeError:
        return False


def _nbytes(tensor: torch.Tensor) -> int:
    try:
        return int(tensor.nbytes)
    except (RuntimeError, NotImplementedError):
        return 0


def describe(tensor: torch.Tensor, name: str = "", *, figures: bool = True) -> TensorInfo:
    """Return what may be said of ``tensor``; with ``figures``, also statistics and values."""
    with torch_private.DisableTorchFunction():
        strided = tensor.layout is torch.strided and not tensor.is_nested
        grad = tensor.grad if is_leaf(tensor) or tensor.retains_grad else None
        return TensorInfo(
            name=name,
            shape=shape(tensor),
            dtype=short(tensor.dtype),
            device=str(tensor.device),
            layout=short(tensor.layout),  # type: ignore[arg-type]
            stride=sizes(tensor.stride()) if strided else (),
            offset=int(tensor.storage_offset()) if strided else 0,
            nbytes=_nbytes(tensor),
            requires_grad=tensor.requires_grad,
            is_leaf=is_leaf(tensor),
            grad_fn=node_name(tensor),
            grad=stats(grad) if figures and grad is not None else None,
            has_grad=grad is not None,
            version=version(tensor),
            is_view=tensor._is_view(),
            stats=stats(tensor) if figures else None,
            values=values(tensor) if figures else "",
        )
