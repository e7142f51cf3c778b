"""Who wrote to a tensor's memory, through which alias, and who had saved it at which version."""

from __future__ import annotations

from math import inf
from typing import Any

import torch

from gradrepl.engine import nodes, tensors, torch_private
from gradrepl.engine.memory import content, counters, layout
from gradrepl.engine.memory.content import Change, Watch
from gradrepl.engine.memory.pieces import Piece
from gradrepl.engine.memory.storages import Group
from gradrepl.engine.memory.survey import Survey, alias, place_of
from gradrepl.engine.memory.writes import Write, layout_of
from gradrepl.model import Moment, Stale, Versions

LISTED = 200
"""Moments in one record; the latest ones."""

UNSEEN = 500
"""Writes that a saved value's counter has not seen and that are looked at; the latest ones."""

Placed = tuple[float, Moment]
"""A moment and its place among the recorded ops."""


def now(survey: Survey) -> tuple[int, int]:
    """Return the last op recorded, and the number that the next node of the graph gets."""
    return survey.recorder.last_id, torch_private.sequence_number()


def watch(survey: Survey, tensor: torch.Tensor, name: str, group: Group) -> tuple[Watch, bool]:
    """Return what compares the content of the tensor's storage, and whether that begins now."""
    watched = survey.known.watched
    survey.known.forget_the_dead()
    key = tensor.untyped_storage()._cdata
    found = watched.get(key)
    if found is not None:
        found.look(tensors.version(tensor), now(survey))
        return found, False
    made = content.Watch(name, tensor, survey.id_of(group), now(survey))
    survey.known.watched[key] = made
    return made, True


