"""All memory in scope at one place, for one answer: names, pieces, groups, what is stale, who holds
how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch

from gradrepl import protocol as p
from gradrepl.engine.explain.source import at
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import without_gc
from gradrepl.engine.memory import layout, relations, storages
from gradrepl.engine.memory.layout import Piece
from gradrepl.engine.memory.owners import (
    BUFFER,
    GRADIENT,
    OPTIMIZER,
    PARAMETER,
    SAVED,
    Owners,
    Saving,
    is_array,
)
from gradrepl.engine.memory.remembered import Known, WatchedStorage, Write
from gradrepl.engine.memory.storages import Group
from gradrepl.engine.session import Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures
from gradrepl.errors import UsageError
from gradrepl.model import Holding, MemoryUse, OwnerBytes, Site, Stale

STALE = 64
"""Stale values of one storage that are told of one by one."""


class Survey:
    """What is found by one look. Make and use it inside of ``figures.quiet()`` only."""

    def __init__(self, session: Session, place: Place) -> None:
        self.recorder = session.recorder
        self.known = session.state(Known)
        self.owners = Owners(session, place)
        self.pieces = storages.everything(self.owners)

    @cached_property
    def groups(self) -> list[Group]:
        """The pieces by memory, in the order in which they were found."""
        return storages.grouped(self.pieces)

    def include(self, typed: list[Piece]) -> None:
        """Count in what was typed and has no name of its own; before ``groups`` is asked for."""
        have = {id(piece) for piece in self.pieces}
        self.pieces += [piece for piece in typed if id(piece) not in have]

    def site_of(self, node: Any) -> Site | None:
        """Return the recorded line of the op that made ``node``."""
        op = self.op_of(node)
        return op.site if op is not None else None

    def op_of(self, node: Any) -> Call | None:
        """Return the recorded op that made ``node``."""
        return self.recorder.op_of(node._sequence_nr())

    def group_of(self, key: int) -> Group | None:
        """Return the group that the storage with this identity is in."""
        groups = (g for g in self.groups if any(piece.key == key for piece in g.pieces))
        return next(groups, None)

    def groups_with(self, pieces: list[Piece]) -> list[Group]:
        """Return the groups that some of these pieces are in."""
        wanted = {id(piece) for piece in pieces}
        return [g for g in self.groups if not wanted.isdisjoint(map(id, g.pieces))]

    def watched(self, group: Group) -> WatchedStorage | None:
        """Return what compares the content of a group's storage, if that was asked for."""
        known = self.known.watched
        return next((known[p.key] for p in group.pieces if p.key in known), None)

    def id_of(self, group: Group) -> str:
        """Return '@3'."""
        return self.known.ids.of(group.storage) if group.storage is not None else ""

    # -- what is stale -----------------------------------------------------------------------

    def stale(self, group: Group) -> list[Stale]:
        """Return what was saved from this memory and changed in place since; one a node."""
        by_node: dict[Any, Stale] = {}
        for piece in group.pieces:
            saving = piece.saving
            if saving and saving.stale and saving.node not in by_node and len(by_node) < STALE:
                by_node[saving.node] = self._stale(piece, saving, group)
        return list(by_node.values())

    def _stale(self, piece: Piece, saving: Saving, group: Group) -> Stale:
        now = saving.value._version
        first = saving.version or 0
        writes = [w for w in self.writes_into(group) if first <= w.before and w.after <= now]
        by = written(writes[0], self.owners) if writes else self._updated(group)
        # a custom backward may not read what it saved
        when = " when it reads it" if saving.attribute.startswith("saved_tensors") else ""
        raises = f"backward through {nodes.name(saving.node)} will raise{when}"
        then = f", it is now at {now}{f', written by {by}' if by else ''}: {raises}."
        return self.stale_record(piece, group, by, then)

    def stale_record(
        self, piece: Piece, group: Group, by: str, then: str, *, silent: bool = False
    ) -> Stale:
        """Return the record of a saved value that was changed; ``then`` ends its sentence."""
        saving = piece.saving
        assert saving is not None
        node, site = nodes.name(saving.node), self.site_of(saving.node)
        name = self.name_in(group, piece)
        saved = f"saved {name or saving.attribute} at version {saving.version}"
        return Stale(
            node=node,
            saved=saving.attribute,
            name=name,
            storage=self.id_of(group),
            saved_version=saving.version,
            version=saving.value._version,
            site=site,
            written_by=by,
            silent=silent,
            sentence=f"{node}{at(site)} {saved}{then}",
        )

    def _updated(self, group: Group) -> str:
        """Return the optimizer that may have written to a group, as nobody else was seen to."""
        names = (self.owners.optimizer(piece.value) for _, piece in group.named)
        name = next(filter(None, names), "")
        return f"what was not recorded: {name}.step() since that forward?" if name else ""

    def stale_sentence(self, piece: Piece, group: Group) -> str:
        """Return what happened to a stale value, as something that is over."""
        assert piece.saving is not None
        sentence = self._stale(piece, piece.saving, group).sentence
        return sentence.rpartition(": backward")[0] + "."

    def name_in(self, group: Group, piece: Piece) -> str:
        """Return the user's name of what ``piece`` saved: of its bytes, or where they lie in."""
        mine = piece.layout(group.begin)
        low, high = mine.span()
        alike = [each for where, each in group.named if where == mine]
        around = [
            each
            for where, each in group.named
            if where != mine and where.span()[0] <= low and high <= where.span()[1]
        ]
        return next(
            (e.name for e in alike + around if relations.same_counter(e.value, piece.value)), ""
        )

    def writes_into(self, group: Group) -> Iterator[Write]:
        """Yield the recorded writes into a group's storages, in order."""
        return self.recorder.writes.to({piece.key for piece in group.pieces if piece.key})


