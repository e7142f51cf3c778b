"""Where things are made and called: optimizers, loaders, samplers, parameters; clips and zero_grad.

What is put in place of torch's own functions notes the caller's line and hands on; nothing is
changed, and what the program has put there itself stays.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.utils.clip_grad import clip_grad_value_
from torch.utils import data

from gradrepl.engine.boundary import Part
from gradrepl.engine.check.ledger import callers
from gradrepl.engine.code.patches import ClosurePatch, Once, Patch, passes
from gradrepl.engine.torch_private import clip_by_norm
from gradrepl.model import Site

CLASSES: tuple[type, ...] = (
    torch.optim.Optimizer,
    data.DataLoader,
    data.BatchSampler,
    data.WeightedRandomSampler,
)
"""Whose instances are noted."""
METHODS: tuple[tuple[type, str], ...] = (
    (torch.Tensor, "register_hook"),
    (torch.autograd.grad_mode.set_grad_enabled, "__init__"),
    (torch.autograd.grad_mode.set_grad_enabled, "__exit__"),
    (torch.autograd.grad_mode.no_grad, "__enter__"),
    (torch.autograd.grad_mode.no_grad, "__exit__"),
    (torch.optim.Optimizer, "zero_grad"),
    (torch.nn.Module, "zero_grad"),
    (torch.nn.Module, "train"),
    (torch.optim.lr_scheduler.LRScheduler, "step"),
    (torch.amp.GradScaler, "scale"),
    (torch.amp.autocast_mode.autocast, "__exit__"),
    (data.DataLoader, "__iter__"),
)
"""Calls that are noted."""
CLIPS = (clip_by_norm, clip_grad_value_)
"""Functions that clip, and are noted as 'clip'."""


class Made:
    """Notes them, each with a moment: a number that grows."""

    def __init__(self, call: Callable[..., None]) -> None:
        """``call``: calls a listener with what it is told."""
        self._call = call
        self.moment = 0
        self._sites: dict[int, tuple[int, tuple[Site, ...]]] = {}
        """By identity of what was made: when, and the user's lines, innermost first."""
        self._looped: Any = None
        self.listeners: dict[str, list[Callable[..., None]]] = {}
        """By name of a call: who is told of it, with its object, its arguments and its lines."""
        self._part = Part("noting where things are made", self.remove)
        self._patches = [self._maker(kind) for kind in CLASSES]
        self._patches += [self._caller(kind, name) for kind, name in METHODS]
        self._patches += [self._clip(function) for function in CLIPS]
        self._hook: Any = None

    def install(self) -> None:
        """Note them from now on."""
        for patch in self._patches:
            patch.install()
        self._hook = register_module_parameter_registration_hook(self._register)

    def remove(self) -> None:
        """Note no more."""
        for patch in self._patches:
            patch.remove()
        if self._hook is not None:
            self._hook.remove()

    def listen(self, name: str, listener: Callable[..., None]) -> None:
        """Have ``listener`` told of the calls of ``name``."""
        self.listeners.setdefault(name, []).append(listener)

    def forget(self, listener: Callable[..., None]) -> None:
        """Tell it no more."""
        for known in self.listeners.values():
            if listener in known:
                known.remove(listener)

    def looped(self, loader: Any) -> None:
        """Remember, weakly, that a loop has begun over a loader."""
        self._looped = weakref.ref(loader)

    def loop(self) -> Any:
        """Return the loader that a loop has begun over last; None where it is gone."""
        return self._looped() if self._looped is not None else None

    def site(self, made: Any) -> Site | None:
        """Return the user's line that made something."""
        sites = self.of(made)
        return sites[0] if sites else None

    def of(self, made: Any) -> tuple[Site, ...]:
        """Return the user's lines that made something, innermost first."""
        return self._sites.get(id(made), (0, ()))[1]

    def when(self, made: Any) -> int:
        """Return when something was made; 0: before anybody looked."""
        return self._sites.get(id(made), (0, ()))[0]

    def _note(self, made: Any, frame: Any) -> None:
        self.moment += 1
        self._sites[id(made)] = self.moment, callers(frame)

    def _register(self, module: Any, name: str, parameter: Any) -> None:
        with self._part:
            if parameter is not None:
                self._note(parameter, sys._getframe(1))

    def _maker(self, kind: type) -> Patch:
        @passes
        def noted(kept: Once, made: Any, *args: Any, **kwargs: Any) -> None:
            self._note(made, sys._getframe(1))
            kept(made, *args, **kwargs)

        return Patch(kind, "__init__", noted, self._part)

    def _caller(self, kind: type, name: str) -> Patch:
        @passes
        def told(kept: Once, owner: Any, *args: Any, **kwargs: Any) -> Any:
            self._tell(f"{kind.__name__}.{name}", owner, args, sys._getframe(1))
            return kept(owner, *args, **kwargs)

        return Patch(kind, name, told, self._part)

    def _clip(self, function: Any) -> ClosurePatch:
        @passes
        def told(kept: Once, parameters: Any, *args: Any, **kwargs: Any) -> Any:
            several = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
            kept.given = (several, *args), kwargs  # an iterator can be gone through once
            self._tell("clip", None, (several, *args), sys._getframe(1))
            return kept(several, *args, **kwargs)

        return ClosurePatch(function, "func", told, self._part)

    def _tell(self, name: str, owner: Any, args: tuple[Any, ...], frame: Any) -> None:
        for listener in tuple(self.listeners.get(name, ())):
            self._call(listener, owner, args, callers(frame))
