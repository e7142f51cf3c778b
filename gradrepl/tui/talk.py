"""What the header says of a conversation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gradrepl import model

if TYPE_CHECKING:
    from gradrepl.commands.conversation import Conversation
    from gradrepl.commands.talk import Talk


Show = Callable[[model.Record], None]
Make = Callable[[Show], "Conversation"]


def state_of(talk: Talk) -> str:
    """Return the word of the header."""
    if talk.gone is not None:
        return "ENDED"
    if talk.waiting_input:
        return "INPUT"
    if talk.prompt is None:
        return "RUNNING" if talk.ready else "STARTING"
    if talk.prompt.state == "idle":
        return "READY"
    return "RAISED" if talk.prompt.state == "exception" else "PAUSED"


def place_of(talk: Talk) -> list[str]:
    """Return where we are, the most important first."""
    ready, stop = talk.ready, talk.stop
    device = (ready.device or "cpu") if ready else "importing torch"
    if talk.gone is not None:
        return [talk.gone.how]
    if stop is None:
        return [device, f"torch {ready.torch}" if ready else ""]
    if talk.prompt is None:
        return [device]
    parts: list[str] = []
    if stop.node is not None:
        parts.append(f"{stop.position}/{stop.total}" if stop.total else f"node {stop.position}")
    elif stop.op is not None:
        parts.append(f"op {stop.op.id}")
    return [*parts, device, stop.site.place if stop.site else "", stop.module]