def written(write: Write, owners: Owners) -> str:
    """Return 'zero_ (train.py:36) through wd'."""
    through = alias(write, owners)
    made = f"{write.call.name}{at(write.call.site)}"
    return f"{made} through {through}" if through else made


def alias(write: Write, owners: Owners) -> str:
    """Return the name of what was written through, or what kind of tensor it was."""
    tensor = write.alive()
    write.name = write.name or (owners.name(tensor) if tensor is not None else "")
    if write.name:
        return write.name
    cut = write.cut.partition(" ")[0]
    if cut:
        return "its .data" if cut == "data" else f"its {cut}()"
    return "a view" if write.view else ""


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


# -- memory by owner, each storage counted once ----------------------------------------------

LABELS = {
    PARAMETER: "parameters",
    GRADIENT: "gradients",
    OPTIMIZER: "optimizer state",
    BUFFER: "buffers",
    SAVED: "saved for backward",
}
OTHER = "other"


@on(p.AskBytes)
def _(request: p.AskBytes, session: Session, place: Place) -> MemoryUse:
    with figures.quiet(), without_gc():
        return use(Survey(session, place), request.largest)


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
    tensors = set().union(*(group.tensors(saved=label == LABELS[SAVED]) for group in groups))
    return OwnerBytes(label, sum(group.size for group in groups), len(groups), len(tensors))


def _holding(survey: Survey, group: Group) -> Holding:
    label = _label(group)
    piece = min(
        group.pieces, key=lambda each: (each.owner == SAVED, LABELS.get(each.owner) != label)
    )
    ranges, scattered = [], 0
    for each in group.pieces:
        where = each.layout(group.begin)
        used, exact = where.used()
        ranges += where.ranges() or []
        scattered += 0 if exact else used
    return Holding(
        storage=survey.id_of(group),
        name=piece.name,
        owner=label,
        nbytes=group.size,
        device=group.device,
        used=min(group.size, layout.total(layout.merged(ranges)) + scattered),
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
