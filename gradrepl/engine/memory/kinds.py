"""The kind of a sharing: what torch itself knows of two tensors that lie in one memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gradrepl.engine.memory.owners import GRADIENT, PARAMETER, SAVED, STOP
from gradrepl.engine.memory.pieces import Piece

BASE, VIEW, DETACH, DATA, NUMPY = "base", "view", "detach", "data", "numpy"
EXPAND, TIED, ALIAS = "expand", "tied", "alias"

_HELD = (GRADIENT, SAVED, STOP)
"""Owners that get their tensor from elsewhere: it is another's where they share."""


def root(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor that this one is a differentiable view of, or itself."""
    base = tensor._base if tensor._is_view() else None
    return tensor if base is None else base


def repeats(tensor: torch.Tensor) -> bool:
    """Does some element stand for several: a stride 0 along more than one?"""
    pairs = zip(tensor.shape, tensor.stride(), strict=True)
    return any(size > 1 and stride == 0 for size, stride in pairs)


def relation(one: Piece, other: Piece, same_counter: bool | None) -> str:
    """Return how ``one`` shares the memory that ``other`` lies in, too.

    Call it only inside of ``tensors.quiet()``.
    """
    a, b = one.value, other.value
    if one.storage is None or other.storage is None:
        return NUMPY
    if a is b:
        return TIED if one.owner == other.owner == PARAMETER else ALIAS
    if same_counter and root(a) is root(b):
        return EXPAND if repeats(a) and not repeats(b) else VIEW
    if one.owner in _HELD or same_counter is None or one.key != other.key:
        return ALIAS
    return DETACH if same_counter else DATA


def base_of(pieces: Sequence[Piece]) -> int:
    """Return the place of the piece that the others are told in relation to."""
    roots = {id(root(piece.value)) for piece in pieces if piece.storage is not None}

    def rank(place: int) -> tuple[bool, ...]:
        piece = pieces[place]
        if piece.storage is None:
            return (True,)
        tensor = piece.value
        return (
            False,
            piece.owner in (SAVED, STOP),
            tensor._is_view(),
            not tensor.requires_grad,
            piece.owner in _HELD,
            id(tensor) not in roots,
        )

    return min(range(len(pieces)), key=rank)
