"""Where the time of a step goes: waiting for data, forward, backward, optimizer.

Nothing but a few readings of the clock at each, and in place only while gradients are watched:
the hooks for all optimizers that torch has, and a monkeypatch of the one function that every
iterator of a DataLoader is asked through.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from gradrepl.engine import torch_private
from gradrepl.engine.boundary import Part
from gradrepl.engine.code.patches import InheritedPatch, Once, Patch, passes
from gradrepl.model import health as h

KEPT = 120
"""Steps that are kept."""
now = time.perf_counter


@dataclass(slots=True)
class Spent:
    """The seconds of one step."""

    total: float = 0.0
    data: float = 0.0
    moving: float = 0.0
    backward: float = 0.0
    optimizer: float = 0.0
    watching: float = 0.0


def accelerated() -> bool:
    """Does the program use an accelerator? Asking starts none."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


class Clock:
    """Reads the time where a step's parts begin and end."""

    def __init__(
        self,
        stepped: Callable[[torch.optim.Optimizer], None],
        concerns: Callable[[torch.optim.Optimizer], bool] = lambda optimizer: True,
    ) -> None:
        """``concerns``: are the steps of an optimizer counted, or part of the rest?"""
        self._stepped, self._concerns = stepped, concerns
        self.steps = 0
        """Steps of optimizers so far."""
        self.closures = False
        self.kept: deque[Spent] = deque(maxlen=KEPT)
        self._handles: list[Any] = []
        self._thread = 0
        self._waits = 0
        self._begun: float | None = None
        self._step = Spent()
        self._step_begun: list[tuple[float, float]] = []
        self.part = Part("timing the parts of a step", self.remove)
        self._moves = [
            InheritedPatch(torch.Tensor, name, self._move, self.part) for name in ("to", "cuda")
        ]
        self._patch = Patch(torch_private.LoaderIterator, "__next__", self.wait, self.part)

    def install(self) -> None:
        """Read the time from now on."""
        if not self._handles and self.part.works:
            self._handles = [
                register_optimizer_step_pre_hook(self._before_step),
                register_optimizer_step_post_hook(self._after_step),
            ]
            self._patch.install()

    def remove(self) -> None:
        """Take everything away."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._patch.remove()
        for move in self._moves:
            move.remove()
        self.restart()

    def restart(self) -> None:
        """Somebody stopped in this step: its time says nothing."""
        self._begun = None
        self._step = Spent()
        self._step_begun.clear()

    # -- readings ------------------------------------------------------------------------------

    @passes
    def wait(self, kept: Once, iterator: Any) -> Any:
        """Ask for the next batch."""
        if self._waits or threading.get_ident() != self._thread:
            return kept(iterator)
        self._waits += 1
        start = now()
        try:
            return kept(iterator)
        finally:
            self._waits -= 1
            self._step.data += now() - start

    @passes
    def _move(self, kept: Once, tensor: Any, *args: Any, **kwargs: Any) -> Any:
        """Do what may copy a tensor to an accelerator."""
        start = now()
        moved = kept(tensor, *args, **kwargs)
        if (
            threading.get_ident() == self._thread
            and tensor.device.type == "cpu"
            and moved.device.type != "cpu"
        ):
            self._step.moving += now() - start
        return moved

    def passed(self, backward: float, watching: float) -> None:
        """A backward is over: what it took, and what looking at it took."""
        self._step.backward += backward
        self._step.watching += watching
        self._thread = threading.get_ident()
        if not self.steps:
            self._close()

    def _inside(self) -> float:
        return self._step.backward + self._step.watching

    def _before_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        with self.part:
            if self._concerns(optimizer):
                start = now()
                self._stepped(optimizer)
                self._step.watching += now() - start
                self._step_begun.append((now(), self._inside()))

    def _after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        with self.part:
            if self._concerns(optimizer):
                self._stepped_once(args, kwargs)

    def _stepped_once(self, args: Any, kwargs: Any) -> None:
        self._thread = threading.get_ident()
        self.steps += 1
        if self._step_begun:
            start, inside = self._step_begun.pop()
            self._step.optimizer += max(0.0, now() - start - (self._inside() - inside))
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        self.closures = self.closures or closure is not None
        if self.steps == 1:  # until now a backward was taken for a step
            self.kept.clear()
            self._begun = None
        self._close()

    def _close(self) -> None:
        """A step ends here, and the next begins."""
        end = now()
        if accelerated():
            for move in self._moves:
                move.install()
        if self._begun is not None:
            self._step.total = end - self._begun
            self.kept.append(self._step)
        self.restart()
        self._begun = end

    # -- what came of it -----------------------------------------------------------------------

    def timing(self, limits: h.HealthLimits) -> h.Timing | None:
        """Return the mean of the steps kept, or None before the first."""
        kept = list(self.kept)
        if not kept:
            return None
        total, data, moving, backward, optimizer, watching = (
            sum(column) / len(kept) for column in zip(*map(astuple, kept), strict=True)
        )
        forward = max(0.0, total - data - moving - backward - optimizer - watching)
        parts = {
            "copying to the device": moving,
            "the forward and the program's own code": forward,
            "the backward": backward,
            "the optimizer": optimizer,
        }
        return h.Timing(
            steps=len(kept),
            data=data,
            to_device=moving if accelerated() else None,
            forward=forward,
            backward=backward,
            optimizer=optimizer,
            watching=watching,
            total=total,
            closures=self.closures,
            verdict=_verdict(data, total, parts, limits),
        )


def _verdict(data: float, total: float, parts: dict[str, float], limits: h.HealthLimits) -> str:
    if not total:
        return ""
    if data / total >= limits.loader and data >= max(parts.values()):
        return f"loader-bound: {data / total:.0%} of the step is waiting for data."
    most = max(parts, key=lambda name: parts[name])
    share, waited = parts[most] / total, data / total
    return f"{most} takes the largest part of the step: {share:.0%}; data {waited:.0%}."
