"""Which function answers which request: ``@on`` stands on the function itself.

    @on(p.Describe)
    def describe(request: p.Describe, session: Session, place: Place) -> Answer: ...

It runs in the thread that is parked, and returns a record, or None where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gradrepl.model import Record

Answer = Record | None
Handler = Callable[..., Answer]
"""(request, session, place) -> record"""
F = TypeVar("F", bound=Handler)

HANDLERS: dict[type, Handler] = {}
"""By kind of request."""


def on(*kinds: type) -> Callable[[F], F]:
    """Register the answer to these kinds of request."""

    def register(handler: F) -> F:
        HANDLERS.update(dict.fromkeys(kinds, handler))
        return handler

    return register