class Timeline:
    """The moments of one tensor's memory. Use it inside of ``tensors.quiet()`` only."""

    def __init__(self, survey: Survey, tensor: torch.Tensor, name: str, group: Group) -> None:
        self.survey = survey
        self.tensor = tensor
        self.name = name
        self.group = group
        self.version = tensors.version(tensor)
        self.writes = self._writes()
        self.savings = [piece for piece in group.pieces if piece.saving is not None]

    def record(self, watched: Watch, began: bool) -> Versions:
        """Return all that is known."""
        found = [*self._written(), *self._saved(), *self._changed(watched)]
        found.sort(key=lambda placed: placed[0])
        moments = [moment for _, moment in found]
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
        keys = {piece.key for piece in self.group.pieces if piece.key}
        found, last = [], 0
        for write in self.survey.recorder.writes.to(keys):
            seen = self._seen(write, last)
            if seen:
                last = write.after
            found.append((write, seen))
        return found

    def _seen(self, write: Write, last: int) -> bool | None:
        """Has the tensor's own counter counted this write? ``last`` is its version before."""
        through = write.alive()
        if through is not None:
            return counters.same(through, self.tensor)
        if self.version is None or write.before < last or write.after > self.version:
            return False
        if write.cut:
            return not write.cut.startswith("data")
        return True if write.before == last else None

    def _written(self) -> list[Placed]:
        found: list[Placed] = []
        last = 0
        for write, seen in self.writes:
            if seen and write.before > last:
                found.append((write.call.id - 0.5, _gap(last, write.before)))
            if seen:
                last = write.after
            moment = Moment(
                kind="write", op=write.call.id, what=write.call.name, site=write.call.site,
                through=alias(write, self.survey.owners), before=write.before,
                after=write.after, seen=seen,
            )  # fmt: skip
            found.append((float(write.call.id), moment))
        if self.version is not None and self.version > last:
            found.append((inf, _gap(last, self.version)))
        return found

    # -- saved values ------------------------------------------------------------------------

    def _saved(self) -> list[Placed]:
        found: list[Placed] = []
        done = set()
        for piece in self.savings[-LISTED:]:
            saving = piece.saving
            assert saving is not None
            version = saving.version
            if (saving.node, version) in done:  # w * w saves w twice
                continue
            done.add((saving.node, version))
            op = self.survey.op_of(saving.node)
            moment = Moment(
                kind="save", op=op.id if op else None,
                what=f"{nodes.name(saving.node)}.{saving.attribute}",
                site=op.site if op else None,
                through=self.survey.name_in(self.group, piece), before=version, after=version,
                seen=counters.same(saving.value, self.tensor), stale=bool(saving.stale),
            )  # fmt: skip
            found.append((float(op.id) if op else self._at(saving.node), moment))
        return found

    def _at(self, node: Any) -> float:
        """Return where among the ops a node was made that was not recorded."""
        later = (w.call.id for w, _ in self.writes if _before(node, w))
        return min(later, default=inf) - 0.25

    # -- what no counter saw -----------------------------------------------------------------

    def _changed(self, watched: Watch) -> list[Placed]:
        """Return the changes of content that no recorded write explains."""
        found: list[Placed] = []
        for change in watched.changes:
            if any(
                change.after < w.call.id <= change.before for w, seen in self.writes if not seen
            ):
                continue
            moment = Moment(
                kind="content", op=None, before=change.version, after=change.version, seen=False
            )
            found.append((change.before + 0.5, moment))
        return found

    def stale(self, watched: Watch | None) -> tuple[Stale, ...]:
        """Return the values saved from this memory that are not what they were."""
        found = self.survey.stale(self.group)
        nodes_told = set()
        for piece in self.savings[-LISTED:]:
            assert piece.saving is not None
            node = piece.saving.node
            if node not in nodes_told and not piece.saving.stale:
                told = self._silently(piece, watched)
                if told is not None:
                    nodes_told.add(node)
                    found.append(told)
        return tuple(found)

    def _silently(self, piece: Piece, watched: Watch | None) -> Stale | None:
        """Return how a saved value was changed without its counter, if it was."""
        saving = piece.saving
        assert saving is not None
        where = layout_of(saving.value)
        own_counter = not counters.same(saving.value, self.tensor)
        elsewhere = [w for w, seen in self.writes if seen is None or seen is own_counter]
        for write in elsewhere[-UNSEEN:]:
            if not _before(saving.node, write) or not layout.overlap(where, write.layout)[0]:
                continue
            through = write.alive()
            if through is not None:
                own = counters.same(through, saving.value) is False
            else:
                own = write.cut.startswith("data") or _passed_by(write, saving.version)
            if own:
                by = f"{write.call.name} ({place_of(write.call.site)})"
                name = alias(write, self.survey.owners)
                return self._told(piece, f"{by} through {name}" if name else by, certain=True)
        for change in watched.changes if watched is not None else ():
            if saving.node._sequence_nr() < change.sequence and not self._explained(change):
                whole = saving.value.nbytes == self.group.size
                return self._told(piece, "", certain=whole)
        return None

    def _explained(self, change: Change) -> bool:
        unseen = (write.call.id for write, seen in self.writes if not seen)
        return any(change.after < op <= change.before for op in unseen)

    def _told(self, piece: Piece, by: str, *, certain: bool) -> Stale:
        saving = piece.saving
        assert saving is not None
        node, name = nodes.name(saving.node), self.survey.name_in(self.group, piece)
        site = self.survey.site_of(saving.node)
        where = f" ({place_of(site)})" if site else ""
        changed = f"changed by {by}" if by else "changed by a write that was not recorded"
        end = (
            "its gradient will be wrong, and nothing will say so"
            if certain
            else "its gradient may be wrong: the change may be in another part of this storage"
        )
        return Stale(
            node=node, saved=saving.attribute, name=name, storage=self.survey.id_of(self.group),
            silent=True, saved_version=saving.version, version=saving.value._version, site=site,
            written_by=by,
            sentence=f"{node}{where} saved {name or saving.attribute} at version "
            f"{saving.version}; its bytes were {changed}, unseen by the version counter: {end}.",
        )  # fmt: skip


def _before(node: Any, write: Write) -> bool:
    """Was the node made before the write? Its number was given out before the write began."""
    return bool(node._sequence_nr() < write.call.seq)


def _passed_by(write: Write, version: int | None) -> bool:
    """Was a later write counted elsewhere: on the counter of what was saved it would be higher."""
    return version is not None and write.after <= version


def _gap(before: int, after: int) -> Moment:
    return Moment(kind="unrecorded", before=before, after=after)


def told(stale: Stale) -> str:
    """Return what identifies a stale value from stop to stop."""
    return f"{stale.node}.{stale.saved} {stale.saved_version} {stale.site} {stale.silent}"


def lies_in(group: Group, watched: Watch) -> Any:
    """Return the tensor of a watched storage that has the name it was asked for by, or another."""
    mine = [piece for piece in group.pieces if piece.key == watched.key]
    named = [piece for piece in mine if piece.name == watched.name]
    return (named or mine)[0].value
