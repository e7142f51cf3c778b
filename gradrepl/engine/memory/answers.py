"""The answers to requests about memory."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, on
from gradrepl.engine.graph.graph import without_gc
from gradrepl.engine.memory import copies, layout, remembered, storages, timeline
from gradrepl.engine.memory.layout import Piece
from gradrepl.engine.memory.owners import BUFFER, GRADIENT, OPTIMIZER, PARAMETER, SAVED, is_array
from gradrepl.engine.memory.sharing import Pair
from gradrepl.engine.memory.storages import Group
from gradrepl.engine.memory.survey import STALE, Survey
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts, figures
from gradrepl.errors import UsageError
from gradrepl.model import Holding, MemoryUse, OwnerBytes


@on(p.AskStorages)
def _(request: p.AskStorages, session: Session, place: Place) -> Answer:
    values = [(text, session.evaluate(text, place)) for text in request.expressions]
    with figures.quiet(), without_gc():
        survey = Survey(session, place)
        wanted = [each for text, value in values for each in pieces_of(text, value, survey.pieces)]
        survey.include(wanted)
        groups = survey.groups
        if values:
            mine = {id(piece) for piece in wanted}
            groups = [g for g in groups if any(id(piece) in mine for piece in g.pieces)]
        listed = sorted(groups, key=lambda group: group.names() < 2)[: request.limit]
        return model.Storages(
            storages=tuple(group.record(survey.known.ids, survey.site_of) for group in listed),
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
        a, b = (pieces_of(*each, survey.pieces) for each in zip(names, values, strict=True))
        return Pair(survey, names, values, a, b).record()


def _stale(survey: Survey, groups: list[Group]) -> list[model.Stale]:
    """Return the stale values, and in what is watched also those that no counter tells."""
    stale: list[model.Stale] = []
    for group in groups:
        watched = survey.watched(group)
        if watched is None:
            stale += survey.stale(group)
        else:
            tensor = timeline.watched_tensor(group, watched)
            stale += timeline.Timeline(survey, tensor, watched.name, group).stale(watched)
    return stale[:STALE]


def pieces_of(text: str, value: Any, known: list[Piece]) -> list[Piece]:
    """Return where the value of an expression lies.

    Raises:
        UsageError: it is no tensor and no array, or one without a storage that can be seen.
    """
    kind = type(value).__name__
    if not isinstance(value, torch.Tensor) and not is_array(value):
        raise UsageError(
            f"'{text}' is a {kind}, not a tensor.", "':mem' lists the tensors in scope."
        )
    pieces = storages.asked(text, value, known)
    if not pieces:
        raise UsageError(
            f"'{text}' has no storage that can be seen: it is a {kind}, layout {value.layout}.",
            "Ask for the plain tensors that it is made of.",
        )
    return pieces


@on(p.AskCopies)
def _(request: p.AskCopies, session: Session, place: Place) -> Answer:
    tensor = session.tensor(request.expression, place)
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
    known = remembered.known(session)
    known.forget_the_dead()
    if not request.expression:
        if request.off:
            known.watched.clear()
        return _watches(known)
    tensor = session.tensor(request.expression, place)
    with figures.quiet(), without_gc():
        survey = Survey(session, place)
        piece = _only_piece(request.expression, tensor, survey)
        if request.off:
            known.watched.pop(piece.key, None)
            return _watches(known)
        survey.include([piece])
        group = survey.group_of(piece.key)
        assert group is not None
        session.stepper.observe(session.state(timeline.Written))
        watched, began = timeline.watch(survey, tensor, piece.name, group)
        history = timeline.Timeline(survey, tensor, request.expression, group)
        record = history.record(watched, began)
        watched.told = frozenset(map(timeline.stale_key, record.stale))
        return record


def _only_piece(text: str, tensor: torch.Tensor, survey: Survey) -> Piece:
    pieces = pieces_of(text, tensor, survey.pieces)
    if len(pieces) != 1 or pieces[0].value is not tensor:
        raise UsageError(
            f"'{text}' lies in several storages: it is sparse.",
            f"Ask for one of {', '.join(piece.name for piece in pieces)}.",
        )
    return pieces[0]


def _watches(known: remembered.Known) -> Answer:
    rows = (model.Watched(name=w.name, storage=w.id, how=w.how) for w in known.watched.values())
    return model.Watches(rows=tuple(rows))


@on(p.AskBytes)
def _(request: p.AskBytes, session: Session, place: Place) -> Answer:
    with figures.quiet(), without_gc():
        return use(Survey(session, place), request.largest)


# -- memory by owner, each storage counted once ----------------------------------------------

LABELS = {
    PARAMETER: "parameters",
    GRADIENT: "gradients",
    OPTIMIZER: "optimizer state",
    BUFFER: "buffers",
    SAVED: "saved for backward",
}
OTHER = "other"


def use(survey: Survey, largest: int) -> MemoryUse:
    """Return who holds how much. Call it only inside of ``figures.quiet()``."""
    groups = [group for group in survey.groups if group.device != "meta"]
    by_label: dict[str, list[Group]] = {label: [] for label in [*LABELS.values(), OTHER]}
    devices: Counter[str] = Counter()
    for group in groups:
        by_label[_label(group)].append(group)
        devices[group.device] += group.size
    allocated, reserved = _cuda()
    largest_first = sorted(groups, key=lambda group: -group.size)[:largest]
    return MemoryUse(
        owners=tuple(_row(label, its) for label, its in by_label.items()),
        total=devices.total(),
        largest=tuple(_holding(survey, group) for group in largest_first),
        devices=tuple(devices.items()),
        allocated=allocated,
        reserved=reserved,
        cut=tuple(survey.owners.cut),
    )


def _label(group: Group) -> str:
    """Return who counts the storage: its first owner in the order of ``LABELS``."""
    owners = {piece.owner for piece in group.pieces}
    return next((label for owner, label in LABELS.items() if owner in owners), OTHER)


def _row(label: str, groups: list[Group]) -> OwnerBytes:
    held = [piece for group in groups for piece in group.pieces]
    tensors = {id(piece.value) for piece in held if piece.owner != SAVED or label == LABELS[SAVED]}
    return OwnerBytes(label, sum(group.size for group in groups), len(groups), len(tensors))


def _holding(survey: Survey, group: Group) -> Holding:
    label = _label(group)
    piece = min(
        group.pieces, key=lambda each: (each.owner == SAVED, LABELS.get(each.owner) != label)
    )
    ranges = []
    for each in group.pieces:
        where = each.layout(group.begin)
        ranges += where.ranges() or [where.span()]
    return Holding(
        storage=survey.id_of(group),
        name=piece.name,
        owner=label,
        nbytes=group.size,
        device=group.device,
        used=layout.total(layout.merged(ranges)),
    )


def _cuda() -> tuple[int | None, int | None]:
    """Return bytes allocated and reserved on all devices; nothing where CUDA is not in use."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None, None
    every = range(torch.cuda.device_count())
    return (
        sum(torch.cuda.memory_allocated(device) for device in every),
        sum(torch.cuda.memory_reserved(device) for device in every),
    )
