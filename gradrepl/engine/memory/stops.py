"""What a stop tells of the memory that is watched: only what is new since the stop before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradrepl.engine.memory import identity, timeline
from gradrepl.engine.memory.survey import Survey, alias
from gradrepl.engine.memory.timeline import Timeline
from gradrepl.engine.tensor import facts, figures
from gradrepl.model import Watch

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place


def look(session: Session, place: Place) -> list[Watch]:
    """Return a line for each watched storage that was written to, or has a saved value stale."""
    known = identity.known(session)
    known.forget_the_dead()
    if not known.watched:
        return []
    try:
        return _news(session, place, known)
    except Exception as problem:  # the user's own classes, asked for what they hold
        return [Watch("memory", f"** {type(problem).__name__}: {problem} **"[:200])]


def _news(session: Session, place: Place, known: identity.Known) -> list[Watch]:
    found = []
    with figures.quiet():
        survey = Survey(session, place)
        for watched in list(known.watched.values()):
            group = survey.group_of(watched.key)
            if group is None:
                continue
            tensor = timeline.lies_in(group, watched)
            before, version = watched.version, facts.version(tensor)
            silent = watched.look(version, timeline.now(survey))
            history = Timeline(survey, tensor, watched.name, group)
            for write, _ in history.writes:
                alias(write, survey.owners)  # asked for now, as the tensor may soon be gone
            stale = history.stale(watched)
            new = [each.sentence for each in stale if timeline.told(each) not in watched.told]
            watched.told = frozenset(map(timeline.told, stale))
            if not silent and not new and version == before:
                continue
            said = [_version(version)]
            if silent:
                said = [f"{_version(version)} still, but its bytes changed unseen by the counter"]
            text = "; ".join([*said, *new])
            found.append(Watch(f"memory of {watched.name}", text, _version(before)))
    return found


def _version(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"
