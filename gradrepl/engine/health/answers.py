"""The answers to requests about watched training."""

from __future__ import annotations

from fnmatch import fnmatchcase

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine import tensors
from gradrepl.engine.answers import Answer, on
from gradrepl.engine.gate import Place
from gradrepl.engine.health.watch import HealthWatch
from gradrepl.engine.session import Session
from gradrepl.errors import StateError, UsageError
from gradrepl.model.health import PROBLEMS

MOST = 1000
"""Rows in one answer at most."""


def _seen(session: Session) -> HealthWatch:
    health = session.stepper.health
    if health is None or not (health.on or health.points):
        raise StateError(
            "no gradients have been watched.", "':watch grads' watches them from now on."
        )
    return health


@on(p.AskHealth)
def _(request: p.AskHealth, session: Session, place: Place) -> Answer:
    health = _seen(session)
    with tensors.quiet():
        health.catch_up()
        rows = health.rows()
        optimizers = health.parameters.rates()
    if request.name:
        rows = [row for row in rows if _named(row, request.name)]
        if not rows:
            raise UsageError(
                f"no watched parameter is called '{request.name}'.", "':health' lists them."
            )
    problems = sum(row.verdict in PROBLEMS for row in rows)
    first = max(0, request.first)
    shown = rows[first : first + max(0, min(request.count, MOST))]
    return model.Health(
        watching=session.stepper.watching(), rows=tuple(shown), first=first, total=len(rows),
        problems=problems, backwards=health.backwards, steps=health.clock.steps,
        points=tuple(health.points), timing=health.clock.timing(health.limits),
        scale=health.scale, skipped=health.scaling.skipped, optimizers=optimizers,
        limits=health.limits, more=health.parameters.more,
    )  # fmt: skip


def _named(row: model.HealthRow, name: str) -> bool:
    return any(fnmatchcase(each, name) or each == name for each in (row.name, *row.also))


@on(p.AskHealthNodes)
def _(request: p.AskHealthNodes, session: Session, place: Place) -> Answer:
    health = _seen(session)
    run = health.run
    if run is None:
        raise StateError(
            "no nodes have been watched.", "':watch nodes' watches them from the next backward on."
        )
    limits, scale = health.limits, health.run_scale
    total = len(run.names)
    rows = [run.row(place, limits, scale) for place in range(total)]
    bad = [row for row in rows if row.verdict in PROBLEMS]
    first = max(0, request.first)
    listed = bad if request.problems else rows
    shown = listed[first : first + max(0, min(request.count, MOST))]
    return model.HealthNodes(
        rows=tuple(shown), first=first, total=len(listed), backward=health.run_at,
        problems=len(bad), statistics=bool(run.edges), scale=scale, note=run.note,
        bad=next((row for row in bad if row.verdict in (model.NAN, model.INF)), None),
    )  # fmt: skip
