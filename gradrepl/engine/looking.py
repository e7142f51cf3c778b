"""The answers to requests that only look: tensors, frames, source, what was recorded."""

from __future__ import annotations

import builtins
import inspect
import keyword
import linecache
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import structs

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.code import evaluate
from gradrepl.engine.code.torch_import import torch_module
from gradrepl.engine.code.values import attributes, is_a
from gradrepl.engine.plugged import Plugged
from gradrepl.engine.running import broken_lines
from gradrepl.engine.session import Answer, Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.errors import StateError, UsageError


@on(p.Describe)
def describe(request: p.Describe, session: Session, place: Place) -> Answer:
    """Answer ``:t EXPR``."""
    tensor = session.tensor(request.expression, place)
    from gradrepl.engine.tensor import report

    record = report.everything(tensor, request.expression, session, place)
    more = session.state(Plugged).facts(tensor, request.expression)
    return structs.replace(record, more=more) if more else record


@on(p.Compare)
def _(request: p.Compare, session: Session, place: Place) -> Answer:
    a, b = (session.tensor(each, place) for each in (request.a, request.b))
    from gradrepl.engine.tensor import figures

    return figures.compare(a, b, (request.a, request.b))


@on(p.Print)
def _(request: p.Print, session: Session, place: Place) -> Answer:
    value = session.evaluate(request.expression, place)
    return evaluate.value_of(value, request.expression, full=request.full)


@on(p.Inspect)
def _(request: p.Inspect, session: Session, place: Place) -> Answer:
    value = session.evaluate(request.expression, place)
    torch = torch_module()
    if torch is not None and is_a(value, torch.Tensor):
        return describe(p.Describe(expression=request.expression), session, place)
    lines = [f"type      {type(value).__name__}", f"value     {evaluate.text_of(value)}"]
    if callable(value):
        with suppress(TypeError, ValueError):  # builtins without a signature
            lines.insert(0, f"signature {request.expression}{inspect.signature(value)}")
    try:
        text = inspect.getsource(value) if request.source else inspect.getdoc(value)
    except (TypeError, OSError):
        text = inspect.getdoc(value)
    return model.Text(title=request.expression, body="\n".join(lines) + f"\n\n{text or ''}")


@on(p.FrameStack)
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
        model.Frame(index, place.site(frame), selected=index == target)
        for index, frame in enumerate(place.frames)
    )
    return model.Frames(frames=rows, path=path)


def _walk(place: Place, move: int) -> Answer:
    """``u`` and ``d`` in a backward: to the node that gave us the gradient, or that gets it."""
    backward = place.event.backward
    here = place.event.node if place.looking is None else place.looking
    if move > 0:
        path = backward.view.path_to(here)
        target = path[-2] if len(path) > 1 else None
    else:
        following = [node for node in backward.graph.next(here) if node >= 0]
        target = min(following, key=lambda node: bool(backward.leaf(node)), default=None)
    if target is None:
        raise StateError(
            "this is the loss already." if move > 0 else "this is a leaf: nothing comes after it.",
            "'u' goes toward the loss, 'd' toward the leaves.",
        )
    place.looking = target
    event = place.event if target == place.event.node else None
    shown: model.Node = backward.view.node(target, event)
    return shown


def _path(place: Place) -> tuple[str, ...]:
    """Return the way from the loss to the node where we stand, with the line of each."""
    event = place.event
    if event is None or event.kind != "node":
        return ()
    backward = event.backward
    steps = []
    for node in backward.view.path_to(event.node):
        op = backward.op(node)
        line = op.site.place if op and op.site else ""
        about = ", ".join(filter(None, (backward.label(node), line)))
        name = f"#{backward.order.place(node)} {backward.name(node)}"
        steps.append(f"{name} ({about})" if about else name)
    return tuple(steps)


@on(p.Arguments)
def _(request: p.Arguments, session: Session, place: Place) -> Answer:
    if place.frame is None:
        raise StateError("there are no arguments here: nothing is paused.", "Run something first.")
    arguments = inspect.getargvalues(place.frame)
    names = [*arguments.args, *filter(None, (arguments.varargs, arguments.keywords))]
    rows = _variables({name: arguments.locals[name] for name in names if name in arguments.locals})
    return model.Variables(rows=rows, total=len(rows))


def _variables(values: dict[str, Any]) -> tuple[model.Variable, ...]:
    return tuple(
        model.Variable(name, evaluate.brief(value), type(value).__name__)
        for name, value in values.items()
    )


@on(p.Listing)
def _(request: p.Listing, session: Session, place: Place) -> Answer:
    frame = place.frame
    if frame is None:
        raise StateError("there is no source here: nothing is paused.", "Load a script first.")
    code = frame.f_code
    whole, start = _source_of(frame)
    here = place.site(frame).line
    at = request.around or here
    if request.whole:
        first, last = start, start + len(whole) - 1
    else:
        first, last = max(1, at - request.context), at + request.context
    lines = linecache.getlines(code.co_filename, frame.f_globals)
    notes = session.line_notes(code.co_filename)
    broken = broken_lines(session, code.co_filename)
    rows = tuple(
        model.SourceLine(
            number,
            lines[number - 1].rstrip("\n"),
            number == here,
            notes.get(number, ""),
            number in broken,
        )
        for number in range(first, min(last, len(lines)) + 1)
    )
    return model.Source(file=code.co_filename, function=code.co_name, lines=rows)


