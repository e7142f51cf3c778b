"""What a stop tells of the memory that is watched: only what is new since the stop before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradrepl.engine import tensors
from gradrepl.engine.memory import identity, timeline
from gradrepl.engine.memory.survey import Survey
from gradrepl.engine.memory.timeline import Timeline
from gradrepl.model import Watch

if TYPE_CHECKING:
    from gradrepl.engine.gate import Place
    from gradrepl.engine.session import Session


def look(session: Session, place: Place) -> list[Watch]:
    """Return a line for each watched storage that was written to, or has a saved value stale."""
    known = identity.known(session)
    known.forget_the_dead()
    if not known.watched:
        return []
    found = []
    with tensors.quiet():
        survey = Survey(session, place)
        for watched in list(known.watched.values()):
            group = survey.group_of(watched.key)
            if group is None:
                continue
            tensor = timeline.lies_in(group, watched)
            before, version = watched.version, tensors.version(tensor)
            silent = watched.look(version, timeline.now(survey))
            stale = Timeline(survey, tensor, watched.name, group).stale(watched)
            new = [each.sentence for each in stale if timeline.told(each) not in watched.told]
            watched.told = frozenset(map(timeline.told, stale))
            said = [f"version {version}"] if version is not None else []
            said += ["its bytes changed unseen by the version counter"] if silent else []
            if silent or new or version != before:
                was = f"version {before}" if version != before else ""
                found.append(Watch(f"memory of {watched.name}", "; ".join([*said, *new]), was))
    return found
