"""The answers to requests that let the user's code run."""

from __future__ import annotations

import sys
from typing import Any

from gradrepl import conditions as c
from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, on
from gradrepl.engine.code import evaluate, script
from gradrepl.engine.code.torch_import import torch_module
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place


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
    from gradrepl.engine.explain.tensor_errors import explain_none

    why = explain_none(source, session, place)
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

    from gradrepl.engine.explain import no_gradient

    with session.stepper.code(typed=True), session.grad_as_typed(place):
        expression, more = no_gradient.split_call(request.expression)
        tensor = session.tensor(expression, place)
        given, named = session.evaluate(f"(lambda *a, **k: (a, k))({more})", place)
        start = given[0] if given else named.get("gradient")
        no_gradient.check_root(tensor, expression, session.recorder.cuts, start)
        session.stepper.go(c.FirstNode())
        torch.Tensor.backward(tensor, *given, **named)  # type: ignore[no-untyped-call]
    return None


@on(p.Run)
def _(request: p.Run, session: Session, place: Place) -> Answer:
    session.warmed()  # else the script would wait for it unseen, in its own import
    return script.run(session, request.target, request.args, module=request.module)
