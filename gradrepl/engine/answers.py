"""The answer to each request, in the thread that is parked: one function a request."""

from __future__ import annotations

import inspect
import linecache
import sys
from functools import singledispatch
from pathlib import Path
from typing import Any

from gradrepl import conditions as c
from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine import complete, evaluate, frames, hints, script
from gradrepl.engine.arrival import torch_module
from gradrepl.engine.gate import Place, Quitting
from gradrepl.engine.session import Session
from gradrepl.errors import Aborted, AutogradError, GradreplError, StateError, UsageError
from gradrepl.model import Record

Answer = Record | None
LOOKED_AT = 10_000
"""Nodes searched for freed values before a backward."""


def answer(request: Any, session: Session, place: Place) -> Answer:
    """Return the record that answers ``request``; an error is a record, too."""
    try:
        return _answer(request, session, place)
    except GradreplError as error:
        return model.Error(message=str(error), hint=error.hint, kind=type(error).__name__)
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
        return hints.explain(evaluate.error(error))


def _aborted(session: Session) -> str:
    last = session.stepper.last_pass
    if last is None or last.outcome != "aborted":
        return "aborted."
    names = ", ".join(leaf.name for leaf in last.accumulated) or "no leaf"
    more = " and more" if last.accumulated_count > len(last.accumulated) else ""
    return f"aborted: {names}{more} had accumulated a gradient."


@singledispatch
def _answer(request: Any, session: Session, place: Place) -> Answer:
    raise UsageError(f"the debuggee does not know the request {type(request).__name__}.")


def _on(kind: type) -> Any:
    return _answer.register(kind)


# -- what lets the user's code run -----------------------------------------------------------


@_on(p.Execute)
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
        return None
    session.keep(result)
    return evaluate.value_of(result)


def _run_free(
    session: Session, place: Place, codes: Any, space: Any, local: Any, *, stepped: bool
) -> Any:
    """Run typed code in which a stop may happen: at the idle prompt, or asked to be stepped."""
    with session.stepper.code(typed=True):
        if stepped:
            session.stepper.go(c.First())
        return evaluate.run(codes, space, local)


@_on(p.Backward)
def _(request: p.Backward, session: Session, place: Place) -> Answer:
    session.wait_for_torch(None)
    import torch

    with session.stepper.code(typed=True), session.grad_as_typed(place):
        tensor = _tensor(request.expression, session, place)
        _check_root(tensor, request.expression)
        _check_not_freed(tensor, request.expression)
        session.stepper.go(c.FirstNode())
        torch.Tensor.backward(tensor)
    return None


def _check_root(tensor: Any, expression: str) -> None:
    if not tensor.requires_grad:
        why = "its dtype has no gradient" if not (
            tensor.is_floating_point() or tensor.is_complex()
        ) else "nothing that it was made of requires a gradient, or it was made under no_grad or detached"  # fmt: skip  # noqa: E501
        raise AutogradError(
            f"'{expression}' has no grad_fn and does not require a gradient: {why}.",
            "Give a leaf requires_grad=True before the forward; ':t NAME' tells about a tensor.",
        )
    if tensor.numel() != 1:
        shape = tuple(tensor.shape)
        raise AutogradError(
            f"'{expression}' has shape {shape}, and a backward can start by itself only from a "
            "single number.",
            f"Use ({expression}).sum() or .mean(), or "
            f":step ({expression}).backward(torch.ones{shape}).",
        )


def _check_not_freed(tensor: Any, expression: str) -> None:
    """Refuse a graph whose saved values an earlier backward has freed."""
    from gradrepl.engine import nodes
    from gradrepl.engine.graph import Graph

    if tensor.grad_fn is None:
        return
    for node in Graph([tensor.grad_fn]).nodes[:LOOKED_AT]:
        if any(state == "freed" for _, _, state in nodes.saved(node)):
            raise AutogradError(
                f"the graph of '{expression}' was freed by an earlier backward: "
                f"{nodes.name(node)} has lost what it saved.",
                "Run the forward again, or step the first one with "
                f":step {expression}.backward(retain_graph=True).",
            )


@_on(p.Run)
def _(request: p.Run, session: Session, place: Place) -> Answer:
    return script.run(session, request.target, request.args, module=request.module)


# -- looking ---------------------------------------------------------------------------------


def _tensor(expression: str, session: Session, place: Place) -> Any:
    value = session.evaluate(expression, place)
    torch = torch_module()
    if torch is None or not isinstance(value, torch.Tensor):
        raise UsageError(
            f"'{expression}' is a {type(value).__name__}, not a tensor.",
            "Name a tensor; ':names' lists what is in reach.",
        )
    return value


