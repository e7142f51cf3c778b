"""The answers to requests about memory."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.parameter import is_lazy

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, on, tensor_at
from gradrepl.engine.graph.hooks import without_gc
from gradrepl.engine.memory import copies, identity, stops, storages, timeline, usage
from gradrepl.engine.memory.owners import SAVED, is_array
from gradrepl.engine.memory.pieces import Piece
from gradrepl.engine.memory.sharing import Pair
from gradrepl.engine.memory.storages import Group
from gradrepl.engine.memory.survey import STALE, Survey
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts, figures
from gradrepl.errors import UsageError


@on(p.AskStorages)
def _(request: p.AskStorages, session: Session, place: Place) -> Answer:
    values = [(text, session.evaluate(text, place)) for text in request.expressions]
    with figures.quiet(), without_gc():
        survey = Survey(session, place)
        wanted = [lying(text, value, survey.pieces) for text, value in values]
        for found in wanted:
            survey.include(found)
        groups = survey.groups
        if values:
            mine = {id(piece) for found in wanted for piece in found}
            groups = [g for g in groups if any(id(piece) in mine for piece in g.pieces)]
        listed = sorted(groups, key=lambda group: group.names() < 2)[: request.limit]
        made = tuple(group.record(survey.known.ids, survey.site_of) for group in listed)
        return model.Storages(
            storages=made,
            total=len(groups),
            tensors=len({id(x.value) for g in groups for x in g.pieces if x.owner != SAVED}),
            nbytes=sum(group.size for group in groups),
            stale=tuple(_stale(survey, listed)),
            cut=tuple(survey.owners.cut),
        )


@on(p.AskSharing)
def _(request: p.AskSharing, session: Session, place: Place) -> Answer:
    names = [request.a, request.b]
    values = [session.evaluate(text, place) for text in names]
    with figures.quiet(), without_gc():
        survey = Survey(session, place)
        a, b = (lying(*each, survey.pieces) for each in zip(names, values, strict=True))
        return Pair(survey, names, values, a, b).record()


def _stale(survey: Survey, groups: list[Group]) -> list[model.Stale]:
    """Return the stale values, and in what is watched also those that no counter tells."""
    found = []
    for group in groups:
        watched = survey.watched(group)
        if watched is None:
            found += survey.stale(group)
        else:
            tensor = timeline.lies_in(group, watched)
            found += timeline.Timeline(survey, tensor, watched.name, group).stale(watched)
    return found[:STALE]


def lying(text: str, value: Any, known: list[Piece]) -> list[Piece]:
    """Return where the value of an expression lies.

    Raises:
        UsageError: it is no tensor and no array, or one without a storage that can be seen.
    """
    kind = type(value).__name__
    if not tensors_or_array(value):
        raise UsageError(
            f"'{text}' is a {kind}, not a tensor.", "':mem' lists the tensors in reach."
        )
    found = storages.asked(text, value, known)
    if not found:
        raise UsageError(
            f"'{text}' has no storage that can be seen: it is a {kind}, layout {value.layout}.",
            "Ask for the plain tensors that it is made of.",
        )
    return found


def tensors_or_array(value: Any) -> bool:
    """Is this something that lies in memory?"""
    return isinstance(value, torch.Tensor) or is_array(value)


@on(p.AskCopies)
def _(request: p.AskCopies, session: Session, place: Place) -> Answer:
    tensor = tensor_at(request.expression, session, place)
    with figures.quiet():
        plain = tensor.layout is torch.strided and not tensor.is_nested and not is_lazy(tensor)
        if not plain or not figures.readable(tensor):
            raise UsageError(
                f"'{request.expression}' cannot be copied to try it: its layout is "
                f"{facts.short(tensor.layout)}, its device {tensor.device}.",
                "Ask for a plain tensor on a device that has memory.",
            )
        return copies.measure(tensor, request.expression)


@on(p.AskVersions)
def _(request: p.AskVersions, session: Session, place: Place) -> Answer:
    known = identity.known(session)
    known.forget_the_dead()
    if not request.expression:
        if request.off:
            known.watched.clear()
        return _watches(known)
    tensor = tensor_at(request.expression, session, place)
    with figures.quiet(), without_gc():
        survey = Survey(session, place)
        found = lying(request.expression, tensor, survey.pieces)
        if len(found) != 1 or found[0].value is not tensor:
            raise UsageError(
                f"'{request.expression}' lies in several storages: it is sparse.",
                f"Ask for one of {', '.join(piece.name for piece in found)}.",
            )
        if request.off:
            known.watched.pop(found[0].key, None)
            return _watches(known)
        survey.include(found)
        group = survey.group_of(found[0].key)
        assert group is not None
        session.looks[stops.look.__module__] = stops.look
        watched, began = timeline.watch(survey, tensor, found[0].name, group)
        history = timeline.Timeline(survey, tensor, request.expression, group)
        record = history.record(watched, began)
        watched.told = frozenset(map(timeline.told, record.stale))
        return record


def _watches(known: identity.Known) -> Answer:
    rows = (model.Watched(name=w.name, storage=w.id, how=w.how) for w in known.watched.values())
    return model.Watches(rows=tuple(rows))


@on(p.AskBytes)
def _(request: p.AskBytes, session: Session, place: Place) -> Answer:
    with figures.quiet(), without_gc():
        return usage.use(Survey(session, place), request.largest)
