"""A node, what it is made of, and the module whose call made it (``:fn``); a tensor's gradient."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.chain.naming import node_index
from gradrepl.engine.code import frames
from gradrepl.engine.code.evaluate import text_of
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.nodes import Labelled
from gradrepl.engine.modules.graphs import leaf_storages, saved_bytes, walked
from gradrepl.engine.modules.reach import Optimizers
from gradrepl.engine.modules.tree import Tree
from gradrepl.engine.session import Answer, Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts, figures, report
from gradrepl.engine.tensor import names as engine_names
from gradrepl.engine.tensor.names import Names
from gradrepl.errors import AutogradError, UsageError
from gradrepl.model import FunctionInfo, NodeRow, ParameterRow, Site

SOURCE = 4_000
"""Characters of a source that are shown."""
LISTED = 64
NEAR = 2_000
"""Ops before and after one that are looked at for those of the same call of a module."""
MADE = 20_000
"""Nodes searched for those that a module's call made."""


@on(p.FunctionOf)
def _(request: p.FunctionOf, session: Session, place: Place) -> Answer:
    target = request.target.strip()
    if target.startswith("#"):
        index = node_index(target, session, place)
        source: Labelled = session.backward_here(place)
        with figures.quiet():
            return function(source.graph.nodes[index], target, source, session, place)
    value = session.evaluate(target, place)
    if isinstance(value, type) and issubclass(value, torch.autograd.Function):
        return of_class(value, target)
    with figures.quiet():
        node = value
        if not (hasattr(value, "next_functions") and hasattr(value, "_sequence_nr")):
            node = _node_of(value, target, session, place)
        source = walked(node, session, place)
        return function(node, target, source, session, place)


def _node_of(value: object, name: str, session: Session, place: Place) -> object:
    if not isinstance(value, torch.Tensor):
        raise UsageError(
            f"'{name}' is a {type(value).__name__}, not a tensor, a node or a Function.",
            "Name a tensor that was computed, or #N at a backward stop.",
        )
    node = facts.node_of(value)
    if node is None:
        why = report.everything(value, name, session, place).leaf_why
        raise AutogradError(
            f"'{name}' has no grad_fn: it is {why}", "Name a tensor that was computed from it."
        )
    return node


def of_class(function: Any, of: str) -> FunctionInfo:
    """Return what a Function is, before it has made any node."""
    forward, backward, site = _sources(function)
    return FunctionInfo(
        name=f"{function.__name__}Backward",
        of=of,
        custom=True,
        kind=_kind(function),
        forward_source=forward,
        backward_source=backward,
        source_site=site,
    )


def function(node: Any, of: str, source: Labelled, session: Session, place: Place) -> FunctionInfo:
    """Return what a node is; ``source`` is the graph in which it lies."""
    names: Names = source.names
    recorder = session.recorder
    at = source.graph.index[node]
    op = source.op(at)
    path = source.module(at)
    module = next((module for module, known in names.each_module() if known == path), None)
    made: tuple[NodeRow, ...] = ()
    if op is not None and op.module:
        made = tuple(_nodes(source, _call_of(op, recorder.ops)))
    custom = nodes.is_custom(node)
    forward, backward, site = _sources(_class_of(node)) if custom else ("", "", None)
    saved = nodes.saved_records(node, names)
    return FunctionInfo(
        name=nodes.name(node),
        of=of,
        label=source.label(at),
        custom=custom,
        kind=_kind(_class_of(node)) if custom else "",
        sequence=nodes.sequence(node),
        module=path if module is not None else "",
        module_class=type(module).__name__ if module is not None else "",
        parameters=_parameters(path, module, session, place),
        nodes=made,
        saved=tuple(each for each in saved if not each.name.startswith("ctx.")),
        attributes=tuple(_attributes(node)) if custom else (),
        needs_input_grad=tuple(map(bool, getattr(node, "needs_input_grad", ()))),
        forward_source=forward,
        backward_source=backward,
        source_site=site,
    )


def _parameters(path: str, module: Any, session: Session, place: Place) -> tuple[ParameterRow, ...]:
    if module is None:
        return ()
    optimizers = Optimizers(engine_names.namespaces(place.frame, session.space))
    tree = Tree([(path, f"{path}.", module)], optimizers, None)
    return tree.kept(tree.spots[0])


