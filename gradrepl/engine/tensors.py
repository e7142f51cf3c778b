"""A tensor's facts and figures, computed where it lives, without a trace in the user's program.

Figures of very large tensors are reduced to those that one pass without a copy can give.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.model import Stats, TensorInfo

FULL = 16 * 1024 * 1024
"""Elements up to which every figure is computed; beyond, only norm, min, max."""
UNREADABLE = (RuntimeError, NotImplementedError, TypeError, IndexError)
"""What arithmetic raises on a tensor whose elements only its own kind can read."""
FEW = 16
"""Elements up to which a tensor's values are shown whole."""


class quiet:
    """Run our own arithmetic unseen: no grad, no function or dispatch modes of anybody's."""

    __slots__ = ("_dispatch", "_function", "_grad")

    def __enter__(self) -> None:
        """Switch everything off."""
        self._function = torch_private.DisableTorchFunction()
        self._function.__enter__()
        self._dispatch = None
        if torch_private.dispatch_mode() is not None:
            self._dispatch = torch_private.disable_dispatch_modes()
            self._dispatch.__enter__()
        self._grad = torch.is_grad_enabled()
        torch_private.set_grad_enabled(False)

    def __exit__(self, *error: Any) -> None:
        """Have everything as it was."""
        torch_private.set_grad_enabled(self._grad)
        if self._dispatch is not None:
            self._dispatch.__exit__(*error)
        self._function.__exit__(*error)


def readable(tensor: torch.Tensor) -> bool:
    """Has this tensor elements that can be read here? Not on meta, fake or inside vmap."""
    if tensor.device.type == "meta" or tensor.is_quantized:
        return False
    if torch_private.in_functorch(tensor):
        return False
    return type(tensor).__name__ not in ("FakeTensor", "FunctionalTensor", "DTensor")


def _elements(tensor: torch.Tensor) -> torch.Tensor:
    """Return the stored elements, as floats or complex numbers where that takes no copy."""
    if tensor.layout is not torch.strided:
        return tensor.detach().coalesce().values() if tensor.is_sparse else tensor.detach().values()
    return tensor.detach()


def _once(elements: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return a large expanded tensor without what it repeats, and how often it does."""
    if elements.numel() <= FULL or elements.layout is not torch.strided:
        return elements, 1
    repeated = [stride == 0 for stride in elements.stride()]
    once = elements[tuple(slice(0, 1) if again else slice(None) for again in repeated)]
    return once, elements.numel() // max(1, once.numel())


def norm(tensor: torch.Tensor) -> float | None:
    """Return the L2 norm, or None where there is none to compute (see ``readable``).

    It is nan or inf exactly if an element is, apart from an overflow beyond float64.
    """
    if not readable(tensor):
        return None
    try:
        with quiet():
            elements, times = _once(_elements(tensor))
            return _norm(elements) * math.sqrt(times)
    except UNREADABLE:
        return None


def _norm(elements: torch.Tensor) -> float:
    if elements.dtype in (torch.float16, torch.bfloat16):
        result = torch.linalg.vector_norm(elements, dtype=torch.float32).item()
    elif elements.is_floating_point() or elements.is_complex():
        result = torch.linalg.vector_norm(elements).item()
    else:
        result = torch.linalg.vector_norm(elements.to(torch.float64)).item()
    if math.isinf(result) and elements.dtype != torch.float64:
        wide = torch.complex128 if elements.is_complex() else torch.float64
        result = torch.linalg.vector_norm(elements, dtype=wide).item()
    return float(result)


def _count(elements: torch.Tensor, test: Any) -> int:
    """Count where ``test`` holds, in pieces, so that no mask of a large tensor is made whole."""
    if elements.dim() == 0 or elements.numel() <= FULL:
        return int(test(elements).sum())
    parts = torch.split(elements, max(1, len(elements) // 16))
    return int(sum(_count(part, test) for part in parts))


def stats(tensor: torch.Tensor) -> Stats | None:
    """Return the figures of ``tensor``, or None where its elements cannot be read.

    Raises nothing: a tensor whose arithmetic fails (a subclass of the user's) has no figures.
    """
    if not readable(tensor):
        return None
    try:
        with quiet():
            return _stats(*_once(_elements(tensor)))
    except UNREADABLE:
        return None


def _stats(elements: torch.Tensor, times: int) -> Stats:
    """Return the figures of ``elements``, each of which is there ``times`` times."""
    total = _norm(elements) * math.sqrt(times)
    nans = infs = 0
    if not math.isfinite(total):
        nans = times * _count(elements, torch.isnan)
        infs = times * _count(elements, torch.isinf)
    size = elements.numel()
    low = high = mean = zeros = None
    if size and not elements.is_complex():
        plain = elements.to(torch.uint8) if elements.dtype == torch.bool else elements
        low, high = (float(edge.item()) for edge in torch.aminmax(plain))
    if size and size <= FULL:
        zeros = times * (size - int(torch.count_nonzero(elements)))
        if not elements.is_complex():
            wide = torch.float32 if elements.dtype in (torch.float16, torch.bfloat16) else None
            if not elements.is_floating_point():
                wide = torch.float64
            mean = float(elements.mean(dtype=wide).item())
    return Stats(norm=total, min=low, max=high, mean=mean, nans=nans, infs=infs, zeros=zeros)


def sizes(numbers: Iterable[Any]) -> tuple[int, ...]:
    """Return a shape as plain numbers; -1 for a size that is only a symbol (nested, traced)."""
    found = tuple(numbers)
    plain = all(type(size) is int for size in found)
    return found if plain else tuple(s if type(s) is int else -1 for s in found)


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
    """Return 'float32' for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


def version(tensor: torch.Tensor) -> int | None:
    """Return ``tensor._version``; None for an inference tensor, which has no counter."""
    return None if tensor.is_inference() else int(tensor._version)


def values(tensor: torch.Tensor) -> str:
    """Return the values as text: all when few, else the first ones; '' where not readable."""
    if not readable(tensor) or tensor.layout is not torch.strided:
        return ""
    try:
        with quiet():
            plain = tensor.detach()
            if plain.numel() <= FEW:
                return _text(plain.tolist())
            while plain.dim() > 1:
                plain = plain[0]
            lead = "[" * tensor.dim()
            return lead + _text(plain[:6].tolist())[1:-1] + ", …"
    except UNREADABLE:
        return ""


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


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
