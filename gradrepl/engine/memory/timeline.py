"""Who wrote to a tensor's memory, through which alias, and who had saved it at which version."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import torch

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine import torch_private
from gradrepl.engine.code.values import USER_ERRORS
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import without_gc
from gradrepl.engine.memory import layout, relations
from gradrepl.engine.memory.layout import Layout, Piece, placed
from gradrepl.engine.memory.owners import Saving
from gradrepl.engine.memory.remembered import Change, Known, WatchedStorage, Write
from gradrepl.engine.memory.storages import Group
from gradrepl.engine.memory.survey import STALE, Survey, alias, pieces_of, written
from gradrepl.engine.observers import Observer
from gradrepl.engine.session import Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts, figures
from gradrepl.errors import UsageError
from gradrepl.model import Moment, Stale, Versions

LISTED = 200
"""Moments in one record; the latest ones."""

UNSEEN = 500
"""Writes that a saved value's counter has not seen and that are looked at; the latest ones."""

Timed = tuple[float, Moment]
"""A moment and its place among the recorded ops."""


@on(p.AskStorages)
def _(request: p.AskStorages, session: Session, place: Place) -> model.Record:
    values = [(text, session.evaluate(text, place)) for text in request.expressions]
    with figures.quiet(), without_gc():
        survey = Survey(session, place)
        wanted = [each for text, value in values for each in pieces_of(text, value, survey.pieces)]
        survey.include(wanted)
        groups = survey.groups if not values else survey.groups_with(wanted)
        listed = sorted(groups, key=lambda group: group.names() < 2)[: request.limit]
        return model.Storages(
            storages=tuple(
                group.record(survey.known.ids, survey.site_of, survey.recorder.flow.made_of)
                for group in listed
            ),
            total=len(groups),
            tensors=len(set().union(*(group.tensors() for group in groups))),
            nbytes=sum(group.size for group in groups),
            stale=tuple(_stale(survey, listed)),
            cut=tuple(survey.owners.cut),
        )


def _stale(survey: Survey, groups: list[Group]) -> list[model.Stale]:
    """Return the stale values, and in what is watched also those that no counter tells."""
    stale: list[model.Stale] = []
    for group in groups:
        watched = survey.watched(group)
        if watched is None:
            stale += survey.stale(group)
        else:
            tensor = watched_tensor(group, watched)
            stale += Timeline(survey, tensor, watched.name, group).stale(watched)
    return stale[:STALE]


@on(p.AskVersions)
def _(request: p.AskVersions, session: Session, place: Place) -> model.Record:
    known = session.state(Known)
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
        session.stepper.observe(session.state(Written))
        watched, began = watch(survey, tensor, piece.name, group)
        history = Timeline(survey, tensor, request.expression, group)
        record = history.record(watched, began)
        watched.reported = frozenset(map(stale_key, record.stale))
        return record


def _only_piece(text: str, tensor: torch.Tensor, survey: Survey) -> Piece:
    pieces = pieces_of(text, tensor, survey.pieces)
    if len(pieces) != 1 or pieces[0].value is not tensor:
        raise UsageError(
            f"'{text}' lies in several storages: it is sparse.",
            f"Ask for one of {', '.join(piece.name for piece in pieces)}.",
        )
    return pieces[0]


def _watches(known: Known) -> model.Record:
    rows = (model.Watched(name=w.name, storage=w.id, how=w.how) for w in known.watched.values())
    return model.Watches(rows=tuple(rows))


def now(survey: Survey) -> tuple[int, int]:
    """Return the last op recorded, and the number that the next node of the graph gets."""
    return survey.recorder.last_id, torch_private.sequence_number()


def watch(
    survey: Survey, tensor: torch.Tensor, name: str, group: Group
) -> tuple[WatchedStorage, bool]:
    """Return what compares the content of the tensor's storage, and whether that begins now."""
    survey.known.forget_the_dead()
    watched = survey.known.watched.get(tensor.untyped_storage()._cdata)
    if watched is not None:
        watched.look(facts.version(tensor), now(survey))
        return watched, False
    watched = WatchedStorage(name, tensor, survey.id_of(group), now(survey))
    survey.known.watched[watched.key] = watched
    return watched, True


