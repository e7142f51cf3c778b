"""The answer to each request, in the thread that is parked: one function a request."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import singledispatch
from importlib import import_module
from typing import Any, TypeVar

from gradrepl import conditions as c
from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.code import evaluate, script
from gradrepl.engine.code.torch_import import torch_module
from gradrepl.engine.explain import errors
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place, Quitting
from gradrepl.errors import Aborted, GradreplError, UsageError
from gradrepl.model import Record

Answer = Record | None
Handler = TypeVar("Handler", bound=Callable[..., Answer])


def answer(request: Any, session: Session, place: Place) -> Answer:
    """Return the record that answers ``request``; an error is a record, too."""
    try:
        return _answer(request, session, place)
    except GradreplError as error:
        return error.record()
    except Quitting:
        raise
    except Aborted:
        return model.Notice(message=_aborted(session))
    except KeyboardInterrupt as error:
        return evaluate.error(error)
    except SystemExit as error:
        if place.state != "idle":
            raise
        session.exit_code = script.exit_status(error)
        raise Quitting from None
    except BaseException as error:  # what the user typed may raise anything
        return errors.about(evaluate.error(error), error, session, place)


def _aborted(session: Session) -> str:
    last = session.stepper.last_pass
    if last is None or last.outcome != "aborted":
        return "aborted."
    names = ", ".join(leaf.name for leaf in last.accumulated) or "no leaf"
    more = " and more" if last.accumulated_count > len(last.accumulated) else ""
    return f"aborted: {names}{more} had accumulated a gradient."


ROOMS = ("memory", "chain", "modules", "health", "data", "export", "plugged")
"""Packages of the engine whose ``answers`` are loaded when the first of them is asked."""


@singledispatch
def _answer(request: Any, session: Session, place: Place) -> Answer:
    session.wait_for_torch()
    for room in ROOMS:
        import_module(f"gradrepl.engine.{room}.answers")
    if _answer.dispatch(type(request)) is _answer.dispatch(object):
        raise UsageError(f"the debuggee does not know the request {type(request).__name__}.")
    return _answer(request, session, place)


def on(kind: type) -> Callable[[Handler], Handler]:
    """Register the answer to one kind of request."""
    register: Any = _answer.register(kind)
    found: Callable[[Handler], Handler] = register
    return found


# -- what lets the user's code run -----------------------------------------------------------


@on(p.Execute)
def _(request: p.Execute, session: Session, place: Place) -> Answer:
    codes = evaluate.compiled(request.source)
    if place.state == "idle":
        session.wait_for_torch(codes)
    with session.grad_as_typed(place), session.scope(place) as (space, local):
        if place.state != "idle" and not request.stepped:
            result = evaluate.run(codes, space, local)
        else:
            result = _run_free(session, place, codes, space, local, stepped=request.stepped)
    sys.stdout.flush()
    if result is None:
        return _no_gradient(request.source, session, place)
    session.keep(result)
    return evaluate.value_of(result)


def _no_gradient(source: str, session: Session, place: Place) -> Answer:
    """Say why a gradient that was typed is None; anything else that is None is silent."""
    if not source.rstrip().endswith(".grad") or torch_module() is None:
        return None
    from gradrepl.engine.explain.tensor_errors import none_grad

    why = none_grad(source, session, place)
    return model.Notice(message=why) if why else None


def _run_free(
    session: Session, place: Place, codes: Any, space: Any, local: Any, *, stepped: bool
) -> Any:
    """Run typed code in which a stop may happen: at the idle prompt, or asked to be stepped."""
    with session.stepper.code(typed=True):
        if stepped:
            session.stepper.go(c.First())
        return evaluate.run(codes, space, local)


@on(p.Backward)
def _(request: p.Backward, session: Session, place: Place) -> Answer:
    session.wait_for_torch(None)
    import torch

    from gradrepl.engine.explain import backward_start

    with session.stepper.code(typed=True), session.grad_as_typed(place):
        expression, more = backward_start.split(request.expression)
        tensor = tensor_at(expression, session, place)
        given, named = session.evaluate(f"(lambda *a, **k: (a, k))({more})", place)
        start = given[0] if given else named.get("gradient")
        backward_start.check(tensor, expression, session.stepper.recorder.cuts, start)
        session.stepper.go(c.FirstNode())
        torch.Tensor.backward(tensor, *given, **named)  # type: ignore[no-untyped-call]
    return None


def tensor_at(expression: str, session: Session, place: Place) -> Any:
    """Return the tensor that ``expression`` is at ``place``.

    Raises:
        UsageError: it is something else.
    """
    value = session.evaluate(expression, place)
    torch = torch_module()
    if torch is None or not isinstance(value, torch.Tensor):
        raise UsageError(
            f"'{expression}' is a {type(value).__name__}, not a tensor.",
            "Name a tensor; ':names' lists what is in reach.",
        )
    return value


@on(p.Run)
def _(request: p.Run, session: Session, place: Place) -> Answer:
    session.warmed()  # else the script would wait for it unseen, in its own import
    return script.run(session, request.target, request.args, module=request.module)


# -- breakpoints -----------------------------------------------------------------------------


@on(p.SetBreakpoint)
def _(request: p.SetBreakpoint, session: Session, place: Place) -> Answer:
    return session.set_breakpoint(request.condition, request.text, request.temporary, place)


@on(p.ChangeBreakpoint)
def _(request: p.ChangeBreakpoint, session: Session, place: Place) -> Answer:
    changed = session.stepper.armed.change(
        request.id, request.action, request.count, request.text, request.commands
    )
    session.stepper.rearm()
    return changed


@on(p.ListBreakpoints)
def _(request: p.ListBreakpoints, session: Session, place: Place) -> Answer:
    return session.stepper.armed.list()
