"""How gradients are clipped, and how often that changed them.

torch's functions are wrapped once, in ``no_grad``: what they call inside is exchanged, so that it
does not matter by which name, or when, the program has imported them.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils import clip_grad

from gradrepl.engine import torch_private
from gradrepl.engine.code.patches import ClosurePatch, passes
from gradrepl.engine.tensor import figures
from gradrepl.model import health as h

LIMIT = 4
"""Different limits that are kept."""


class Clips:
    """Sees ``clip_grad_norm_`` and ``clip_grad_value_`` at work, while gradients are watched."""

    def __init__(self, sees: Callable[[], bool], scale_of: Callable[[float], bool]) -> None:
        """``sees``: is the program's own code running? ``scale_of``: is a total norm scaled?"""
        self._sees, self._scaled = sees, scale_of
        self.took = 0.0
        """Seconds that looking has taken."""
        self._found: dict[tuple[str, float], h.Clipping] = {}
        self._patches = [self._norms(), self._values()]

    def install(self) -> None:
        """See from now on."""
        for patch in self._patches:
            patch.install()

    def remove(self) -> None:
        """See no more."""
        for patch in self._patches:
            patch.remove()

    def forget(self) -> None:
        """Begin anew."""
        self._found.clear()

    def found(self) -> tuple[h.Clipping, ...]:
        """Return what was seen, the newest last."""
        return tuple(self._found.values())

    def _note(self, how: str, limit: float, hit: bool, scaled: bool = False) -> None:
        before = self._found.pop((how, limit), None)
        calls, hits = (before.calls, before.hit) if before else (0, 0)
        if len(self._found) >= LIMIT:
            self._found.pop(next(iter(self._found)))
        self._found[how, limit] = h.Clipping(
            how=how, limit=limit, calls=calls + 1, hit=hits + hit, scaled=scaled
        )

    # -- what stands in ------------------------------------------------------------------------

    def _norms(self) -> ClosurePatch:
        """Both ``clip_grad_norm_`` and ``clip_grads_with_norm_`` end in this function."""
        owner = torch_private.clip_by_norm

        @functools.wraps(owner.__wrapped__)
        @passes
        def ours(
            parameters: Any, max_norm: float, total_norm: torch.Tensor, foreach: bool | None = None
        ) -> None:
            patch.kept(parameters, max_norm, total_norm, foreach)
            if torch.compiler.is_compiling() or not self._sees():
                return
            begun = time.perf_counter()
            with figures.quiet():
                norm, hit = _above(total_norm, float(max_norm))
            if norm is not None:
                self._note("norm", float(max_norm), hit, self._scaled(norm))
            self.took += time.perf_counter() - begun

        patch = ClosurePatch(owner, "func", ours)
        return patch

    def _values(self) -> ClosurePatch:
        owner = clip_grad.clip_grad_value_

        @functools.wraps(owner.__wrapped__)  # type: ignore[attr-defined]
        @passes
        def ours(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
            if torch.compiler.is_compiling() or not self._sees():
                patch.kept(parameters, clip_value, foreach)
                return
            if not isinstance(parameters, torch.Tensor):
                parameters = list(parameters)  # a generator could not be gone through twice
            begun = time.perf_counter()
            with figures.quiet():
                hit = _beyond(parameters, clip_value)
            self.took += time.perf_counter() - begun
            patch.kept(parameters, clip_value, foreach)
            self._note("value", float(clip_value), hit)

        patch = ClosurePatch(owner, "func", ours)
        return patch


def _above(total: Any, limit: float) -> tuple[float | None, bool]:
    """Return the total norm, and whether torch's factor for it is below 1, reckoned as torch does.

    A total norm that is NaN changes the gradients, too: to NaN.
    """
    try:
        if not figures.readable(total):
            return None, False
        norm, factor = torch.stack([total, limit / (total + 1e-6)]).tolist()
        return norm, not factor >= 1.0
    except figures.UNREADABLE:
        return None, False


def _beyond(parameters: Any, limit: float) -> bool:
    """Is any element of the gradients larger than ``limit``, either way? One that is NaN is not."""
    several = [parameters] if isinstance(parameters, torch.Tensor) else parameters
    try:
        grads = [each.grad for each in several if each.grad is not None]
        grads = [grad for grad in grads if grad.numel() and figures.readable(grad)]
        return any(bool(norm > limit) for norm in torch_private.norms(grads, float("inf")))
    except (*figures.UNREADABLE, AttributeError, TypeError):  # torch will say what is wrong
        return False