class Timeline:
    """The moments of one tensor's memory. Use it inside of ``figures.quiet()`` only."""

    def __init__(self, survey: Survey, tensor: torch.Tensor, name: str, group: Group) -> None:
        self.survey = survey
        self.tensor = tensor
        self.name = name
        self.group = group
        self.version = facts.version(tensor)
        self.writes = self._writes()
        self.savings = [(piece, piece.saving) for piece in group.pieces if piece.saving is not None]

    def record(self, watched: WatchedStorage, began: bool) -> Versions:
        """Return all that is known."""
        placed = [*self._written(), *self._saved(), *self._changed(watched)]
        moments = [moment for _, moment in sorted(placed, key=lambda each: each[0])]
        return Versions(
            name=self.name,
            storage=self.survey.id_of(self.group),
            version=self.version,
            moments=tuple(moments[-LISTED:]),
            dropped=max(0, len(moments) - LISTED) + max(0, len(self.savings) - LISTED),
            stale=self.stale(watched),
            content=watched.how,
            began=began,
            recorded=bool(self.survey.recorder.ops),
        )

    # -- writes ------------------------------------------------------------------------------

    def _writes(self) -> list[tuple[Write, bool | None]]:
        """Return the recorded writes into this memory, and whether our counter saw each."""
        writes, last = [], 0
        for write in self.survey.writes_into(self.group):
            seen = self._seen(write, last)
            if seen:
                last = write.after
            writes.append((write, seen))
        return writes

    def _seen(self, write: Write, last: int) -> bool | None:
        """Has the tensor's own counter counted this write? ``last`` is its version before."""
        through = write.alive()
        if through is not None:
            return relations.same_counter(through, self.tensor)
        if self.version is None or write.before < last or write.after > self.version:
            return False
        if write.cut:
            return not write.cut.startswith("data")
        return True if write.before == last else None

    def _written(self) -> Iterator[Timed]:
        last = 0
        for write, seen in self.writes:
            if seen and write.before > last:
                yield write.call.id - 0.5, _gap(last, write.before)
            if seen:
                last = write.after
            yield (
                float(write.call.id),
                Moment(
                    kind="write",
                    op=write.call.id,
                    what=write.call.name,
                    site=write.call.site,
                    through=alias(write, self.survey.owners),
                    before=write.before,
                    after=write.after,
                    seen=seen,
                ),
            )
        if self.version is not None and self.version > last:
            yield inf, _gap(last, self.version)

    # -- saved values ------------------------------------------------------------------------

    def _saved(self) -> Iterator[Timed]:
        done = set()
        for piece, saving in self.savings[-LISTED:]:
            if (saving.node, saving.version) in done:  # w * w saves w twice
                continue
            done.add((saving.node, saving.version))
            op = self.survey.op_of(saving.node)
            yield (
                float(op.id) if op else self._at(saving.node),
                Moment(
                    kind="save",
                    op=op.id if op else None,
                    what=f"{nodes.name(saving.node)}.{saving.attribute}",
                    site=op.site if op else None,
                    through=self.survey.name_in(self.group, piece),
                    before=saving.version,
                    after=saving.version,
                    seen=relations.same_counter(saving.value, self.tensor),
                    stale=bool(saving.stale),
                ),
            )

    def _at(self, node: Any) -> float:
        """Return where among the ops a node was made that was not recorded."""
        later = (w.call.id for w, _ in self.writes if _made_before(node, w))
        return min(later, default=inf) - 0.25

    # -- what no counter saw -----------------------------------------------------------------

    def _changed(self, watched: WatchedStorage) -> Iterator[Timed]:
        """Yield the changes of content that no recorded write explains."""
        for change in watched.changes:
            if not self._explained(change):
                version = change.version
                moment = Moment(kind="content", op=None, before=version, after=version, seen=False)
                yield change.before + 0.5, moment

    def _explained(self, change: Change) -> bool:
        unseen = (write.call.id for write, seen in self.writes if not seen)
        return any(change.after < op <= change.before for op in unseen)

    def stale(self, watched: WatchedStorage | None) -> tuple[Stale, ...]:
        """Return the values saved from this memory that are not what they were."""
        stale = self.survey.stale(self.group)
        changes = [c for c in watched.changes if not self._explained(c)] if watched else []
        silent: dict[Any, Stale] = {}
        for piece, saving in self.savings[-LISTED:]:
            if saving.node not in silent and not saving.stale:
                record = self._silently(piece, saving, changes)
                if record is not None:
                    silent[saving.node] = record
        return (*stale, *silent.values())

    def _silently(self, piece: Piece, saving: Saving, changes: list[Change]) -> Stale | None:
        """Return how a saved value was changed without its counter, if it was."""
        write = self._unseen_write(saving)
        if write is not None:
            return self._silent(piece, written(write, self.survey.owners), certain=True)
        if any(saving.node._sequence_nr() < change.sequence for change in changes):
            return self._silent(piece, "", certain=saving.value.nbytes == self.group.size)
        return None

    def _unseen_write(self, saving: Saving) -> Write | None:
        """Return the first write to a saved value that its counter has not seen."""
        where = Layout.of(placed(saving.value))
        own_counter = not relations.same_counter(saving.value, self.tensor)
        elsewhere = [w for w, seen in self.writes if seen is None or seen is own_counter]
        for write in elsewhere[-UNSEEN:]:
            touched = _made_before(saving.node, write) and layout.overlap(where, write.layout)[0]
            if touched and _skipped(write, saving):
                return write
        return None

    def _silent(self, piece: Piece, by: str, *, certain: bool) -> Stale:
        changed = f"changed by {by}" if by else "changed by a write that was not recorded"
        end = (
            "its gradient will be wrong, and nothing will say so"
            if certain
            else "its gradient may be wrong: the change may be in another part of this storage"
        )
        then = f"; its bytes were {changed}, unseen by the version counter: {end}."
        return self.survey.stale_record(piece, self.group, by, then, silent=True)