@_on(p.Describe)
def _(request: p.Describe, session: Session, place: Place) -> Answer:
    from gradrepl.engine import tensors

    tensor = _tensor(request.expression, session, place)
    return tensors.describe(tensor, session.names(place.frame).tensor(tensor) or request.expression)


@_on(p.Print)
def _(request: p.Print, session: Session, place: Place) -> Answer:
    value = session.evaluate(request.expression, place)
    return evaluate.value_of(value, request.expression, full=request.full)


@_on(p.Inspect)
def _(request: p.Inspect, session: Session, place: Place) -> Answer:
    value = session.evaluate(request.expression, place)
    torch = torch_module()
    if torch is not None and isinstance(value, torch.Tensor):
        return _answer(p.Describe(expression=request.expression), session, place)
    lines = [f"type      {type(value).__name__}", f"value     {evaluate.text_of(value)}"]
    if callable(value):
        try:
            lines.insert(0, f"signature {request.expression}{inspect.signature(value)}")
        except (TypeError, ValueError):
            pass  # builtins without a signature
    try:
        text = inspect.getsource(value) if request.source else inspect.getdoc(value)
    except (TypeError, OSError):
        text = inspect.getdoc(value)
    return model.Text(title=request.expression, body="\n".join(lines) + f"\n\n{text or ''}")


@_on(p.FrameStack)
def _(request: p.FrameStack, session: Session, place: Place) -> Answer:
    if request.move and getattr(place.event, "kind", "") == "node":
        return _walk(place, request.move)
    path = _path(place)
    if not place.frames and path and not request.move:
        return model.Frames(frames=(), path=path)
    if not place.frames:
        raise StateError("there are no frames here: nothing is paused.", "Run something first.")
    target = place.selected + request.move
    if not 0 <= target < len(place.frames):
        edge = "oldest" if request.move > 0 else "newest"
        raise StateError(f"this is the {edge} frame already.", "':w' shows them all.")
    place.selected = target
    rows = tuple(
        model.Frame(index, frames.site(frame), selected=index == target)
        for index, frame in enumerate(place.frames)
    )
    return model.Frames(frames=rows, path=path)


def _walk(place: Place, move: int) -> Answer:
    """``u`` and ``d`` in a backward: to the node that gave us the gradient, or that gets it."""
    from gradrepl.engine import nodes

    backward, here = place.event.backward, place.looking
    if here is None:
        here = place.event.node
    if move > 0:
        found = backward.path_to(here)
        target = found[-2] if len(found) > 1 else None
    else:
        following = [node for node in backward.graph.next(here) if node >= 0]
        target = min(following, key=lambda node: bool(backward.leaf(node)), default=None)
    if target is None:
        raise StateError(
            "this is the loss already." if move > 0 else "this is a leaf: nothing comes after it.",
            "'u' goes toward the loss, 'd' toward the leaves.",
        )
    place.looking = target
    return nodes.record(backward, target, place.event if target == place.event.node else None)


def _path(place: Place) -> tuple[str, ...]:
    """Return the way from the loss to the node where we stand, with the line of each."""
    event = place.event
    if event is None or event.kind != "node":
        return ()
    backward = event.backward
    found = []
    for node in backward.path_to(event.node):
        op = backward.op(node)
        line = f"{Path(op.site.file).name}:{op.site.line}" if op and op.site else ""
        about = ", ".join(filter(None, (backward.label(node), line)))
        found.append(
            f"#{backward.order.place(node)} {backward.name(node)}" + (f" ({about})" if about else "")
        )
    return tuple(found)


@_on(p.Arguments)
def _(request: p.Arguments, session: Session, place: Place) -> Answer:
    if place.frame is None:
        raise StateError("there are no arguments here: nothing is paused.", "Run something first.")
    found = inspect.getargvalues(place.frame)
    names = [*found.args, *filter(None, (found.varargs, found.keywords))]
    rows = tuple(
        model.Variable(name, evaluate.brief(found.locals[name]), type(found.locals[name]).__name__)
        for name in names
        if name in found.locals
    )
    return model.Variables(rows=rows, total=len(rows))


@_on(p.Listing)
def _(request: p.Listing, session: Session, place: Place) -> Answer:
    frame = place.frame
    if frame is None:
        raise StateError("there is no source here: nothing is paused.", "Load a script first.")
    code = frame.f_code
    whole, start = _source_of(frame)
    at = request.around or frame.f_lineno
    if request.whole:
        first, last = start, start + len(whole) - 1
    else:
        first, last = max(1, at - request.context), at + request.context
    lines = linecache.getlines(code.co_filename, frame.f_globals)
    notes = session.line_notes(code.co_filename)
    broken = session.broken_lines(code.co_filename)
    rows = tuple(
        model.SourceLine(
            number, lines[number - 1].rstrip("\n"), number == frame.f_lineno,
            notes.get(number, ""), number in broken,
        )
        for number in range(first, min(last, len(lines)) + 1)
    )  # fmt: skip
    return model.Source(file=code.co_filename, function=code.co_name, lines=rows)


