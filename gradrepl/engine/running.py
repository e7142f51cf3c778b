"""The answers to requests that let the user's code run, and about the breakpoints it stops at."""

from __future__ import annotations

import linecache
import os
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from gradrepl import conditions as c
from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.code import evaluate, frames, script
from gradrepl.engine.code.patches import hidden
from gradrepl.engine.code.torch_import import torch_module
from gradrepl.engine.session import Answer, Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.stopping.lines import doubts, same_file
from gradrepl.errors import ConditionError, StateError


@on(p.Execute)
def _(request: p.Execute, session: Session, place: Place) -> Answer:
    codes = evaluate.compiled(request.source)
    if place.state == "idle":
        session.wait_for_torch(codes)
    with (
        session.grad_as_typed(place),
        session.scope(place) as (space, local),
        edits(session, place, local),
    ):
        if place.state != "idle" and not request.stepped:
            result = evaluate.run(codes, space, local)
        else:
            result = _run_free(session, place, codes, space, local, stepped=request.stepped)
    sys.stdout.flush()
    if result is None:
        return _no_gradient(request.source, session, place)
    session.keep(result)
    return evaluate.value_of(result)


@contextmanager
def edits(session: Session, place: Place, local: MutableMapping[str, Any]) -> Iterator[None]:
    """Take an edit of what exists only at this stop, or say that nobody sees it."""
    given = place.extra if place.event is not None else {}
    given = {name: value for name, value in given.items() if local.get(name) is value}
    before = {name: list(value) for name, value in given.items() if type(value) is list}
    yield
    takes = ("grad_in",) if getattr(place.event, "when", "") == "before" else ()
    for name, value in given.items():
        typed = local.get(name, value)
        seen = _restored(value, before.get(name), typed, takes=name in takes)
        if typed is not value:
            local[name] = value
        if not seen:
            message = (
                f"'{name}' only shows what is here: another value put in its place is not seen"
            )
            session.tell(model.Notice(message=message + EDITS.get(name, ".")))


def _restored(value: Any, before: list[Any] | None, typed: Any, *, takes: bool) -> bool:
    """Have a list as it was, or as it was typed if it ``takes`` that; return if nothing is lost."""
    if before is None:
        return typed is value
    if takes and type(typed) in (list, tuple) and len(typed) == len(before):
        value[:] = typed
        return True
    same = typed is value and [*map(id, value)] == [*map(id, before)]
    value[:] = before
    return same


EDITS = {
    "grad_out": "; at a stop before the next node 'grad_in[0] = ...' is.",
    "grad_in": "; at a stop before a node 'grad_in[0] = ...' is.",
    "out": " by the program; 'out.mul_(0)' writes into the tensor itself.",
    "outputs": " by the program; 'out.mul_(0)' writes into the tensor itself.",
}
"""What can be edited, after the sentence that this was not."""


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
@hidden
def _(request: p.Run, session: Session, place: Place) -> Answer:
    session.warmed()  # else the script would wait for it unseen, in its own import
    return script.run(
        session,
        request.target,
        request.args,
        module=request.module,
        stopped=request.stops,
        raises=request.stops,
    )


# -- breakpoints ----------------------------------------------------------------------------------


@on(p.SetBreakpoint)
def _(request: p.SetBreakpoint, session: Session, place: Place) -> Answer:
    return set_breakpoint(
        session, request.condition, request.text, place, temporary=request.temporary
    )


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


def set_breakpoint(
    session: Session, condition: c.Condition, text: str, place: Place, *, temporary: bool = False
) -> model.BreakpointInfo:
    """Set a breakpoint; a bare line is one of the current file.

    Raises:
        ConditionError: the line cannot be stopped at.
    """
    if c.LINE in condition.events() and session.stepper.lines.taken():
        raise StateError(
            "another debugger or coverage tool traces this program: lines cannot be watched.",
            "Stop at an op, a node or a module instead.",
        )
    for line in _lines(condition):
        file = line.file or _current_file(session, place)
        path = _find(session, file)
        if path:
            _check_line(path, line.line)
        if not line.file:
            condition = condition.in_file(path or file)
            shown = f"{os.path.basename(file)}:{line.line}"
            text = re.sub(rf"(?<![\w:.]){line.line}(?!\w)", shown, text, count=1)
    if place.state != "idle":
        for doubt in doubts(condition, partial(_find, session)):
            session.tell(model.Notice(message=doubt))
    record = session.stepper.armed.add(condition, text, temporary)
    session.stepper.rearm()
    return record


def broken_lines(session: Session, file: str) -> frozenset[int]:
    """Return the lines of ``file`` that have a breakpoint."""
    known = session.stepper.armed.breakpoints.values()
    lines = (line for each in known for line in _lines(each.condition))
    return frozenset(line.line for line in lines if same_file(file, line.file))


def _current_file(session: Session, place: Place) -> str:
    if place.frame is not None:
        return place.frame.f_code.co_filename
    if session.script:
        return frames.absolute(session.script)
    raise ConditionError(
        "a line number alone needs a script.", "Write b FILE:LINE, or load a script first."
    )


def _find(session: Session, file: str) -> str:
    """Return the path of ``file`` as far as it can be known, or ''."""
    near = os.path.dirname(frames.absolute(session.script)) if session.script else ""
    places = [frames.absolute(file), os.path.join(near, file)]
    return next((path for path in places if os.path.isfile(path)), "")


def _lines(condition: c.Condition) -> list[c.Line]:
    """Return the lines that a condition is about, in part at least."""
    return [part for part in condition.parts() if isinstance(part, c.Line)]


def _check_line(path: str, line: int) -> None:
    lines = linecache.getlines(path)
    if line > len(lines) or line < 1:
        raise ConditionError(
            f"{os.path.basename(path)} has {len(lines)} lines, no line {line}.",
            "':ll' shows the source.",
        )
    text = lines[line - 1].strip()
    if not text or text.startswith("#"):
        raise ConditionError(
            f"line {line} of {os.path.basename(path)} is blank or a comment.",
            "Nothing runs there: take the line of a statement.",
        )
