"""Which roots a GradScaler has scaled: their gradients are that many times too large."""

from __future__ import annotations

import functools
import weakref
from typing import Any

import torch

from gradrepl.engine.patches import Patch

LIMIT = 64
"""Scaled tensors that are remembered while they live."""


class Scaling:
    """Hears what ``GradScaler.scale`` returns, while gradients are watched."""

    def __init__(self) -> None:
        self._roots: dict[int, tuple[weakref.ref[Any], weakref.ref[Any]]] = {}
        self._last: dict[int, float] = {}
        self.skipped = 0
        """Times that a scale was found lower than at the look before: a step was skipped."""
        scaling = self
        original = vars(torch.amp.GradScaler)["scale"]

        @functools.wraps(original)
        def scale(scaler: Any, outputs: Any) -> Any:
            result = patch.kept(scaler, outputs)
            scaling.note(scaler, result)
            return result

        self._patch = patch = Patch(torch.amp.GradScaler, "scale", scale)

    def install(self) -> None:
        """Hear from now on."""
        self._patch.install()

    def remove(self) -> None:
        """Hear no more."""
        self._patch.remove()
        self._roots.clear()
        self._last.clear()

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
        value = float(scale.item())
        if value < self._last.get(id(scaler), 0.0):
            self.skipped += 1
        self._last[id(scaler)] = value
        return value
