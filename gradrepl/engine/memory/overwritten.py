"""What to say about 'modified by an inplace operation': which line wrote, through which alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from gradrepl.engine import tensors
from gradrepl.engine.memory.survey import Survey
from gradrepl.model import Error

if TYPE_CHECKING:
    from gradrepl.engine.gate import Place
    from gradrepl.engine.session import Session

STALE = "modified by an inplace operation"


def explained(message: str, session: Session, place: Place) -> str:
    """Return what was saved, where, and who wrote to it; '' where that is not known.

    ``message`` is torch's own; the value that it means is found by it in the graphs in reach.
    """
    if STALE not in message or not session.stepper.torch_here:
        return ""
    with tensors.quiet():
        survey = Survey(session, place)
        for group in survey.groups:
            for piece in group.pieces:
                said = piece.saving.stale.partition(" Hint:")[0] if piece.saving else ""
                if said and said in message:
                    return survey.stale_sentence(piece, group)
    return ""


def name_the_write(error: Error, session: Session, place: Place) -> Error:
    """Return ``error`` with a hint that says who wrote, where that is known."""
    if STALE not in error.message:
        return error
    said = explained(error.message, session, place)
    return structs.replace(error, hint=f"{said} {error.hint}".strip()) if said else error
