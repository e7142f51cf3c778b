"""Answers that plugins give, or have a part in."""

from __future__ import annotations

from typing import Any

import msgspec

from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, answer, on
from gradrepl.engine.plugged.observers import OWN
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.errors import UsageError
from gradrepl.model import Findings, Record

SEVERITY = ("error", "warning", "note")
MOST = 64
"""Findings in one answer."""
LOOKED_AT = ("memory in reach", "modules and optimizers in reach", "watched gradients")


class Here:
    """Where the program is parked, for the plugin that answers there."""

    def __init__(self, session: Session, place: Place) -> None:
        self.session = session
        """The engine's own; its inside may change between versions."""
        self.place = place

    @property
    def names(self) -> dict[str, Any]:
        """The variables in scope, the innermost winning."""
        return names(self.session, self.place)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of the user's.

        Raises:
            UsageError: it has none.
        """
        return value_of(self.session, self.place, expression)

    def ask(self, request: p.Request) -> Answer:
        """Return the record that answers a request."""
        return answer(request, self.session, self.place)


@on(p.AskPlugin)
def _(request: p.AskPlugin, session: Session, place: Place) -> Answer:
    plugins = session.observers.plugins  # loads them, so that the request's class is known
    given = {"request": p.unpacked(request, p.Request), "here": Here(session, place)}
    if given["request"] is not None:
        for _, record in plugins.call("gradrepl_answer", **given):
            if isinstance(record, Record):
                return record
    raise UsageError(
        f"no plugin in the debuggee answers '{request.kind}'.", "':plugins' lists them."
    )


@on(p.AskFindings)
def _(request: p.AskFindings, session: Session, place: Place) -> Answer:
    here = Here(session, place)
    with session.quietly():
        rows = [
            msgspec.structs.replace(row, why=row.why or _says(name))
            for name, row in session.observers.plugins.flat(
                "gradrepl_findings", names=here.names, ask=here.ask
            )
        ]
    rows.sort(key=lambda row: SEVERITY.index(row.severity) if row.severity in SEVERITY else 9)
    looked_at = LOOKED_AT if session.stepper.health is not None else LOOKED_AT[:-1]
    return Findings(rows=tuple(rows[:MOST]), looked_at=looked_at)


def _says(plugin: str) -> str:
    return "" if plugin == OWN else f"says the plugin '{plugin}'"


def value_of(session: Session, place: Place, expression: str) -> Any:
    """Return the value of an expression of the user's.

    Raises:
        UsageError: it has none.
    """
    try:
        return session.evaluate(expression, place)
    except Exception as error:  # the user's expression
        raise UsageError(f"{expression}: {type(error).__name__}: {error}") from None


def names(session: Session, place: Place) -> dict[str, Any]:
    """Return the variables in reach, the innermost winning."""
    with session.scope(place) as (space, local):
        return {**space, **local}
