"""The record of a stop, and the anchor that the next verb measures from."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from gradrepl import conditions as c
from gradrepl.engine.code import frames
from gradrepl.engine.stopping.breakpoints import Anchor
from gradrepl.engine.stopping.events import NodeEvent, OpEvent, PassEvent, WatchEvent
from gradrepl.engine.tensor import figures
from gradrepl.model import Stop, Watch

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.breakpoints import Hit
    from gradrepl.engine.stopping.gate import Place

MISSING = 8
"""Parameters without a gradient that are named."""


def stop(session: Session, event: Any, hit: Hit, place: Place, watches: tuple[Watch, ...]) -> Stop:
    """Return what a face needs to draw this stop."""
    common = {
        "phase": place.state,
        "reason": hit.reason,
        "breakpoints": hit.breakpoints,
        "when": event.when,
        "thread": threading.current_thread().name,
        "depth": len(session.gate.places),
        "watches": watches,
    }
    if isinstance(event, OpEvent | NodeEvent):
        common["notes"] = _born(session, event, hit)
    match event:
        case OpEvent():
            names = session.names(event.frame)
            record = event.call.record(names.tensor, event.when)
            return Stop(
                **common, site=record.site, module=record.module, op=record, position=record.id
            )
        case NodeEvent():
            return _backward(event.backward, event.backward.view.node(event.node, event),
                             event.frame, common)  # fmt: skip
        case PassEvent():
            common["notes"] = _missing(session, event)
            return _backward(event.backward, None, event.frame, common)
        case WatchEvent():
            common["reason"] = f"{hit.reason}: {', '.join(event.said())}"
    site = frames.site(place.frames[0]) if place.frames else None
    return Stop(**common, site=site, position=session.stepper.recorder.last_id)


def _born(session: Session, event: OpEvent | NodeEvent, hit: Hit) -> tuple[str, ...]:
    """Say where a nan or inf that was waited for is, and of what it came."""
    from gradrepl.engine.explain import nonfinite

    for what in ("nan", "inf"):
        if what in re.findall(r"\w+", hit.reason) and event.born(what):
            said = nonfinite.told(event, what, session.names(event.frame).tensor)
            return (f"{what}: {said}",) if said else ()
    return ()


def _missing(session: Session, event: PassEvent) -> tuple[str, ...]:
    """Say which parameters got no gradient, and why as far as the recorded ops tell."""
    from gradrepl.engine.explain import cut_off

    names = event.missing()
    found: dict[str, list[str]] = {}
    with figures.quiet():
        for name in names[:MISSING]:
            parameter = event.backward.names.parameters[name]
            why = cut_off.told(parameter, session.stepper.recorder.flow).removesuffix(".")
            found.setdefault(why, []).append(name)
    said = [f"no gradient for {', '.join(n)}" + (why and f": {why}") for why, n in found.items()]
    more = len(names) - MISSING
    return (*said, f"and none for {more} more") if more > 0 else tuple(said)


def _backward(backward: Any, node: Any, frame: Any, common: dict[str, Any]) -> Stop:
    site = node.site if node else None
    if site is None and frame is not None:
        site = frames.site(frame)
    return Stop(
        **common,
        site=site,
        module=node.module if node else "",
        node=node,
        position=backward.begun,
        total=backward.order.total,
        root=backward.root,
        accumulated=tuple(backward.accumulated()[0]),
    )


def anchor(event: Any, place: Place, verb: c.Verb) -> Anchor:
    """Return where we stood, for 'deeper', 'left the module', 'past the line'.

    Frames are held only for the verbs that ask: a held frame keeps its variables alive.
    """
    module = event.module if isinstance(event, NodeEvent) else ""
    if isinstance(verb, c.Step | c.Continue | c.Finish):
        return Anchor(place.state, module=module)
    calls = event.call.module_frames if isinstance(event, OpEvent) else []
    depth = event.call.depth if isinstance(event, OpEvent) else 0
    number = verb.number if isinstance(verb, c.Until) else 0
    return Anchor(place.state, place.frame, calls, module, depth, number, frames.fetch())
