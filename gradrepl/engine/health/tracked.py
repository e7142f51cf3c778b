"""One watched parameter: what is kept of it over the looks, and what is told when it changes.

Never the tensor itself.
"""

from __future__ import annotations

import sys
import time
import weakref
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from gradrepl.engine.code import frames
from gradrepl.engine.forward.events import TensorEvent
from gradrepl.engine.health import measure
from gradrepl.engine.health.verdicts import FROZEN, Facts, Verdict, fine, growth, judge
from gradrepl.engine.stopping.breakpoints import Anchor
from gradrepl.engine.stopping.stepper import Stepper
from gradrepl.engine.tensor import facts
from gradrepl.model import health as h

KEPT = 120
"""Looks that are kept."""
LOST = 24
"""Looks in a row without a finite norm after which no more are kept: how it came about is worth
more than that it stays so."""
SETTLED = 10
"""Norms that make a running mean."""
SELDOM = 30
"""Looks after which it is looked again whether a norm is rising."""
MISSING = -1.0
"""In the ring, a look that found no gradient of this backward: no norm is negative."""

TOLD = 8
"""Changed verdicts that are told at once."""
AGAIN = 1000
"""Backwards until the same verdict of the same parameter is told again: many go to and fro."""
SECOND = 1.0
"""Between two tellings."""
FINE = (h.OK, h.RISING)
"""Verdicts that hold on as long as no rule about the norm alone says otherwise."""


