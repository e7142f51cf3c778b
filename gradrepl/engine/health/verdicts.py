"""The rules: which number must cross which limit for which verdict. Nothing else judges.

The worst verdict that holds is given. What each limit means stands at ``model.HealthLimits``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gradrepl.model import health as h

LEFT = 0.8
"""A gradient that is dead stays so until its share of zeros is below so much of the limit: one
that goes to and fro about the limit is told once."""
STEADY = 10
"""Looks in a third of those that tell whether a norm is rising, at the least."""


@dataclass(slots=True, eq=False, kw_only=True)
class Facts:
    """What a verdict is given on. Norms have the scale of a GradScaler taken out."""

    numel: int
    norm: float | None = None
    """Of the gradient after the last look; None where it is None or cannot be read."""
    has_grad: bool = False
    seen: bool = False
    """Has any watched backward reached it?"""
    requires_grad: bool = True
    level: float = 0.0
    """Running mean of the norms before; 0 while there are too few of them."""
    zeros: int | None = None
    """Elements of the gradient that are exactly zero; None where not counted."""
    nans: int = 0
    infs: int = 0
    embedding: bool = False
    missed: int = 0
    """Looks in a row that have not reached it, while it has no gradient."""
    apart: bool = False
    """No parameter of its model was reached either, and no optimizer has missed its gradient."""
    same: int = 0
    """Looks that reached it since its weight changed last, when other weights have changed."""
    bad_for: int = 0
    """Looks in a row at which the gradient was not finite."""
    bad_since: int = 0
    """The backward at which that began."""
    scale: float | None = None
    growth: float = 0.0
    """How many times larger its norm has become over the looks kept; 0: not steadily."""
    looks: int = 0
    """Looks that this was seen over."""
    dead: bool = False
    """Its verdict so far is dead."""
    normed: str = ""
    """Of a bias: the norm layer that takes its result next, and takes the bias out again."""


class Verdict(NamedTuple):
    """A word of ``model.health.VERDICTS``, how it is shown, why, and the limit that was crossed."""

    word: str
    label: str
    why: str
    limit: str = ""


_OK = Verdict(h.OK, h.OK, "")
FROZEN = Verdict(h.FROZEN, h.FROZEN, "it does not require a gradient.")


def judge(facts: Facts, limits: h.HealthLimits) -> Verdict:
    """Return the worst verdict that holds."""
    if not facts.requires_grad:
        return FROZEN
    if not facts.has_grad:
        return _without(facts, limits)
    if facts.norm is None:
        return _unread(facts)
    if not math.isfinite(facts.norm):
        return _not_finite(facts, limits)
    verdicts = (rule(facts, facts.norm, limits) for rule in RULES)
    return next(filter(None, verdicts), _OK)


def fine(norm: float, level: float, limits: h.HealthLimits) -> bool:
    """Does no rule about the norm alone hold? ``level``: the running mean, or 0 for none."""
    return limits.vanishing <= norm <= limits.exploding and not (
        level and norm > limits.jump * level
    )


def judge_node(
    norm: float | None, nans: int | None, limits: h.HealthLimits, scale: float | None
) -> str:
    """Return the word for the gradient that arrived at a node."""
    if norm is None:
        return h.OK
    if not math.isfinite(norm):
        return h.NAN if nans or math.isnan(norm) else h.INF
    norm /= scale or 1.0
    if norm > limits.exploding:
        return h.EXPLODING
    return h.DEAD if norm == 0 else h.VANISHING if norm < limits.vanishing else h.OK


def _crossed(word: str, what: str, limits: h.HealthLimits, limit: str) -> Verdict:
    return Verdict(word, word, f"{what} health.{limit} {getattr(limits, limit):g}.", limit)


def _without(facts: Facts, limits: h.HealthLimits) -> Verdict:
    """No gradient: not its turn, or never reached."""
    if facts.seen and facts.missed < limits.patience:
        return Verdict(h.OK, "not reached", "the last backward did not reach it.")
    if facts.apart and facts.missed < limits.patience:
        why = f"no watched backward has reached its model so far, {facts.missed} have run."
        return Verdict(h.UNSEEN, h.UNSEEN, why)
    what = f"its gradient is None after {facts.missed} backward{'s' * (facts.missed != 1)}"
    if facts.apart or facts.seen:
        return Verdict(
            h.NO_GRAD,
            h.NO_GRAD,
            f"{what}, as many as health.patience {limits.patience}.",
            "patience",
        )
    return Verdict(h.NO_GRAD, h.NO_GRAD, f"{what}.")


def _unread(facts: Facts) -> Verdict:
    if facts.seen:
        return Verdict(h.OK, "not readable", "its gradient has no elements that can be read here.")
    why = "its gradient is from before: no watched backward has reached it so far."
    return Verdict(h.UNSEEN, h.UNSEEN, why)


def _not_finite(facts: Facts, limits: h.HealthLimits) -> Verdict:
    word = h.NAN if facts.nans or math.isnan(facts.norm or 0.0) else h.INF
    counted = [f"{n} {what}" for n, what in ((facts.nans, "NaN"), (facts.infs, "Inf")) if n]
    what = f"{' and '.join(counted) or word} of {facts.numel} elements"
    if facts.scale and facts.scale > 1 and facts.bad_for < limits.patience:
        why = f"{what}, at scale {facts.scale:g}: the GradScaler skips this step and lowers it."
        return Verdict(h.OVERFLOW, h.OVERFLOW, why)
    label = "NaN" if word == h.NAN else "Inf"
    why = f"{what}; not finite since backward {facts.bad_since}."
    return Verdict(word, f"{label} @{facts.bad_since}", why)


def _exploding(facts: Facts, norm: float, limits: h.HealthLimits) -> Verdict | None:
    if norm > limits.exploding:
        return _crossed(h.EXPLODING, f"|g| {norm:.3g} is above", limits, "exploding")
    if facts.level and norm > limits.jump * facts.level:
        times = f"|g| {norm:.3g} is {norm / facts.level:.3g} times its running mean, above"
        return _crossed(h.EXPLODING, times, limits, "jump")
    return None


def _vanishing(facts: Facts, norm: float, limits: h.HealthLimits) -> Verdict | None:
    if norm >= limits.vanishing:
        return None
    if facts.normed:
        return Verdict(
            h.OK,
            "no effect",
            f"|g| {norm:.3g}: the {facts.normed} that follows takes "
            "this bias out again; without it (bias=False) all is the same.",
        )
    return _crossed(h.VANISHING, f"|g| {norm:.3g} is below", limits, "vanishing") if norm else None


def _dead(facts: Facts, norm: float, limits: h.HealthLimits) -> Verdict | None:
    if not facts.numel:
        return None
    if norm == 0:
        return Verdict(h.DEAD, "dead 100%", f"all of its {facts.numel} elements are exactly zero.")
    if facts.zeros is None or facts.embedding:
        return None
    share = facts.zeros / facts.numel
    if share < limits.dead * (LEFT if facts.dead else 1.0):
        return None
    part = f"{facts.zeros} of {facts.numel} elements are exactly zero, {share:.0%}, not below"
    if share < limits.dead:
        part += f" {limits.dead * LEFT:.0%}, which ends being dead;"
    verdict = _crossed(h.DEAD, part, limits, "dead")
    return verdict._replace(label=f"dead {share:.0%}")


def _unchanged(facts: Facts, norm: float, limits: h.HealthLimits) -> Verdict | None:
    if facts.same < limits.patience:
        return None
    why = (
        f"its weight is the same after {facts.same} backwards that reached it, as many as "
        f"health.patience {limits.patience}, while others changed: no optimizer may have it."
    )
    return Verdict(h.UNCHANGED, h.UNCHANGED, why, "patience")


def _rising(facts: Facts, norm: float, limits: h.HealthLimits) -> Verdict | None:
    if facts.growth < limits.rising:
        return None
    what = f"|g| is {facts.growth:.3g} times what it was {facts.looks} looks ago, not below"
    return _crossed(h.RISING, what, limits, "rising")


RULES = (_exploding, _vanishing, _dead, _unchanged, _rising)
"""What a finite norm is judged by, the worst first."""


def growth(norms: Sequence[float]) -> float:
    """Return how many times larger the last third of ``norms`` is than the first, or 0.

    Of the thirds the geometric means are taken; 0 unless that of the middle lies between. Norms
    that are zero or not finite are left out.
    """
    logs = [math.log(norm) for norm in norms if 0 < norm < math.inf]
    third = len(logs) // 3
    if third < STEADY:
        return 0.0
    first, middle, last = (
        sum(part) / third for part in (logs[:third], logs[third : 2 * third], logs[-third:])
    )
    return math.exp(last - first) if first < middle < last else 0.0
