"""Which roots a GradScaler has scaled, as their gradients are that many times too large, and
which steps it has skipped.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any

import torch
from torch.amp.grad_scaler import OptState

from gradrepl.engine.code.patches import Patch, passes

LIMIT = 64
"""Scaled tensors that are remembered while they live."""


class Scaling:
    """Hears what ``GradScaler.scale`` returns, and when ``update`` ends a step."""

    def __init__(self) -> None:
        self._roots: dict[int, tuple[weakref.ref[Any], weakref.ref[Any]]] = {}
        self.skipped = 0
        """Steps that a GradScaler has kept its optimizer from making."""
        self._stepped: set[int] = set()
        """Optimizers, by id, that have stepped since the last update."""
        self._patches = [self._scale(), self._update()]

    def _scale(self) -> Patch:
        scaling, original = self, vars(torch.amp.GradScaler)["scale"]

        @functools.wraps(original)
        @passes
        def scale(scaler: Any, outputs: Any) -> Any:
            result = patch.kept(scaler, outputs)
            scaling.note(scaler, result)
            return result

        patch = Patch(torch.amp.GradScaler, "scale", scale)
        return patch

    def _update(self) -> Patch:
        scaling, original = self, vars(torch.amp.GradScaler)["update"]

        @functools.wraps(original)
        @passes
        def update(scaler: Any, new_scale: Any = None) -> None:
            scaling.updates(scaler)
            patch.kept(scaler, new_scale)

        patch = Patch(torch.amp.GradScaler, "update", update)
        return patch

    def install(self) -> None:
        """Hear from now on."""
        for patch in self._patches:
            patch.install()

    def remove(self) -> None:
        """Hear no more."""
        for patch in self._patches:
            patch.remove()
        self._roots.clear()
        self._stepped.clear()

    def stepped(self, optimizer: Any) -> None:
        """An optimizer is stepping."""
        if len(self._stepped) < LIMIT:
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
                if len(self._roots) >= LIMIT:
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
    found = state.get("found_inf_per_device", {}).values()
    return any(bool(each.item()) for each in found if each.is_cpu)
