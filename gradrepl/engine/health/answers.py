"""The answers to requests about watched training."""

from __future__ import annotations

import math
import time
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.health import measure, nodes
from gradrepl.engine.health.tracked import Tracked
from gradrepl.engine.health.wanted import Gradients
from gradrepl.engine.health.watch import HealthWatch
from gradrepl.engine.session import Answer, Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures
from gradrepl.errors import GradreplError, StateError, UsageError
from gradrepl.model.health import EXPLODING, INF, NAN, PROBLEMS, VANISHING

MOST = 1000
"""Rows in one answer at most."""
DETAILED = 8
"""Parameters that one name may mean for all to be told of them."""
DEPTHS = 120
"""Parameters in the picture of norms by depth, at most."""
PATIENT = 0.05
"""Seconds that an answer waits for a look that is under way."""


def _seen(session: Session) -> HealthWatch:
    health = session.state(Gradients).watch
    if health is not None and (health.on or health.points):
        return health
    own: list[Any] = [e for e in session.stepper.observers if isinstance(e, HealthWatch)]
    if not own:
        raise StateError(
            "no gradients have been watched.", "':watch grads' watches them from now on."
        )
    last: HealthWatch = own[-1]  # the program's: gradrepl.watch(model)
    return last


@on(p.AskHealth)
def _(request: p.AskHealth, session: Session, place: Place) -> Answer:
    health = _seen(session)
    if request.running:
        return report(request, health, session)
    with figures.quiet():
        health.catch_up()
        record = report(request, health, session)
        if request.name and record.total <= DETAILED:
            rows = tuple(_detailed(row, health) for row in record.rows)
            record = msgspec.structs.replace(record, rows=rows)
    return record


def at_once(request: p.AskHealth | p.AskHealthNodes, session: Session) -> Answer:
    """Answer while the program runs, in the thread of the link: without a look at any tensor."""
    begun = time.thread_time()
    try:
        health = _seen(session)
        with health.still(PATIENT) as still:
            if still and isinstance(request, p.AskHealthNodes):
                return node_rows(request, health)
            if still and isinstance(request, p.AskHealth):
                record = report(request, health, session)
                return msgspec.structs.replace(record, took=time.thread_time() - begun)
    except GradreplError as error:
        return error.record()
    return model.Error(message="a look takes long.", hint="Ask again.", kind="StateError")


def report(request: p.AskHealth, health: HealthWatch, session: Session) -> model.Health:
    """Return what is kept of the looks.

    Raises:
        UsageError: nothing is watched that has the name asked for.
    """
    gradients = session.state(Gradients)
    named = everyone = health.worst_first()
    if request.name:
        named = [each for each in everyone if _named(each, request.name)]
        if not named:
            raise UsageError(
                f"no watched parameter is called '{request.name}'.", "':health' lists them."
            )
    first, scale = max(0, request.first), health.scale or 1.0
    shown = named[first : first + max(0, min(request.count, MOST))]
    return model.Health(
        watching=gradients.watching() if health is gradients.watch else health.asked,
        rows=tuple(each.row(scale, request.looks) for each in shown),
        first=first,
        total=len(named),
        problems=sum(each.word in PROBLEMS for each in named),
        backwards=health.backwards,
        steps=health.clock.steps,
        points=tuple(health.points),
        timing=health.clock.timing(health.limits),
        scale=health.scale,
        skipped=health.scaling.skipped,
        clipping=health.clips.clippings(),
        depths=_depths(everyone, scale),
        optimizers=health.parameters.rates(),
        limits=health.limits,
        more=health.parameters.more,
    )


def _depths(everyone: list[Tracked], scale: float) -> tuple[model.Depth, ...]:
    """Return the norms by depth, of many every so many, the first and the last among them."""
    ordered = sorted(
        (each for each in everyone if each.depth is not None), key=lambda each: each.depth or 0
    )
    if len(ordered) > DEPTHS:
        ordered = [ordered[at * (len(ordered) - 1) // (DEPTHS - 1)] for at in range(DEPTHS)]
    return tuple(
        model.Depth(name=each.name, verdict=each.word, norm=each.grad_norm(scale))
        for each in ordered
    )


def _detailed(row: model.HealthRow, health: HealthWatch) -> model.HealthRow:
    """Add what is worked out only for one that is asked for by name."""
    where: tuple[str, ...] = ()
    if row.verdict in (VANISHING, EXPLODING):
        grows = row.verdict == EXPLODING
        where = ("':watch nodes' would tell at which nodes.",)
        if health.run_with_edges is not None:
            where = tuple(nodes.explain_norm(health.run_with_edges, row.name, grows))
    elif row.verdict in (NAN, INF):
        where = _first_bad(health)
    tracked = health.parameters.named(row.name)
    parameter = None if tracked is None else tracked.ref()
    grad = None if parameter is None else parameter.grad
    histogram, at = measure.histogram(grad, health.scale or 1.0), 0
    if not histogram and tracked is not None:
        histogram, at = tracked.histogram, tracked.histogram_at
    return msgspec.structs.replace(row, where=where, spread=histogram, spread_at=at)


def _first_bad(health: HealthWatch) -> tuple[str, ...]:
    """Say where what is not finite comes from, as far as the last backward shows it."""
    point, run = health.points[-1], health.run
    if point.loss is not None and not math.isfinite(point.loss):
        return (f"The loss of backward {point.backward} is {point.loss:g}: the forward made it.",)
    if run is None:
        return ("':watch nodes' would tell at which node it begins.",)
    place = run.first_bad()
    if place is None:
        return ()
    row = run.row(place, health.limits)
    label = f" {row.label}" if row.label else ""
    return (
        f"In backward {run.backward} it begins with what arrives at #{row.id} {row.name}{label}.",
    )


def _named(each: Tracked, name: str) -> bool:
    return any(fnmatchcase(own, name) or own == name for own in (each.name, *each.also))


@on(p.AskHealthNodes)
def _(request: p.AskHealthNodes, session: Session, place: Place) -> Answer:
    return node_rows(request, _seen(session))


def node_rows(request: p.AskHealthNodes, health: HealthWatch) -> model.HealthNodes:
    """Return what arrived at the nodes of the last watched backward.

    Raises:
        StateError: no nodes have been watched.
    """
    run = health.run
    if run is None:
        raise StateError(
            "no nodes have been watched.", "':watch nodes' watches them from the next backward on."
        )
    rows = [run.row(place, health.limits) for place in range(len(run.kinds))]
    bad = [row for row in rows if row.verdict in PROBLEMS]
    listed = bad if request.problems else rows
    first = max(0, request.first)
    return model.HealthNodes(
        rows=tuple(listed[first : first + max(0, min(request.count, MOST))]),
        first=first,
        total=len(listed),
        backward=run.backward,
        problems=len(bad),
        statistics=bool(run.ranges),
        scale=run.scale,
        note=run.note,
        bad=next((row for row in bad if row.verdict in (model.NAN, model.INF)), None),
    )
