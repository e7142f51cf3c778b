"""One debuggee, put together: the session, what answers it, what looks on, what says why.

Nothing else imports all rooms: a room knows the session, and the session knows no room.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine import boundary, explain
from gradrepl.engine.boundary import Quitting
from gradrepl.engine.code import evaluate, script
from gradrepl.engine.code.patches import hidden
from gradrepl.engine.data.wanted import Loops
from gradrepl.engine.health.wanted import Gradients
from gradrepl.engine.plugged import Plugged
from gradrepl.engine.session import HANDLERS, Answer, Handler, Link, Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.errors import Aborted, GradreplError, StateError, UsageError

EARLY = ("running", "looking", "plugged", "check.wanted")
"""What answers before torch is there."""
ROOMS = ("memory", "chain", "modules", "health", "data", "export")
"""Packages whose files are loaded when the first of their requests comes."""


def begin(link: Link) -> Session:
    """Return a session with all that belongs to it."""
    for name in EARLY:
        import_module(f"gradrepl.engine.{name}")
    session = Session(link, answer)
    session.gate.struck = lambda error, place: explain.error_of(error, session, place)
    boundary.tell = lambda record: _fault(session, record)
    for kind in (Gradients, Loops, Plugged):
        session.stepper.observe(session.state(kind))
    session.watch_for_torch()
    return session


def _fault(session: Session, record: model.Error) -> None:
    """Tell of a part that has failed, on standard error where there is no client."""
    if session.gate.detached or not getattr(session.link, "attached", True):
        script.say(f"{record.message} {record.hint}")
    else:
        session.tell(record)


@hidden
def answer(request: Any, session: Session, place: Place) -> Answer:
    """Return the record that answers ``request``; an error is a record, too."""
    try:
        return _handler(request, session)(request, session, place)
    except GradreplError as error:
        return error.record()
    except Quitting:
        raise
    except Aborted:
        return model.Notice(message=_aborted(session))
    except KeyboardInterrupt as error:
        return evaluate.error(error)
    except SystemExit as error:
        if not isinstance(request, p.Execute | p.Run):  # what only looks ends nothing
            return evaluate.error(error)
        if place.state != "idle":
            raise
        session.exit_code = script.exit_status(error)
        raise Quitting from None
    except BaseException as error:  # what the user typed may raise anything
        if not isinstance(request, p.RUNS) and boundary.of_a_handler(error):
            raise  # it came while we looked
        return explain.error_of(error, session, place)


def _handler(request: Any, session: Session) -> Handler:
    if type(request) not in HANDLERS:
        session.wait_for_torch()
        for room in ROOMS:
            package = import_module(f"gradrepl.engine.{room}")
            for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
                import_module(module.name)
    if type(request) not in HANDLERS:
        raise UsageError(f"the program does not know the request {type(request).__name__}.")
    return HANDLERS[type(request)]


def _aborted(session: Session) -> str:
    last = session.stepper.last_pass
    if last is None or last.outcome != "aborted":
        return "aborted."
    names = ", ".join(leaf.name for leaf in last.accumulated) or "no leaf"
    more = " and more" if last.accumulated_count > len(last.accumulated) else ""
    return f"aborted: {names}{more} had accumulated a gradient."


def at_once(request: p.Request, session: Session) -> Answer:
    """Answer what can be while the program runs, in the link's thread; None: it must wait."""
    if isinstance(request, p.Status):
        gate = session.gate
        cost = session.stepper.costs.record(session.stepper.armed)
        if cost.parts and not gate.waiting:
            return cost
        doing = f"waiting at the {gate.places[-1].state} prompt." if gate.waiting else "running."
        return model.Notice(message=doing)
    if isinstance(request, p.AskHealth | p.AskHealthNodes) and request.running:
        if session.state(Gradients).watch is None and not session.stepper.added():
            return StateError(
                "no gradients have been watched.",
                "':watch grads' watches them from now on; Ctrl-C pauses the program for it.",
            ).record()
        from gradrepl.engine.health.answers import at_once

        return at_once(request, session)
    return None