def _source_of(frame: Any) -> tuple[list[str], int]:
    try:
        lines, start = inspect.getsourcelines(frame.f_code)
    except (OSError, TypeError, IndentationError):
        return linecache.getlines(frame.f_code.co_filename), 1
    return lines, max(1, start)


@_on(p.Names)
def _(request: p.Names, session: Session, place: Place) -> Answer:
    with session.scope(place) as (space, local):
        merged = {**(space if place.frame is None else {}), **local}
    shown = {
        name: value
        for name, value in merged.items()
        if not name.startswith("_") and name not in ("torch", "nn", "F")
    }
    rows = tuple(
        model.Variable(name, evaluate.brief(value), type(value).__name__)
        for name, value in list(shown.items())[: request.limit]
    )
    return model.Variables(rows=rows, total=len(shown))


@_on(p.Complete)
def _(request: p.Complete, session: Session, place: Place) -> Answer:
    with session.scope(place) as (space, local):
        return model.Completions(words=tuple(complete.words(request.text, [local, space])))


@_on(p.Bound)
def _(request: p.Bound, session: Session, place: Place) -> Answer:
    spaces = [place.extra, session.space]
    if place.frame is not None:
        spaces = [place.extra, place.frame.f_locals, place.frame.f_globals]
    for space in spaces:
        if request.word in space:
            value = space[request.word]
            return model.Value(text=evaluate.brief(value), kind=type(value).__name__)
    return None


@_on(p.Display)
def _(request: p.Display, session: Session, place: Place) -> Answer:
    if not request.off:
        compile(request.expression, "<display>", "eval")
        session.shown.setdefault(request.expression, None)
        (watch,) = [w for w in session.watches(place) if w.expression == request.expression]
        return model.Value(text=watch.text, expression=request.expression)
    if request.expression and request.expression not in session.shown:
        raise UsageError(
            f"'{request.expression}' is not displayed.",
            f"Displayed are: {', '.join(session.shown) or 'none'}.",
        )
    gone = [request.expression] if request.expression else list(session.shown)
    for each in gone:
        del session.shown[each]
    return model.Notice(message=f"no longer displayed: {', '.join(gone) or 'nothing'}.")


# -- what was recorded -----------------------------------------------------------------------


@_on(p.OpRows)
def _(request: p.OpRows, session: Session, place: Place) -> Answer:
    ops = session.ops(place)
    first = max(0, len(ops) + request.first) if request.first < 0 else request.first
    rows = tuple(call.row() for call in ops[first : first + request.count])
    return model.Ops(rows=rows, first=first, total=len(ops))


@_on(p.OpDetail)
def _(request: p.OpDetail, session: Session, place: Place) -> Answer:
    for call in reversed(session.ops(place)):
        if call.id == request.id:
            if place.event is not None and getattr(place.event, "call", None) is call:
                return call.record(session.names(place.frame).tensor, place.event.when)
            return call.brief()
    raise UsageError(f"op %{request.id} is not recorded.", "':ops' lists the last ones.")


@_on(p.NodeRows)
def _(request: p.NodeRows, session: Session, place: Place) -> Answer:
    backward = session.backward_here(place)
    rows, first = backward.rows(request.first, request.count, place.event)
    return model.Nodes(
        rows=rows, first=first, total=backward.order.total, run=len(backward.ran)
    )


@_on(p.NodeDetail)
def _(request: p.NodeDetail, session: Session, place: Place) -> Answer:
    from gradrepl.engine import nodes

    backward = session.backward_here(place)
    node = backward.order.at(request.id)
    if node is None:
        raise UsageError(
            f"there is no node #{request.id}: this backward has {backward.order.total}.",
            "':nodes' lists them.",
        )
    event = place.event if getattr(place.event, "node", None) == node else None
    return nodes.record(backward, node, event)


# -- breakpoints -----------------------------------------------------------------------------


@_on(p.SetBreakpoint)
def _(request: p.SetBreakpoint, session: Session, place: Place) -> Answer:
    return session.set_breakpoint(request.condition, request.text, request.temporary, place)


@_on(p.ChangeBreakpoint)
def _(request: p.ChangeBreakpoint, session: Session, place: Place) -> Answer:
    changed = session.stepper.armed.change(
        request.id, request.action, request.count, request.text, request.commands
    )
    session.stepper.rearm()
    return changed


@_on(p.ListBreakpoints)
def _(request: p.ListBreakpoints, session: Session, place: Place) -> Answer:
    return session.stepper.armed.list()
