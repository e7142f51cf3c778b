"""What the program does to gradients before its optimizer steps: GradScalers, and clipping.

A GradScaler makes those of its roots so many times too large, and skips steps. torch's functions
that clip are wrapped once, in ``no_grad``: what they call inside is exchanged, so that it does not
matter by which name, or when, the program has imported them.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.amp.grad_scaler import OptState
from torch.nn.utils import clip_grad

from gradrepl.engine import torch_private
from gradrepl.engine.boundary import Part
from gradrepl.engine.code.patches import ClosurePatch, Once, Patch, passes
from gradrepl.engine.tensor import figures
from gradrepl.model import health as h

ROOTS = 64
"""Scaled tensors that are remembered while they live."""
CLIPS = 4
"""Different limits that are kept."""


class Scaling:
    """Which roots a GradScaler has scaled, and which steps it has skipped."""

    def __init__(self) -> None:
        self._roots: dict[int, tuple[weakref.ref[Any], weakref.ref[Any]]] = {}
        self.skipped = 0
        """Steps that a GradScaler has kept its optimizer from making."""
        self._stepped: set[int] = set()
        """Optimizers, by id, that have stepped since the last update."""
        part = Part("following GradScalers", self._off)
        self.patches = (
            Patch(torch.amp.GradScaler, "scale", self._scale, part),
            Patch(torch.amp.GradScaler, "update", self._update, part),
        )

    def _off(self) -> None:
        for patch in self.patches:
            patch.remove()

    @passes
    def _scale(self, kept: Once, scaler: Any, outputs: Any) -> Any:
        result = kept(scaler, outputs)
        self.note(scaler, result)
        return result

    @passes
    def _update(self, kept: Once, scaler: Any, new_scale: Any = None) -> None:
        self.updates(scaler)
        kept(scaler, new_scale)

    def forget(self) -> None:
        """Refer to nothing of the program's any more."""
        self._roots.clear()
        self._stepped.clear()

    def stepped(self, optimizer: Any) -> None:
        """An optimizer is stepping."""
        if len(self._stepped) < ROOTS:
            self._stepped.add(id(optimizer))

    def updates(self, scaler: Any) -> None:
        """A GradScaler's step is over: see which optimizers it has not let step."""
        if torch.compiler.is_compiling():
            return
        states = getattr(scaler, "_per_optimizer_states", {})
        for key, state in list(states.items()):
            if state.get("stage") is OptState.STEPPED:
                self.skipped += key not in self._stepped or _fused_skipped(state)
        self._stepped.clear()

    def note(self, scaler: Any, result: Any) -> None:
        """Remember, weakly, what ``scaler`` has scaled."""
        for each in result if isinstance(result, (list, tuple)) else (result,):
            if isinstance(each, torch.Tensor) and scaler.is_enabled():
                if len(self._roots) >= ROOTS:
                    self._roots.pop(next(iter(self._roots)))
                self._roots[id(each)] = (weakref.ref(each), weakref.ref(scaler))

    def of(self, root: Any) -> float | None:
        """Return the scale of a root, or None where no GradScaler has scaled it."""
        held, holder = self._roots.get(id(root), (None, None))
        if held is None or holder is None or held() is not root:
            return None
        scaler = holder()
        scale = None if scaler is None else scaler._scale
        if scale is None:
            return None
        return float(scale.item())


def _fused_skipped(state: Any) -> bool:
    """Has an optimizer that was let step found for itself that it must not? Seen on a CPU only:
    from an accelerator the answer would have to be waited for."""
    infinite = state.get("found_inf_per_device", {}).values()
    return any(bool(each.item()) for each in infinite if each.is_cpu)


class Clips:
    """How gradients are clipped, and how often that changes them."""

    def __init__(self, sees: Callable[[], bool], scale_of: Callable[[float], bool]) -> None:
        """``sees``: is the program's own code running? ``scale_of``: is a total norm scaled?"""
        self._sees, self._scaled = sees, scale_of
        self.took = 0.0
        """Seconds that looking has taken."""
        self._by_limit: dict[tuple[str, float], h.Clipping] = {}
        part = Part("following how gradients are clipped", self._off)
        self.patches = (
            ClosurePatch(torch_private.clip_by_norm, "func", self._norms, part),
            ClosurePatch(clip_grad.clip_grad_value_, "func", self._values, part),
        )

    def _off(self) -> None:
        for patch in self.patches:
            patch.remove()

    def forget(self) -> None:
        """Restart."""
        self._by_limit.clear()

    def clippings(self) -> tuple[h.Clipping, ...]:
        """Return what was seen, the newest last."""
        return tuple(self._by_limit.values())

    def _note(
        self, how: str, limit: float, parameters: Any, hit: bool, scaled: bool = False
    ) -> None:
        before = self._by_limit.pop((how, limit), None)
        if len(self._by_limit) >= CLIPS:
            self._by_limit.pop(next(iter(self._by_limit)))
        before = before or h.Clipping(how=how, limit=limit)
        self._by_limit[how, limit] = h.Clipping(
            how=how,
            limit=limit,
            calls=before.calls + 1,
            hit=before.hit + hit,
            empty=before.empty + _no_gradients(parameters),
            scaled=scaled,
        )

    @passes
    def _norms(
        self,
        kept: Once,
        parameters: Any,
        max_norm: float,
        total_norm: torch.Tensor,
        foreach: bool | None = None,
    ) -> None:
        """Clip: ``clip_grad_norm_`` and ``clip_grads_with_norm_`` both end here."""
        kept(parameters, max_norm, total_norm, foreach)
        if torch.compiler.is_compiling() or not self._sees():
            return
        begun = time.perf_counter()
        with figures.quiet():
            norm, hit = _above(total_norm, float(max_norm))
        if norm is not None:
            self._note("norm", float(max_norm), parameters, hit, self._scaled(norm))
        self.took += time.perf_counter() - begun

    @passes
    def _values(
        self, kept: Once, parameters: Any, clip_value: float, foreach: bool | None = None
    ) -> None:
        if torch.compiler.is_compiling() or not self._sees():
            kept(parameters, clip_value, foreach)
            return
        if not isinstance(parameters, torch.Tensor):  # a generator could not be gone through twice
            parameters = kept.its_own(list, parameters)
            kept.given = (parameters, clip_value, foreach), {}
        begun = time.perf_counter()
        with figures.quiet():
            hit = _beyond(parameters, clip_value)
        self.took += time.perf_counter() - begun
        kept(parameters, clip_value, foreach)
        self._note("value", float(clip_value), parameters, hit)


def _no_gradients(parameters: Any) -> bool:
    """Have these parameters no gradient at all? Not asked of what can be gone through only once."""
    several = [parameters] if isinstance(parameters, torch.Tensor) else parameters
    return type(several) in (list, tuple) and all(
        getattr(each, "grad", None) is None for each in several
    )


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
