"""What a plugin's half in the program may ask while it answers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from gradrepl.engine.progress import Telling
from gradrepl.errors import UsageError
from gradrepl.model import Record
from gradrepl.protocol import Request

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place


class Here:
    """Where the program is parked."""

    def __init__(self, session: Session, place: Place) -> None:
        self.session = session
        self.place = place

    @property
    def names(self) -> dict[str, Any]:
        """The variables in scope, the innermost winning."""
        with self.session.scope(self.place) as (space, local):
            return {**space, **local}

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of the user's.

        Raises:
            UsageError: it has none.
        """
        try:
            return self.session.evaluate(expression, self.place)
        except Exception as error:  # the user's expression
            raise UsageError(f"{expression}: {type(error).__name__}: {error}") from None

    def ask(self, request: Request) -> Record | None:
        """Return the record that answers a request."""
        return self.session.answer(request, self.place)

    def grad_as_typed(self) -> AbstractContextManager[Any]:
        """Record gradients where what the user types would: inside a backward the mode is off."""
        return self.session.grad_as_typed(self.place)

    def progress(self, what: str, total: int | None = None, unit: str = "batches") -> Telling:
        """Tell how far something long is, and take Ctrl-C as the wish to have what there is."""
        return Telling(self.session, what, total, unit)
