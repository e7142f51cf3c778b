"""The figures of gradients as they arrive at their nodes, each in the one pass that is cheapest.

The L2 norm is not finite exactly if an element is not: what is counted costs more, and is counted
only then. On a CPU each number is read at once; from an accelerator all come in one transfer.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence, Sized
from typing import Any, TypeGuard

import torch

from gradrepl.engine.tensor import facts, figures
from gradrepl.engine.torch_private import (
    DisableTorchFunction,
    dispatch_mode,
    has_overlap,
    modes,
    profiling,
)

LARGE = 16 * 1024
"""Elements from which on a gradient that shows the same memory as one before is not read again."""
vector_norm = torch.linalg.vector_norm
_HALF, _WIDE = (torch.float16, torch.bfloat16), (torch.float32, torch.float64)
_NONE = (None, None, None)
Figures = tuple[Any, Any, Any]
"""Norm, minimum, maximum, each a number, None, or on an accelerator a tensor that will tell it."""


class Arrivals:
    """Works out the figures of the gradients of one backward."""

    def __init__(self, ran: Sized, grows: bool) -> None:
        """``ran``: the nodes that have run so far; ``grows``: with ``create_graph``."""
        self._ran = ran
        self.extremes = False
        """Are minimum and maximum wanted, too?"""
        self.plain = not (grows or profiling()) and dispatch_mode() is None
        """Would nobody but modes of functions notice our arithmetic, which may come meanwhile, too:
        Ctrl-C has the next op seen?"""
        self.far = False
        """Was a gradient on an accelerator?"""
        self.bad: dict[int, tuple[int, int]] = {}
        """By place in the order, from 0, where not finite: how many NaN and Inf."""
        self.shapes: dict[int, tuple[int, ...] | None] = {}
        """By place, where the node does not tell it; None where no gradient arrived."""
        self._same: dict[int, tuple[weakref.ref[torch.Tensor], int, Figures]] = {}

    def figures(self, grad: torch.Tensor | None) -> Figures:
        """Return the figures of a gradient of whatever kind."""
        if grad is None:
            self.shapes[len(self._ran)] = None
            return _NONE
        if not self.plain or type(grad) is not torch.Tensor or dispatch_mode() is not None:
            with figures.quiet():
                return self._read(grad)
        with DisableTorchFunction():
            if not self.extremes and self.quick(grad, unheard=True) and grad.numel() < LARGE:
                value = vector_norm(grad).item()
                if figures.SMALL <= value < math.inf:
                    return value, None, None
            return self._read(grad)

    def _read(self, grad: torch.Tensor) -> Figures:
        if grad.is_nested:
            self.odd(grad)
        if not figures.readable(grad):
            return _NONE
        large = grad.numel() >= LARGE
        if large and (known := self._seen(grad)) is not None:
            return known
        try:
            value, low, high = self._computed(grad)
        except figures.UNREADABLE:
            value, low, high = figures.norm(grad), None, None
        if large and math.isfinite(value if isinstance(value, float) else 0.0):
            self._remember(grad, (value, low, high))
        return value, low, high

    def _computed(self, grad: torch.Tensor) -> Figures:
        # In the type of the gradient a norm of half precision would be coarse and overflow.
        value: Any = vector_norm(grad, dtype=torch.float32 if grad.dtype in _HALF else None)
        near = grad.is_cpu
        self.far = self.far or not near
        if near:
            value = value.item()
            if not figures.SMALL <= value < math.inf and grad.numel():
                value = self._exact(grad)
        if not self.extremes or not grad.numel() or grad.is_complex():
            return value, None, None
        low, high = torch.aminmax(grad)
        return (value, low.item(), high.item()) if near else (value, low, high)

    def all_within(
        self, norms: tuple[float, float], grads: Sequence[Any], first: Any = None
    ) -> bool:
        """Do the norms of all gradients lie within these two? ``first``: the first one's, if known.

        Only what is certain: no for one that is not finite, or cannot be read.
        """
        low, high = norms
        if not low <= high:
            return False
        for grad in grads:
            if grad is not None:
                norm = self._norm(grad) if first is None else first
                first = None
                if norm is None or not low <= norm <= high:
                    return False
        return True

    def quick(self, grad: Any, unheard: bool = False) -> TypeGuard[torch.Tensor]:
        """Is its norm one call: a plain tensor on the CPU, of a wide type, its bytes there?

        ``unheard``: no mode of functions is asked.
        """
        return (
            self.plain
            and type(grad) is torch.Tensor
            and (unheard or not modes())  # before anything that a mode would see
            and grad.dtype in _WIDE
            and grad.is_cpu
            and grad.layout is torch.strided
            and not grad.is_nested
            and (grad.untyped_storage().nbytes() >= grad.nbytes or figures.readable(grad))
        )

    def _norm(self, grad: torch.Tensor) -> Any:
        """Return a norm in one call where that is enough, and remember it."""
        if not self.quick(grad):
            return figures.norm(grad)
        known = self._seen(grad) if grad.numel() >= LARGE else None
        value = vector_norm(grad).item() if known is None else known[0]
        return value if value >= figures.SMALL else figures.norm(grad)

    def odd(self, grad: torch.Tensor) -> None:
        """Note the shape of a gradient that arrives and that its node does not tell."""
        with figures.quiet():
            self.shapes[len(self._ran)] = facts.shape(grad)

    def _exact(self, grad: torch.Tensor) -> float | None:
        value = figures.norm(grad)
        if value is not None and not math.isfinite(value):
            stats = figures.stats(grad)
            self.bad[len(self._ran)] = (
                (0, 0) if stats is None else (stats.nans or 0, stats.infs or 0)
            )
        return value

    # -- the same memory seen again --------------------------------------------------------------
    # Half of the gradients of a transformer are views of one that came just before. A view whose
    # elements are all of its base's has the base's figures.

    def _seen(self, grad: torch.Tensor) -> Figures | None:
        base = grad if grad._base is None else grad._base
        known = self._same.get(id(base))
        if known is None:
            return None
        held, version, read = known
        if held() is not base or base._version != version or not _all_of(grad, base):
            return None
        return read

    def _remember(self, grad: torch.Tensor, read: Figures) -> None:
        base = grad if grad._base is None else grad._base
        if grad.layout is torch.strided and _all_of(grad, base):
            self._same[id(base)] = (weakref.ref(base), base._version, read)

    def forget(self) -> None:
        """Refer to no gradient any more."""
        self._same.clear()


def fetch(columns: list[list[Any]]) -> None:
    """Bring here what is on accelerators, in one transfer for each; ``columns`` are changed."""
    far: dict[torch.device, list[tuple[list[Any], int]]] = {}
    for column in columns:
        for place, value in enumerate(column):
            if isinstance(value, torch.Tensor):
                far.setdefault(value.device, []).append((column, place))
    with figures.quiet():
        for places in far.values():
            scalars = [column[place].detach().double() for column, place in places]
            for (column, place), value in zip(places, torch.stack(scalars).tolist(), strict=True):
                column[place] = value


def _all_of(view: torch.Tensor, base: torch.Tensor) -> bool:
    """Has the view every element of its base once, and nothing else?"""
    size = base.numel()
    return view is base or (
        view.numel() == size
        and view.dtype == base.dtype
        and has_overlap(view) == 0
        and has_overlap(base) == 0
        and base.untyped_storage().nbytes() == size * base.itemsize
    )
