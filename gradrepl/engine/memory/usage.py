"""Memory by owner, each storage counted once."""

from __future__ import annotations

import torch

from gradrepl.engine.memory import layout
from gradrepl.engine.memory.owners import BUFFER, GRADIENT, OPTIMIZER, PARAMETER, SAVED
from gradrepl.engine.memory.storages import Group
from gradrepl.engine.memory.survey import Survey
from gradrepl.model import Holding, MemoryUse, OwnerBytes

LABELS = {
    PARAMETER: "parameters", GRADIENT: "gradients", OPTIMIZER: "optimizer state",
    BUFFER: "buffers", SAVED: "saved for backward",
}  # fmt: skip
OTHER = "other"


def use(survey: Survey, largest: int) -> MemoryUse:
    """Return who holds how much. Call it only inside of ``tensors.quiet()``."""
    groups = [group for group in survey.groups if group.device != "meta"]
    labels = [_label(group) for group in groups]
    devices: dict[str, int] = {}
    for group in groups:
        devices[group.device] = devices.get(group.device, 0) + group.size
    order = sorted(range(len(groups)), key=lambda at: -groups[at].size)[:largest]
    allocated, reserved = _cuda()
    return MemoryUse(
        owners=tuple(
            _row(label, [g for g, its in zip(groups, labels, strict=True) if its == label])
            for label in [*LABELS.values(), OTHER]
        ),
        total=sum(group.size for group in groups),
        largest=tuple(_holding(survey, groups[at], labels[at]) for at in order),
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


def _holding(survey: Survey, group: Group, label: str) -> Holding:
    piece = min(
        group.pieces, key=lambda each: (each.owner == SAVED, LABELS.get(each.owner) != label)
    )
    ranges = []
    for each in group.pieces:
        where = each.layout(group.begin)
        ranges += where.ranges() or [where.span()]
    return Holding(
        storage=survey.id_of(group), name=piece.name, owner=label, nbytes=group.size,
        device=group.device, used=layout.total(layout.merged(ranges)),
    )  # fmt: skip


def _cuda() -> tuple[int | None, int | None]:
    """Return bytes allocated and reserved on all devices; nothing where CUDA is not in use."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None, None
    every = range(torch.cuda.device_count())
    return (
        sum(torch.cuda.memory_allocated(device) for device in every),
        sum(torch.cuda.memory_reserved(device) for device in every),
    )
