"""Tensors by storage: which lie in one memory, where in it, and how they share."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property
from math import prod
from typing import Any

import torch
from msgspec import structs

from gradrepl.engine.graph import nodes
from gradrepl.engine.memory import relations
from gradrepl.engine.memory.layout import Layout, Piece, pieces
from gradrepl.engine.memory.owners import (
    GRADIENT,
    PARAMETER,
    SAVED,
    STOP,
    VARIABLE,
    Owned,
    Owners,
    is_array,
)
from gradrepl.engine.memory.remembered import Ids
from gradrepl.engine.tensor import facts
from gradrepl.model import Member, Site, Storage

MEMBERS = 256
"""Members of one storage that are sent."""
SAVINGS = 8
"""Of these, values saved for backward."""

SiteOf = Callable[[Any], Site | None]
"""The recorded line of the op that made a node."""
MadeOf = Callable[[Any], set[int]]


class Group:
    """Pieces that lie in one memory: in one storage, or in several over the same bytes."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self.base = 0
        if len(pieces) == 1:
            self.begin, self.size, self.device = pieces[0].begin(), pieces[0].size, pieces[0].device
            return
        self.base = base_of(pieces)
        owners = [piece for piece in pieces if piece.storage is not None] or pieces
        self.begin = min(piece.begin() for piece in owners)
        self.size = max(piece.end() for piece in owners) - self.begin
        self.device = pieces[self.base].device

    @property
    def storage(self) -> torch.UntypedStorage | None:
        """The storage that gives the group its number; None for arrays only."""
        return self.pieces[self.base].storage

    def names(self) -> int:
        """Return how many names it has beside those that only the graph has."""
        return sum(piece.owner != SAVED for piece in self.pieces)

    def tensors(self, saved: bool = False) -> set[int]:
        """Return the identities of its tensors; with ``saved`` also of what only the graph has."""
        return {id(piece.value) for piece in self.pieces if saved or piece.owner != SAVED}

    @cached_property
    def named(self) -> list[tuple[Layout, Piece]]:
        """Tensors that have a name of the user's, with their places; those with gradient first."""
        named = [each for each in self.pieces if each.owner != SAVED and each.storage is not None]
        named.sort(key=lambda each: not each.value.requires_grad)
        return [(each.layout(self.begin), each) for each in named]

    def shared(self) -> str:
        """Say whether other processes or devices reach this memory."""
        storage = self.storage
        if storage is None or self.device == "meta":
            return "no bytes" if self.device == "meta" else ""
        if storage.device.type != "cpu":
            return ""
        if storage.is_shared():
            return "shared file"
        pinned = torch.cuda.is_initialized() and storage.is_pinned()  # type: ignore[no-untyped-call]
        return "pinned" if pinned else ""

    def record(self, ids: Ids, site_of: SiteOf, made: MadeOf = lambda _: set()) -> Storage:
        """Return its record; ``made``: what recorded ops have made of a tensor, by identity."""
        shown, saved = [], 0
        for place, piece in enumerate(self.pieces):
            saved += piece.owner == SAVED
            stale = piece.saving is not None and bool(piece.saving.stale)
            if piece.owner != SAVED or saved <= SAVINGS or stale:
                shown.append(place)
        shown.sort(key=lambda place: place != self.base)
        return Storage(
            id=ids.of(self.storage) if self.storage is not None else "",
            nbytes=self.size,
            device=self.device,
            shared=self.shared(),
            members=tuple(self._members(shown[:MEMBERS], site_of, made)),
            names=len(self.pieces),
        )

    def _members(self, shown: list[int], site_of: SiteOf, made: MadeOf) -> list[Member]:
        alive = [place for place in shown if self.pieces[place].storage is not None]
        counters = relations.counter_groups([self.pieces[at].value for at in alive])
        numbers = dict(zip(alive, counters, strict=True))
        first: dict[int, int] = {}
        members: list[Member] = []
        recorded: set[int] | None = None
        for place in shown:
            piece, lead = self.pieces[place], self._lead(place, first)
            kind, mutual = self._kind(place, lead, numbers)
            if mutual:
                recorded = made(self.pieces[self.base].value) if recorded is None else recorded
                mutual = id(piece.value) not in recorded
            first.setdefault(id(piece.value), place)
            of = "" if lead is None else self.pieces[lead].name
            member = _member(piece, self.begin, kind, of, numbers.get(place), site_of)
            members.append(structs.replace(member, mutual=mutual))
        if any(member.mutual for member in members) and members[0].kind == BASE:
            members[0] = structs.replace(members[0], kind="")
        return members

    def _kind(
        self, place: int, lead: int | None, numbers: dict[int, int | None]
    ) -> tuple[str, bool]:
        """Return how a piece shares with ``lead``, and whether that may be told the other way."""
        piece, number = self.pieces[place], numbers.get(place)
        if lead is None:
            view = piece.storage is not None and piece.value._is_view()
            return (EXPAND if repeats(piece.value) else VIEW) if view else BASE, False
        other = self.pieces[lead]
        known = number is not None and numbers.get(lead) is not None
        kind = relation(piece, other, number == numbers.get(lead) if known else None)
        return kind, not made_of(piece, other, kind)

    def _lead(self, place: int, first: dict[int, int]) -> int | None:
        """Return the piece that this one is told in relation to; None for the base."""
        value = self.pieces[place].value
        if id(value) in first:
            return first[id(value)]
        if place == self.base:
            return None
        if self.pieces[place].storage is not None:
            base = id(root(value))
            if base != id(value) and base in first:
                return first[base]
        return self.base