def _source_of(frame: Any) -> tuple[list[str], int]:
    try:
        lines, start = inspect.getsourcelines(frame.f_code)
    except (OSError, TypeError, IndentationError):
        return linecache.getlines(frame.f_code.co_filename), 1
    return lines, max(1, start)


@on(p.Names)
def _(request: p.Names, session: Session, place: Place) -> Answer:
    with session.scope(place) as (space, local):
        merged = {**(space if place.frame is None else {}), **local}
    shown = {
        name: value
        for name, value in merged.items()
        if not name.startswith("_") and name not in ("torch", "nn", "F")
    }
    rows = _variables(dict(list(shown.items())[: request.limit]))
    return model.Variables(rows=rows, total=len(shown))


@on(p.Complete)
def _(request: p.Complete, session: Session, place: Place) -> Answer:
    with session.scope(place) as (space, local):
        return model.Completions(words=tuple(completions(request.text, [local, space])))


@on(p.Bound)
def _(request: p.Bound, session: Session, place: Place) -> Answer:
    spaces = [place.extra, session.space]
    if place.frame is not None:
        spaces = [place.extra, place.frame.f_locals, place.frame.f_globals]
    for space in spaces:
        if request.word in space:
            value = space[request.word]
            return model.Value(text=evaluate.brief(value), kind=type(value).__name__)
    return None


@on(p.Display)
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
    text = f"no longer displayed: {', '.join(gone)}." if gone else "nothing is displayed."
    return model.Notice(message=text)


# -- what was recorded -----------------------------------------------------------------------


@on(p.OpRows)
def _(request: p.OpRows, session: Session, place: Place) -> Answer:
    ops = session.ops(place)
    first = max(0, len(ops) + request.first) if request.first < 0 else request.first
    rows = tuple(call.row() for call in ops[first : first + request.count])
    return model.Ops(rows=rows, first=first, total=len(ops))


@on(p.OpDetail)
def _(request: p.OpDetail, session: Session, place: Place) -> Answer:
    for call in reversed(session.ops(place)):
        if call.id == request.id:
            names = session.names(place.frame).tensor
            if place.event is not None and getattr(place.event, "call", None) is call:
                record: model.Op = call.record(names, place.event.when)
                return record
            return call.brief(session.recorder.flow.inputs_of(call), names)
    raise UsageError(f"op %{request.id} is not recorded.", "':ops' lists the last ones.")


@on(p.NodeRows)
def _(request: p.NodeRows, session: Session, place: Place) -> Answer:
    backward = session.backward_here(place)
    rows, first = backward.view.rows(request.first, request.count, place.event)
    return model.Nodes(rows=rows, first=first, total=backward.order.total, run=backward.begun)


@on(p.NodeDetail)
def _(request: p.NodeDetail, session: Session, place: Place) -> Answer:
    backward = session.backward_here(place)
    node = backward.order.at(request.id)
    if node is None:
        raise UsageError(
            f"there is no node #{request.id}: this backward has {backward.order.total}.",
            "':nodes' lists them.",
        )
    event = place.event if getattr(place.event, "node", None) == node else None
    return backward.view.node(node, event)


# -- what can follow what is typed: no property and no __getattr__ is run -------------------------

MOST_WORDS = 200
_MODULE_PARTS = ("_parameters", "_buffers", "_modules")


def completions(text: str, spaces: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the whole words (with dots) that ``text``'s last word may become."""
    match = re.search(r"[\w.]*$", text)
    start = match[0] if match else ""
    owner, dot, part = start.rpartition(".")
    if not dot:
        names: Iterable[str] = {*keyword.kwlist, *dir(builtins)}.union(*spaces)
    else:
        value = _static(owner.split("."), spaces)
        names = _attributes(value) if value is not _NOTHING else ()
    chosen = sorted(n for n in names if n.startswith(part) and (part or not n.startswith("_")))
    return [owner + dot + name for name in chosen[:MOST_WORDS]]


_NOTHING = object()


def _static(path: list[str], spaces: Sequence[Mapping[str, Any]]) -> Any:
    """Follow ``a.b.c`` through plain attributes only."""
    value: Any = _NOTHING
    for space in (*spaces, vars(builtins)):
        if path[0] in space:
            value = space[path[0]]
            break
    for name in path[1:]:
        if value is _NOTHING:
            break
        value = _plain_attribute(value, name)
    return value


def _plain_attribute(value: Any, name: str) -> Any:
    own = attributes(value)
    for part in _MODULE_PARTS:
        held = own.get(part, {})
        if is_a(held, dict) and name in held:
            return held[name]
    try:
        attribute = inspect.getattr_static(value, name)
    except AttributeError:
        return _NOTHING
    if name in own or inspect.ismodule(value):
        return attribute
    # Anything that would run code on access is not followed.
    return _NOTHING if hasattr(type(attribute), "__get__") else attribute


def _attributes(value: Any) -> set[str]:
    own = attributes(value)
    names = set(map(str, own))
    for part in _MODULE_PARTS:
        if is_a(own.get(part), dict):
            names.update(own[part])
    kind = value if is_a(value, type) else type(value)
    for base in kind.__mro__:
        names.update(vars(base))
    return names
