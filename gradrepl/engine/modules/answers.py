"""Answers about modules, Functions, graphs, and single facts of a tensor."""

from __future__ import annotations

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, on
from gradrepl.engine.code.torch_import import torch_module
from gradrepl.engine.modules import functions, graphs, tree  # noqa: F401
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts, figures, report
from gradrepl.errors import AutogradError, StateError, UsageError


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


@on(p.Gradient)
def _(request: p.Gradient, session: Session, place: Place) -> Answer:
    tensor = session.tensor(request.expression, place)
    with figures.quiet():
        grad = tensor.grad if facts.is_leaf(tensor) or tensor.retains_grad else None
        if grad is not None:
            return report.everything(grad, f"{request.expression}.grad", session, place)
        _, why = report.gradient(tensor, request.expression, session, place)
    return model.Notice(message=f"the gradient of '{request.expression}' is {why}")


@on(p.LeafWhy)
def _(request: p.LeafWhy, session: Session, place: Place) -> Answer:
    tensor = session.tensor(request.expression, place)
    why = report.everything(tensor, request.expression, session, place).leaf_why
    return model.Notice(message=f"'{request.expression}' is {why}")


@on(p.FunctionOf)
def _(request: p.FunctionOf, session: Session, place: Place) -> Answer:
    target = request.target.strip()
    if target.startswith("#"):
        node, source = functions.place_of(target, session, place)
        with figures.quiet():
            return functions.function(node, target, source, session, place)
    value = session.evaluate(target, place)
    if functions.is_function(value):
        return functions.of_class(value, target)
    with figures.quiet():
        node = value if functions.is_node(value) else _node_of(value, target, session, place)
        source = graphs.walked(node, session, place)
        return functions.function(node, target, source, session, place)


def _node_of(value: object, name: str, session: Session, place: Place) -> object:
    torch = torch_module()
    if torch is None or not isinstance(value, torch.Tensor):
        raise UsageError(
            f"'{name}' is a {type(value).__name__}, neither a tensor nor a node nor a Function.",
            "Name a tensor that was computed, or #N at a backward stop.",
        )
    node = facts.node_of(value)
    if node is None:
        why = report.everything(value, name, session, place).leaf_why
        raise AutogradError(
            f"'{name}' has no grad_fn: it is {why}", "Name a tensor that was computed from it."
        )
    return node


@on(p.GraphRows)
def _(request: p.GraphRows, session: Session, place: Place) -> Answer:
    if not request.expression:
        try:
            backward = session.backward_here(place)
        except StateError as error:
            raise StateError(str(error), "':graph EXPR' shows the graph of a tensor.") from None
        with figures.quiet():
            return graphs.view(request, backward, backward.root, live=True)
    tensor = session.tensor(request.expression, place)
    with figures.quiet():
        source = graphs.source_of(tensor, request.expression, session, place)
        name = source.names.tensor(tensor) or request.expression
        return graphs.view(request, source, name, live=False)