def grouped(laid: Sequence[Piece]) -> list[Group]:
    """Return the pieces grouped by memory, in the order in which they were found.

    Arrays are kept only where they share with a tensor. Call it only inside of
    ``figures.quiet()``.
    """
    by_key: dict[int, list[Piece]] = {}
    arrays = []
    for piece in laid:
        if piece.storage is None:
            arrays.append(piece)
        else:
            by_key.setdefault(piece.key, []).append(piece)
    together = _joined(list(by_key.values()))
    if arrays:
        _add_arrays(together, arrays)
    return [Group(members) for members in together]


def _add_arrays(together: list[list[Piece]], arrays: list[Piece]) -> None:
    spans = sorted(
        (min(m.begin() for m in members), max(m.end() for m in members), place)
        for place, members in enumerate(together)
        if members[0].device == "cpu" and members[0].address
    )
    starts = [start for start, _, _ in spans]
    for array in arrays:
        place = bisect_right(starts, array.begin()) - 1
        if place >= 0 and array.begin() < spans[place][1]:
            together[spans[place][2]].append(array)


def _joined(groups: list[list[Piece]]) -> list[list[Piece]]:
    """Join the storages that lie over the same bytes: ``from_numpy``, dlpack."""
    order = sorted(
        (place for place, members in enumerate(groups) if members[0].address and members[0].size),
        key=lambda place: (groups[place][0].device, groups[place][0].address),
    )
    gone = set()
    last, end = -1, 0
    for place in order:
        head = groups[place][0]
        if last >= 0 and groups[last][0].device == head.device and head.address < end:
            keep, drop = sorted((last, place))
            groups[keep].extend(groups[drop])
            gone.add(drop)
            last = keep
            end = max(end, head.end())
        else:
            last, end = place, head.end()
    return [members for place, members in enumerate(groups) if place not in gone]


def _member(
    piece: Piece, begin: int, kind: str, of: str, number: int | None, site_of: SiteOf
) -> Member:
    layout = piece.layout(begin)
    ranges, exact, density = layout.listed()
    member = Member(
        name=piece.name,
        kind=kind,
        of=of,
        owner=piece.owner,
        offset=layout.span()[0],
        shape=layout.shape,
        ranges=ranges,
        exact=exact,
        density=density,
        nbytes=prod(layout.shape) * layout.itemsize,
        stride=tuple(stride // max(1, layout.itemsize) for stride in layout.strides),
        dtype=facts.short(piece.value.dtype),
    )
    if piece.storage is None:
        return member
    tensor, saving = piece.value, piece.saving
    return structs.replace(
        member,
        version=facts.version(tensor),
        counter=number,
        requires_grad=tensor.requires_grad,
        is_leaf=facts.is_leaf(tensor),
        grad_fn=facts.node_name(tensor),
        saved_version=saving.version if saving else None,
        stale=bool(saving and saving.stale),
        site=site_of(saving.node) if saving else None,
    )


def everything(owners: Owners) -> list[Piece]:
    """Return where everything lies that can be named, what the graph saved included.

    Call it only inside of ``figures.quiet()``.
    """
    everywhere = [piece for each in (*owners.tensors, *owners.arrays) for piece in pieces(each)]
    for saving in owners.savings():
        name = f"{nodes.name(saving.node)}.{saving.attribute}"
        everywhere += pieces(Owned(name, SAVED, saving.value), saving)
    return everywhere


def asked(expression: str, value: Any, known: Sequence[Piece]) -> list[Piece]:
    """Return where the value of a typed expression lies: the known piece, where there is one."""
    mine = (piece for piece in known if piece.value is value and piece.owner != SAVED)
    first = next(mine, None)
    return [first] if first else list(pieces(Owned(expression, VARIABLE, value)))


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

    Call it only inside of ``figures.quiet()``.
    """
    a, b = one.value, other.value
    if one.storage is None or other.storage is None:
        return NUMPY
    if a is b:
        return TIED if one.owner == other.owner == PARAMETER else ALIAS
    if same_counter and root(a) is root(b):
        return EXPAND if repeats(a) and not repeats(b) else VIEW
    if one.owner in _HELD or one.key != other.key:
        return ALIAS
    return {True: DETACH, False: DATA, None: ALIAS}[same_counter]


def made_of(one: Piece, other: Piece, kind: str) -> bool:
    """Does torch know that ``one`` came of ``other``, and not the other way, or both of a third?

    A view knows its base. Nothing is kept of a ``detach()``: only that it requires no gradient.
    """
    a, b = one.value, other.value
    if kind in (VIEW, EXPAND):
        return root(a) is b
    if kind == NUMPY:
        while one.storage is None and is_array(a.base):
            a = a.base
        a = a.base if one.storage is None else None
        return isinstance(a, torch.Tensor) and a.untyped_storage()._cdata == other.key
    return kind not in (DETACH, DATA) or (b.requires_grad and not a.requires_grad)


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
