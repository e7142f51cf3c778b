"""Answers that plugins give, or have a part in."""

from __future__ import annotations

import msgspec

from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, on
from gradrepl.engine.health.wanted import Gradients
from gradrepl.engine.plugged.here import Here
from gradrepl.engine.plugged.observers import OWN, Plugged
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.errors import UsageError
from gradrepl.model import Findings, Record

SEVERITY = ("error", "warning", "note")
MOST = 64
"""Findings in one answer."""
LOOKED_AT = ("memory in reach", "modules and optimizers in reach", "watched gradients")


@on(p.AskPlugin)
def _(request: p.AskPlugin, session: Session, place: Place) -> Answer:
    plugins = session.state(Plugged).plugins  # loads them, so that the request's class is known
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
            for name, row in session.state(Plugged).plugins.flat(
                "gradrepl_findings", names=here.names, ask=here.ask
            )
        ]
    rows.sort(key=lambda row: SEVERITY.index(row.severity) if row.severity in SEVERITY else 9)
    looked_at = LOOKED_AT if session.state(Gradients).watch is not None else LOOKED_AT[:-1]
    return Findings(rows=tuple(rows[:MOST]), looked_at=looked_at)


def _says(plugin: str) -> str:
    return "" if plugin == OWN else f"says the plugin '{plugin}'"