def _made_before(node: Any, write: Write) -> bool:
    """Was the node made before the write? Its number was given out before the write began."""
    return bool(node._sequence_nr() < write.call.seq)


def _skipped(write: Write, saving: Saving) -> bool:
    """Was a write counted elsewhere than on the counter of what was saved?

    A later write counted there would be at a higher version than the saved one.
    """
    through = write.alive()
    if through is not None:
        return relations.same_counter(through, saving.value) is False
    later = saving.version is not None and write.after <= saving.version
    return write.cut.startswith("data") or later


def _gap(before: int, after: int) -> Moment:
    return Moment(kind="unrecorded", before=before, after=after)


def stale_key(stale: Stale) -> str:
    """Return what identifies a stale value from stop to stop."""
    return f"{stale.node}.{stale.saved} {stale.saved_version} {stale.site} {stale.silent}"


def watched_tensor(group: Group, watched: WatchedStorage) -> Any:
    """Return the tensor of a watched storage that has the name it was asked for by, or another."""
    mine = [piece for piece in group.pieces if piece.key == watched.key]
    named = [piece for piece in mine if piece.name == watched.name]
    return (named or mine)[0].value


# -- what a stop tells -----------------------------------------------------------------------


class Written(Observer):
    """Tells at a stop of each watched storage that was written to, or has a saved value stale."""

    built_in = True

    def __init__(self, session: Session) -> None:
        self.session = session

    def news(self, place: Place) -> list[model.Watch]:
        """Return a line for each; only what is new since the stop before."""
        known = self.session.state(Known)
        known.forget_the_dead()
        if not known.watched:
            return []
        try:
            with figures.quiet():
                survey = Survey(self.session, place)
                lines = [_news(survey, watched) for watched in list(known.watched.values())]
                return [line for line in lines if line is not None]
        except USER_ERRORS as problem:  # the user's own classes, asked for what they hold
            return [model.Watch("memory", f"** {type(problem).__name__}: {problem} **"[:200])]


def _news(survey: Survey, watched: WatchedStorage) -> model.Watch | None:
    group = survey.group_of(watched.key)
    if group is None:
        return None
    tensor = watched_tensor(group, watched)
    before, version = watched.version, facts.version(tensor)
    silent = watched.look(version, now(survey))
    history = Timeline(survey, tensor, watched.name, group)
    for write, _ in history.writes:
        alias(write, survey.owners)  # asked for now, as the tensor may soon be gone
    stale = history.stale(watched)
    new = [each.sentence for each in stale if stale_key(each) not in watched.reported]
    watched.reported = frozenset(map(stale_key, stale))
    if not silent and not new and version == before:
        return None
    still = " still, but its bytes changed unseen by the counter" if silent else ""
    text = "; ".join([_version(version) + still, *new])
    return model.Watch(f"memory of {watched.name}", text, _version(before))


def _version(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"