@dataclass(slots=True, eq=False, kw_only=True)
class Tracked(Facts):
    """One parameter over the looks."""

    name: str
    also: tuple[str, ...] = ()
    model: str
    """The variable of the model that it is a part of."""
    ref: weakref.ref[Any]
    shape: tuple[int, ...]
    zeros: int | None = None
    """Elements of the gradient that are exactly zero; None where not counted."""
    weight_of: Tracked | None = None
    """Of a bias: its weight."""
    rows: bool = False
    """Is it the weight of a layer, with a row for each unit?"""
    quiet_for: torch.Tensor | None = None
    """For each unit, at how many figures in a row its gradient was exactly zero."""
    figures: int = 0
    """How often there were figures of it."""
    zero_at: int = -1
    """Steps of optimizers when all of it was zero last."""
    scaled_norm: float | None = None
    """As it is stored: with the scale of a GradScaler."""
    low: float | None = None
    high: float | None = None
    weight: float | None = None
    figures_at: int = 0
    reached_at: int = 0
    changed_at: int = 0
    copy: measure.Copy | None = None
    """Of the weight, or of a sample of it, until it has changed."""
    update: float | None = None
    update_of: int = 0
    update_steps: int = 0
    reaches: int = 0
    mean: float = 0.0
    """Of the last norms."""
    settled: int = 0
    histogram: tuple[tuple[float, int], ...] = ()
    """Of its gradient at a look that found a problem."""
    histogram_at: int = 0
    ring: array[float] = field(default_factory=lambda: array("d"))
    kept: int = 0
    """Norms that were put into the ring."""
    depth: int | None = None
    lr: float | None = None
    verdict: Verdict | None = None
    since: int = 0

    @classmethod
    def of(cls, name: str, parameter: Any, model: str) -> Tracked:
        """Begin to track ``parameter``."""
        shape = facts.shape(parameter)
        ref = weakref.ref(parameter)
        return cls(name=name, model=model, ref=ref, shape=shape, numel=parameter.numel())

    def rename(self, names: Sequence[str]) -> None:
        """Take in all the names that modules have for it."""
        if len(names) > 1:
            self.also = tuple(name for name in dict.fromkeys(names) if name != self.name)

    # -- a look --------------------------------------------------------------------------------

    def arrived(
        self,
        norm: float | None,
        backward: int,
        steps: int,
        scale: float,
        limits: h.HealthLimits,
        again: bool,
    ) -> str:
        """Take in the norm after a backward that reached it, and give the verdict.

        ``steps``: of optimizers so far; ``again``: figures are new, too. Returns the word that it
        had before if it has another one now, else ''.
        """
        ours = None if norm is None else norm / scale
        finite = ours is None or ours - ours == 0.0
        if finite or self.bad_for < LOST:
            self._keep(MISSING if ours is None else ours)
        self.scaled_norm, self.reached_at, self.missed = norm, backward, 0
        self.reaches += 1
        self.overlooked = 0
        self._count_zeros(ours, steps)
        level = self.mean if self.settled >= SETTLED else 0.0
        if not finite:
            self.bad_since = self.bad_since if self.bad_for else backward
            self.bad_for += 1
        else:
            self.bad_for = self.nans = self.infs = 0
            if ours is not None and self._goes_on(ours, level, limits) and not again:
                return ""
        return self._judged(ours, level, limits, False, scale, backward)

    def _count_zeros(self, norm: float | None, steps: int) -> None:
        if norm:
            self.zero_for = 0
        elif norm == 0 and (steps != self.zero_at or not self.optimizer):
            self.zero_for, self.zero_at = self.zero_for + 1, steps

    def _goes_on(self, norm: float, level: float, limits: h.HealthLimits) -> bool:
        """Take a finite norm into the mean; return whether no other verdict can hold by it."""
        self.settled += 1
        self.mean += (norm - self.mean) / min(self.settled, 2 * SETTLED)
        if not self.reaches % SELDOM and self._grows(limits):
            return False
        return self.word in FINE and fine(norm, level, limits)

    def _grows(self, limits: h.HealthLimits) -> bool:
        """See whether the norm is rising; return whether that has changed."""
        was = self.growth >= limits.rising
        self.growth = growth([norm for norm in self._last() if norm > 0])
        return was != (self.growth >= limits.rising)

    def passed_by(self, backward: int, scale: float, limits: h.HealthLimits, apart: bool) -> str:
        """Take in that a backward did not reach it; ``apart``: nor its model. Returns the same."""
        self._keep(MISSING)
        self.missed += not self.has_grad
        if self.has_grad and self.requires_grad and self.verdict is not None:
            return ""  # what was said of the gradient that it has holds still
        if not self.requires_grad and self.verdict is FROZEN:
            return ""
        norm = None if self.scaled_norm is None else self.scaled_norm / scale
        return self._judged(norm, 0.0, limits, apart, scale, backward)

    def _keep(self, norm: float) -> None:
        if self.kept < KEPT:
            self.ring.append(norm)
        else:
            self.ring[self.kept % KEPT] = norm
        self.kept += 1

    def _judged(
        self,
        norm: float | None,
        level: float,
        limits: h.HealthLimits,
        apart: bool,
        scale: float,
        backward: int,
    ) -> str:
        """Give the verdict; return the word before where it is another now, else ''."""
        weight = self.weight_of
        known = weight is not None and weight.reached_at == backward and weight.scaled_norm
        self.beside = known / scale if known and known - known == 0.0 else 0.0
        self.norm, self.level, self.seen = norm, level, self.reached_at > 0
        self.apart = apart
        self.scale = scale if scale != 1.0 else None
        self.looks, self.dead = len(self.ring), self.word == h.DEAD
        was, self.verdict = self.verdict, judge(self, limits)
        if was is not None and was.word == self.verdict.word:
            return ""
        self.since = backward
        return was.word if was is not None else h.UNSEEN

    @property
    def word(self) -> str:
        """Its verdict."""
        return self.verdict.word if self.verdict is not None else h.UNSEEN

    @property
    def label(self) -> str:
        """Its verdict as it is shown."""
        return self.verdict.label if self.verdict is not None else h.UNSEEN

    def measure(
        self, parameter: torch.Tensor, grad: torch.Tensor, backward: int, patience: int
    ) -> None:
        """Work out what costs more than the norm of its gradient."""
        self.low, self.high, self.zeros = measure.extremes(grad)
        self.quiet_for = measure.quiet_for(grad, self.quiet_for, self.rows)
        self.figures += 1
        self.silent = None
        if self.quiet_for is not None and self.figures >= patience:
            self.silent = float((self.quiet_for >= min(patience, 255)).double().mean())
        self.weight = measure.norms([parameter.detach()])[0]
        self.figures_at = backward

    # -- what is told of it --------------------------------------------------------------------

    def history(self) -> tuple[float | None, ...]:
        """Return the norms of the looks kept, oldest first."""
        return tuple(None if norm == MISSING else norm for norm in self._last())

    def _last(self) -> list[float]:
        at = self.kept % KEPT if self.kept > KEPT else 0
        return [*self.ring[at:], *self.ring[:at]]

    def grad_norm(self, scale: float) -> float | None:
        """Return the norm of the gradient that it has, if it has one that can be read."""
        if self.scaled_norm is None or not self.has_grad:
            return None
        return self.scaled_norm / scale

    def row(self, scale: float, looks: int = KEPT) -> h.HealthRow:
        """Return its line in the table, with the last ``looks`` norms."""
        norm, weight = self.grad_norm(scale), self.weight
        verdict = self.verdict or Verdict(h.UNSEEN, h.UNSEEN, "no watched backward has ended yet.")
        low, high = (None if x is None else x / scale for x in (self.low, self.high))
        return h.HealthRow(
            verdict=verdict.word,
            label=verdict.label,
            why=verdict.why,
            limit=verdict.limit,
            norm=norm,
            min=low,
            max=high,
            weight_norm=weight,
            ratio=norm / weight if norm is not None and weight else None,
            history=self.history()[-looks:],
            **{name: getattr(self, name) for name in SAME},
        )


