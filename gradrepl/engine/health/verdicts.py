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
SURE = 2
"""Steps of its own optimizer without a gradient after which one that never had any has none."""
AGAIN = 3
"""Looks, with a step between each two, after which a gradient that is all zero stays so: a gate
that begins at zero has left it by then."""
NOISE = 1e-4
"""A bias's gradient that is so much smaller than its weight's adds up to zero, but for rounding."""
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
    silent: float | None = None
    """Share of the units whose gradient was exactly zero at each of the last ``patience`` looks at
    figures; None where units are not told, or at fewer looks. A unit is a row of a layer's weight,
    an element of a bias: a column of zeros may be an input that is zero, as of one hot."""
    zero_for: int = 0
    """Looks in a row, with steps between, at which all of it was exactly zero."""
    nans: int = 0
    infs: int = 0
    missed: int = 0
    """Looks in a row that have not reached it, while it has no gradient."""
    optimizer: str = ""
    """Class of the optimizer that has stepped it: 'AdamW'; empty for none seen."""
    overlooked: int = 0
    """Steps of it in a row at which there was no gradient."""
    apart: bool = False
    """No parameter of its model was reached either, or ``autograd.grad`` was asked for its
    gradient."""
    left_out: bool = False
    """An optimizer that steps others of its model has not got it."""
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
    beside: float = 0.0
    """Of a bias: the norm of its weight's gradient; 0 where that is not known."""


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
    count, limit, what = facts.missed, limits.patience, "backward"
    if facts.optimizer:
        count, what = facts.overlooked, f"{facts.optimizer} step"
        limit = limit if facts.seen else min(SURE, limit)
    if count >= limit and (facts.optimizer or not facts.apart):
        why = f"its gradient is None after {count} {what}{'s' * (count != 1)}"
        if limit < limits.patience:
            return Verdict(h.NO_GRAD, h.NO_GRAD, f"{why}.")
        why += f", as many as health.patience {limit} or more."
        return Verdict(h.NO_GRAD, h.NO_GRAD, why, "patience")
    if facts.seen:
        return Verdict(h.OK, "not reached", "the last backward did not reach it.")
    its = "its model" if facts.apart else "it"
    why = f"no watched backward has reached {its} so far, {facts.missed} have run."
    return Verdict(h.UNSEEN, h.UNSEEN, why)


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
    if facts.level and norm > limits.jump * facts.level and not _cancels(facts, norm):
        times = f"|g| {norm:.3g} is {norm / facts.level:.3g} times its running mean, above"
        return _crossed(h.EXPLODING, times, limits, "jump")
    return None


def _cancels(facts: Facts, norm: float) -> bool:
    return norm < NOISE * facts.beside


def _vanishing(facts: Facts, norm: float, limits: h.HealthLimits) -> Verdict | None:
    if norm >= limits.vanishing:
        return None
    if _cancels(facts, norm):
        return Verdict(
            h.OK,
            "no effect",
            f"|g| {norm:.3g}, while its weight's is {facts.beside:.3g}: what arrives adds up to "
            "zero, as before a norm or in the keys of an attention.",
        )
    return _crossed(h.VANISHING, f"|g| {norm:.3g} is below", limits, "vanishing") if norm else None


def _dead(facts: Facts, norm: float, limits: h.HealthLimits) -> Verdict | None:
    if not facts.numel:
        return None
    if norm == 0:
        every = f"all of its {facts.numel} elements are exactly zero"
        if facts.zero_for < (min(AGAIN, limits.patience) if facts.optimizer else limits.patience):
            return Verdict(h.OK, "zero", f"{every} this time.")
        before = facts.zero_for - 1
        return Verdict(h.DEAD, "dead 100%", f"{every}, as at the {before} looks before.")
    if facts.silent is None or facts.silent < limits.dead * (LEFT if facts.dead else 1.0):
        return None
    part = f"{facts.silent:.0%} of its units had zeros only at the last looks, not below"
    if facts.silent < limits.dead:
        part += f" {limits.dead * LEFT:.0%}, which ends being dead;"
    verdict = _crossed(h.DEAD, part, limits, "dead")
    return verdict._replace(label=f"dead {facts.silent:.0%}")


def _unchanged(facts: Facts, norm: float, limits: h.HealthLimits) -> Verdict | None:
    limit = min(AGAIN, limits.patience) if facts.left_out else limits.patience
    if facts.same < limit:
        return None
    why = f"its weight is the same after {facts.same} backwards that reached it, "
    if facts.left_out:
        why += "and no optimizer that has stepped has it, while others of its model were stepped."
        return Verdict(h.UNCHANGED, h.UNCHANGED, why)
    why += f"as many as health.patience {limit}, while others changed: no optimizer may have it."
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
