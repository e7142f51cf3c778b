"""What to say about 'modified by an inplace operation': which line wrote, through which alias."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import structs

from gradrepl.engine.explain import leaf
from gradrepl.engine.graph.nodes import STALE
from gradrepl.engine.memory.survey import Survey
from gradrepl.engine.tensor import figures
from gradrepl.model import Error

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

SHAPE = re.compile(r"\[torch\.\w+ \[([\d, ]*)\]\]")
SUSPECTS = 3
"""Ops that are named where the tensor itself is out of reach."""


def explained(message: str, session: Session, place: Place) -> str:
    """Return what was saved, where, and who wrote to it; '' where that is not known.

    ``message`` is torch's own; the value that it means is found by it in the graphs in scope.
    """
    if STALE not in message or not session.stepper.torch_here:
        return ""
    with figures.quiet():
        survey = Survey(session, place)
        for group in survey.groups:
            for piece in group.pieces:
                said = piece.saving.stale.partition(" Hint:")[0] if piece.saving else ""
                if said and said in message:
                    return survey.stale_sentence(piece, group)
    return ""


def suspects(message: str, session: Session) -> str:
    """Name the recorded ops that wrote to a tensor of the shape that torch's message gives."""
    match = SHAPE.search(message)
    if match is None or not session.stepper.torch_here:
        return ""
    shape = tuple(int(size) for size in match[1].split(",") if size.strip())
    ops = [call for call, _, _ in session.recorder.flow.entries]
    wrote = [call for call in ops if call.bumped and call.shape == shape]
    said = list(dict.fromkeys(leaf.said(call) for call in reversed(wrote)))[:SUSPECTS]
    return f"It was probably written by {', '.join(said)}, on shape {shape}." if said else ""


def name_the_write(error: Error, session: Session, place: Place) -> Error:
    """Return ``error`` with a hint that says who wrote, where that is known."""
    if STALE not in error.message:
        return error
    said = explained(error.message, session, place)
    if "written by" not in said:
        said = f"{said} {suspects(error.message, session)}".strip()
    return structs.replace(error, hint=f"{said} {error.hint}".strip()) if said else error