SAME = {*h.HealthRow.__struct_fields__} & {*Tracked.__dataclass_fields__} - {"norm", "verdict"}
"""What a parameter's line says as it is kept here."""
Change = tuple[Tracked, str]
"""A parameter that has another verdict, and the word of the one before."""


class Telling:
    """Tells clients of new problems, not more often than somebody can read."""

    def __init__(self, tell: Callable[[h.Verdicts], None]) -> None:
        self._tell = tell
        self._untold: dict[str, h.VerdictChange] = {}
        self._heard: dict[tuple[str, str], int] = {}
        """When it was told last that a parameter has a verdict."""
        self._told_at = 0.0

    @property
    def waits(self) -> bool:
        """Is there something that has not been told yet?"""
        return bool(self._untold)

    def note(self, new: Sequence[Change], number: int, asked: bool) -> None:
        """Take in whose verdict has changed, and the word before; ``asked``: may it be told?"""
        for each, was in new:
            verdict = each.verdict
            if verdict is None or verdict.word not in h.PROBLEMS:
                self._untold.pop(each.name, None)
            elif number - self._heard.get((each.name, verdict.word), -AGAIN) >= AGAIN:
                self._untold[each.name] = h.VerdictChange(
                    name=each.name,
                    verdict=verdict.word,
                    label=verdict.label,
                    why=verdict.why,
                    was=was,
                    backward=number,
                )
        moment = time.monotonic()
        if not self._untold or moment - self._told_at < SECOND or not asked:
            return
        self._told_at = moment
        changes = tuple(self._untold.values())
        self._heard |= {(each.name, each.verdict): number for each in changes}
        self._untold.clear()
        self._tell(h.Verdicts(changes=changes[:TOLD], total=len(changes)))


class WatchEvent(TensorEvent):
    """The end of a backward after which parameters have another verdict than before."""

    kind = "watch"
    phase = "backward"
    name = "end of backward"

    def __init__(self, stepper: Stepper, anchor: Anchor, new: Sequence[Change]) -> None:
        super().__init__(stepper, anchor)
        self.new = [each for each, _ in new]
        self.frame = frames.Walk(sys._getframe(1)).frame

    def verdicts(self) -> Sequence[str]:
        """Return the new verdicts."""
        return [each.word for each in self.new]

    def changes(self) -> list[str]:
        """Return who has got which verdict, at most 8, the bad ones first."""
        ordered = sorted(self.new, key=lambda each: h.VERDICTS.index(each.word))
        return [f"{each.name} {each.label}" for each in ordered[:8]]

    def deeper(self) -> bool:
        """Is it below the line that called?"""
        return True

    def stop_fields(self, reason: str) -> dict[str, Any]:
        """Name those that have another verdict."""
        return {"reason": f"{reason}: {', '.join(self.changes())}"}