def _call_of(op: Call, ops: list[Call]) -> range:
    """Return the sequence numbers that the module call around ``op`` used."""
    place = next((at for at in range(len(ops) - 1, -1, -1) if ops[at] is op), None)
    if place is None:
        return range(op.seq, op.seq_end)
    first = last = place
    while first > max(0, place - NEAR) and _inside(ops[first - 1].module, op.module):
        first -= 1
    while last < min(len(ops) - 1, place + NEAR) and _inside(ops[last + 1].module, op.module):
        last += 1
    return range(ops[first].seq, ops[last].seq_end)


def _inside(path: str, module: str) -> bool:
    return path == module or path.startswith(f"{module}.")


def _nodes(source: Labelled, numbers: range) -> Iterator[NodeRow]:
    """Yield the nodes of a graph that have these sequence numbers, in the order of the forward."""
    graph, leaves = source.graph, leaf_storages(source.graph)
    made = [at for at in range(min(len(graph), MADE)) if graph.sequence(at) in numbers]
    for at in sorted(made, key=graph.sequence)[:LISTED]:
        op, label = source.op(at), source.label(at)
        own = "" if op is not None and label == op.module else label
        yield source.row(at, 0, label=own, saved_nbytes=saved_bytes([graph.nodes[at]], leaves))


# -- custom Functions --------------------------------------------------------------------------


def _class_of(node: Any) -> Any:
    return getattr(type(node), "_forward_cls", type(node))


def _kind(function: Any) -> str:
    module = getattr(function, "__module__", "")
    name = getattr(function, "__qualname__", str(function))
    return name if module in ("__main__", "builtins") else f"{module}.{name}"


def _attributes(node: Any) -> Iterator[tuple[str, str]]:
    """Yield what the author of a Function put on ctx."""
    for name, value in list(vars(node).items())[:LISTED]:
        if not name.startswith("_"):
            yield name, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"tensor {facts.sizes(value.shape)} {facts.short(value.dtype)}"
    return text_of(value)[:200]


def _sources(function: Any) -> tuple[str, str, Site | None]:
    """Return the sources of forward (with setup_context, if there is one) and backward."""
    forward, site = source(function, "forward")
    setup, _ = source(function, "setup_context")
    backward, _ = source(function, "backward")
    if not backward:
        backward, _ = source(function, "vjp")
    return "\n".join(filter(None, (forward, setup))), backward, site


def source(function: Any, name: str) -> tuple[str, Site | None]:
    """Return the text of one method of the user's own, and where it begins; None: torch's own."""
    method = inspect.getattr_static(function, name, None)
    method = inspect.unwrap(getattr(method, "__func__", method))
    code = getattr(method, "__code__", None)
    if code is None or frames.kind(code) == frames.TORCH:
        return "", None
    try:
        lines, line = inspect.getsourcelines(method)
    except (OSError, TypeError, IndentationError):
        return "", Site(code.co_filename, code.co_firstlineno, code.co_name, "")
    text = inspect.cleandoc("\n" + "".join(lines)) if lines else ""
    site = Site(code.co_filename, line, code.co_name, lines[0].strip() if lines else "")
    return text[:SOURCE], site


# -- keeping a gradient ----------------------------------------------------------------------------


@on(p.Retain)
def _(request: p.Retain, session: Session, place: Place) -> Answer:
    tensor = session.tensor(request.expression, place)
    name = request.expression
    with figures.quiet():
        if not tensor.requires_grad:
            why = report.everything(tensor, name, session, place).leaf_why
            raise AutogradError(
                f"'{name}' will get no gradient: it does not require one. It is {why}",
                "Give a leaf requires_grad=True before the forward.",
            )
        if facts.is_leaf(tensor):
            return model.Notice(message=f"'{name}' is a leaf: a leaf keeps its gradient already.")
        if tensor.retains_grad:
            return model.Notice(message=f"'{name}' keeps its gradient already.")
        tensor.retain_grad()
    when = "from the next backward on"
    backward = getattr(place.event, "backward", None)
    if backward is not None:
        at = backward.graph.index.get(facts.node_of(tensor))
        if at is not None and not backward.is_done(at):
            when = "from this backward on"
    return model.Notice(
        message=f"'{name}' keeps its gradient {when}, as after {name}.retain_grad(): "
        f"{name}.grad has it."
    )
