"""One watched parameter: what is kept of it over the looks. Never the tensor itself."""

from __future__ import annotations

import weakref
from array import array
from typing import Any

from gradrepl.engine.health import measure
from gradrepl.engine.health.verdicts import FROZEN, Facts, Verdict, fine, growth, judge
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
"""Looks after which it is seen anew whether a norm is rising."""
MISSING = -1.0
"""In the ring, a look that found no gradient of this backward: no norm is negative."""


FINE = (h.OK, h.RISING)
"""Verdicts that hold on as long as no rule about the norm alone says otherwise."""


class Tracked:
    """One parameter over the looks."""

    __slots__ = (
        "also",
        "bad_for",
        "bad_since",
        "changed_at",
        "copy",
        "depth",
        "embedding",
        "figures_at",
        "growth",
        "has_grad",
        "high",
        "infs",
        "level",
        "looks",
        "low",
        "lr",
        "missed",
        "model",
        "name",
        "nans",
        "norm",
        "norm_layer",
        "numel",
        "optimizer",
        "overlooked",
        "reached_at",
        "reaches",
        "ref",
        "requires_grad",
        "ring",
        "same",
        "settled",
        "shape",
        "since",
        "spread",
        "spread_at",
        "update",
        "update_of",
        "update_steps",
        "verdict",
        "weight",
        "zeros",
    )

    def __init__(self, name: str, parameter: Any, model: str) -> None:
        self.name = name
        self.also: tuple[str, ...] = ()
        self.model = model
        """The variable of the model that it is a part of."""
        self.ref = weakref.ref(parameter)
        self.shape = facts.shape(parameter)
        self.numel = parameter.numel()
        self.requires_grad = True
        self.embedding = False
        self.norm_layer: weakref.ref[Any] | None = None
        """Of a bias: the layer that takes it out again, while that is in training mode."""
        self.has_grad = False
        self.norm: float | None = None
        """As it is stored: with the scale of a GradScaler."""
        self.nans = self.infs = 0
        self.low: float | None = None
        self.high: float | None = None
        self.zeros: int | None = None
        self.weight: float | None = None
        self.figures_at = self.reached_at = self.changed_at = 0
        self.copy: measure.Copy | None = None
        """Of the weight, or of a sample of it, until it has changed."""
        self.update: float | None = None
        self.update_of = self.update_steps = 0
        self.reaches = self.same = self.missed = self.bad_for = self.bad_since = 0
        self.overlooked = False
        """An optimizer stepped it while it had no gradient."""
        self.level, self.settled = 0.0, 0
        self.growth = 0.0
        self.spread: tuple[tuple[float, int], ...] = ()
        """How its elements were spread at a look that found a problem."""
        self.spread_at = 0
        self.ring, self.looks = array("d"), 0
        self.depth: int | None = None
        self.optimizer = ""
        self.lr: float | None = None
        self.verdict: Verdict | None = None
        self.since = 0

    # -- a look --------------------------------------------------------------------------------

    def arrived(
        self, norm: float | None, backward: int, scale: float, limits: h.HealthLimits, again: bool
    ) -> str:
        """Take in the norm after a backward that reached it, and give the verdict.

        ``again``: figures are new, too. Returns the word that it had before if it has another
        one now, else ''.
        """
        ours = None if norm is None else norm / scale
        if self.bad_for < LOST or ours is None or ours - ours == 0.0:
            self._keep(MISSING if ours is None else ours)
        self.norm, self.reached_at, self.missed = norm, backward, 0
        self.reaches += 1
        self.overlooked = False
        if ours is None or ours - ours == 0.0:  # finite
            self.bad_for = self.nans = self.infs = 0
        else:
            self.bad_for += 1
            if self.bad_for == 1:
                self.bad_since = backward
        level = self.level if self.settled >= SETTLED else 0.0
        if ours is not None and ours - ours == 0.0:
            self.settled += 1
            self.level += (ours - self.level) / min(self.settled, 2 * SETTLED)
            if not self.reaches % SELDOM and self._grows(limits):
                again = True
            if not again and self.word in FINE and fine(ours, level, limits):
                return ""
        return self._judged(ours, level, limits, False, scale, backward)

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
        norm = None if self.norm is None else self.norm / scale
        return self._judged(norm, 0.0, limits, apart, scale, backward)

    def _keep(self, norm: float) -> None:
        looks = self.looks
        if looks < KEPT:
            self.ring.append(norm)
        else:
            self.ring[looks % KEPT] = norm
        self.looks = looks + 1

    def _judged(
        self,
        norm: float | None,
        level: float,
        limits: h.HealthLimits,
        apart: bool,
        scale: float,
        backward: int,
    ) -> str:
        found = judge(
            Facts(
                numel=self.numel,
                norm=norm,
                has_grad=self.has_grad,
                seen=self.reached_at > 0,
                requires_grad=self.requires_grad,
                level=level,
                zeros=self.zeros,
                nans=self.nans,
                infs=self.infs,
                embedding=self.embedding,
                missed=self.missed,
                apart=apart and not self.overlooked,
                same=self.same,
                bad_for=self.bad_for,
                bad_since=self.bad_since,
                scale=scale if scale != 1.0 else None,
                growth=self.growth,
                looks=len(self.ring),
                dead=self.word == h.DEAD,
                normed=self._normed(),
            ),
            limits,
        )
        was = self.verdict
        self.verdict = found
        if was is not None and was.word == found.word:
            return ""
        self.since = backward
        return was.word if was is not None else h.UNSEEN

    def _normed(self) -> str:
        layer = self.norm_layer() if self.norm_layer is not None else None
        return type(layer).__name__ if layer is not None and layer.training else ""

    @property
    def word(self) -> str:
        """Its verdict."""
        return self.verdict.word if self.verdict is not None else h.UNSEEN

    @property
    def label(self) -> str:
        """Its verdict as it is shown."""
        return self.verdict.label if self.verdict is not None else h.UNSEEN

    # -- what a face may know ------------------------------------------------------------------

    def history(self) -> tuple[float | None, ...]:
        """Return the norms of the looks kept, oldest first."""
        return tuple(None if norm == MISSING else norm for norm in self._last())

    def _last(self) -> list[float]:
        at = self.looks % KEPT if self.looks > KEPT else 0
        return [*self.ring[at:], *self.ring[:at]]

    def row(self, scale: float, looks: int = KEPT) -> h.HealthRow:
        """Return its line in the table, with the last ``looks`` norms."""
        norm = None if self.norm is None or not self.has_grad else self.norm / scale
        fresh = self.figures_at > 0
        weight, verdict = self.weight, self.verdict
        low, high = (None if x is None else x / scale for x in (self.low, self.high))
        return h.HealthRow(
            name=self.name,
            also=self.also,
            shape=self.shape,
            numel=self.numel,
            verdict=self.word,
            label=self.label,
            why=verdict.why if verdict else "no watched backward has ended yet.",
            limit=verdict.limit if verdict else "",
            since=self.since,
            norm=norm,
            min=low if fresh else None,
            max=high if fresh else None,
            zeros=self.zeros,
            nans=self.nans,
            infs=self.infs,
            figures_at=self.figures_at,
            weight_norm=weight,
            ratio=norm / weight if norm is not None and weight else None,
            update=self.update,
            update_of=self.update_of,
            update_steps=self.update_steps,
            history=self.history()[-looks:],
            depth=self.depth,
            reached_at=self.reached_at,
            optimizer=self.optimizer,
            lr=self.lr,
        )
