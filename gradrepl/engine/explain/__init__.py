"""All that says why: an error, a missing gradient, the first nan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradrepl.engine.code import evaluate
from gradrepl.model import Error

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place


def error_of(raised: BaseException, session: Session, place: Place) -> Error:
    """Return the record of an exception, with what it is about and what to do, where we know."""
    error = evaluate.error(raised)
    if not session.stepper.torch_here:
        return error
    from gradrepl.engine.explain import errors

    return errors.explained(error, raised, session, place)
