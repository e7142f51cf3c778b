"""``:rule``: the derivative rule of a backward function, with the numbers that it works on."""

from __future__ import annotations

from typing import Any

import torch

from gradrepl import protocol as p
from gradrepl.engine import torch_private
from gradrepl.engine.chain import naming, table
from gradrepl.engine.chain.gradients import size
from gradrepl.engine.chain.naming import Labels
from gradrepl.engine.chain.paths import SMALL
from gradrepl.engine.chain.unseen import Grads, Runner, contained, is_real_number, outputs_of, seed
from gradrepl.engine.code.evaluate import text_of
from gradrepl.engine.code.values import USER_ERRORS
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.nodes import is_custom
from gradrepl.engine.modules.functions import source
from gradrepl.engine.session import Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures
from gradrepl.errors import GradreplError, StateError, UsageError
from gradrepl.model import Formula, Gain, Rule

CODE = 60
"""Lines of a custom backward's source that are shown."""


@on(p.RuleOf)
def rule(request: p.RuleOf, session: Session, place: Place) -> Rule:
    """Return the rule of a node, or of a backward function by its name.

    Raises:
        UsageError, StateError: what is asked for has none.
    """
    node = find(request.what, session, place)
    if isinstance(node, str):
        return _of_name(node)
    labels = Labels(session, place)
    forward, formulas, source, code = _written(node)
    grads, arriving = _arriving(node, place)
    notes: list[str] = []
    gains = () if grads is None else _gains(node, grads, labels, place, notes)
    return Rule(
        node=labels.node(node),
        forward=forward,
        formulas=formulas,
        source=source,
        code=code,
        saved=tuple(_saved(node)),
        arriving=arriving,
        gains=gains,
        notes=tuple(notes),
    )


def find(what: str, session: Session, place: Place) -> Any:
    """Return the node that ``what`` names, or its name where it is only one of the table's.

    Raises:
        UsageError, StateError: it names none.
    """
    if not what:
        return _here(place)
    if what.startswith("#"):
        index = naming.node_index(what, session, place)
        return session.backward_here(place).graph.nodes[index]
    known = table.named(what)
    try:
        value = session.evaluate(what, place)
    except GradreplError:
        raise
    except USER_ERRORS:  # what the user typed: perhaps no Python at all
        if known:
            return what
        raise
    if isinstance(value, torch.Tensor):
        if not value.requires_grad:
            raise UsageError(
                f"'{what}' does not require a gradient: no backward function made it.",
                "':t NAME' tells why.",
            )
        return naming.gradient_edge(value).node
    if hasattr(value, "next_functions"):
        return value
    if known or (known := table.named(getattr(value, "__name__", ""))):
        return what if what in known else known[0]
    raise UsageError(
        f"'{what}' is not a tensor, a node or a backward function.",
        "':rule mul', ':rule h', ':rule #7'.",
    )


def _here(place: Place) -> Any:
    event = place.event
    if getattr(event, "kind", "") == "node":
        looking = place.looking if place.looking is not None else event.node
        return event.backward.graph.nodes[looking]
    made = event.made() if getattr(event, "kind", "") == "op" and event.when == "after" else []
    for tensor in made:
        if tensor.requires_grad:
            return naming.gradient_edge(tensor).node
    raise StateError(
        "no node is at hand here.", "Write ':rule NAME', ':rule TENSOR' or ':rule #7'."
    )


def _of_name(name: str) -> Rule:
    first, *others = table.named(name)
    entry = table.table()[first]
    notes = [f"also {each}: {table.table()[each].signature}" for each in others[:8]]
    return Rule(
        node=first,
        forward=entry.signature,
        formulas=_formulas(entry),
        source=_source(),
        notes=tuple(notes),
    )


def _formulas(entry: table.Entry) -> tuple[Formula, ...]:
    return tuple(Formula(name, text) for name, text in entry.formulas.items())


def _source() -> str:
    return f"torch {torch.__version__}, derivatives.yaml"


def _written(node: Any) -> tuple[str, tuple[Formula, ...], str, str]:
    """Return (forward, formulas, source, code) of a node's rule."""
    if hasattr(node, "variable"):
        text = "becomes .grad" if node.variable.grad is None else "is added to .grad"
        return "a leaf", (Formula(".grad", f"grad {text}"),), "torch's AccumulateGrad", ""
    if is_custom(node):
        return _of_custom(type(node)._forward_cls)
    entry = table.table().get(nodes.name(node))
    if entry is not None:
        return entry.signature, _formulas(entry), _source(), ""
    why = "torch has its table, but this function is written by hand in C++ and not in it"
    return "", (), why if table.table() else "this torch came without its derivative table", ""


def _of_custom(function: Any) -> tuple[str, tuple[Formula, ...], str, str]:
    name = f"{function.__name__}.forward, in Python"
    code, site = source(function, "backward")
    if site is None:
        code, site = source(function, "vjp")
    if site is None or not code:
        return name, (), f"{function.__name__}.backward, whose source is not to be had", ""
    return name, (), site.place, "\n".join(code.splitlines()[:CODE])


def _arriving(node: Any, place: Place) -> tuple[Grads | None, str]:
    """Return the gradients that arrive at a node, if they are known, and their text."""
    if _stands_at(node, place):
        grads = list(place.event.grad_in)
        known = (grad for grad in grads if grad is not None)
        texts = (_text(grad) or f"a tensor of shape {tuple(grad.shape)}" for grad in known)
        return grads, "; ".join(texts)
    if not hasattr(node, "variable") and outputs_of(node) == 1 and is_real_number(node, 0):
        return [seed(node, 0)], "1, as if a backward started here"
    return None, ""


def _text(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return figures.values(value) if value.numel() <= SMALL else ""
    return "" if value is None else text_of(value)[:60]


def _saved(node: Any) -> list[tuple[str, str]]:
    """Return what a node saved, where it is small; no hook of anybody's runs."""
    texts = []
    with torch_private.DisableTorchFunction():
        for name, value, state in nodes.saved(node):
            text = _text(value) if state == "ok" else state
            if text:
                texts.append((name, text))
    return texts[:16]


def _gains(
    node: Any, grads: Grads, labels: Labels, place: Place, notes: list[str]
) -> tuple[Gain, ...]:
    if hasattr(node, "variable"):
        return ()
    if _stands_at(node, place) and place.event.when == "after":
        leaving = list(place.event.grad_out)
    else:
        runner = Runner()
        with contained():
            leaving = runner.run(node, grads)
        notes += runner.notes()
    before = sum((size(grad) or 0.0) ** 2 for grad in grads) ** 0.5
    edges = zip(node.next_functions, leaving, _inputs(node), strict=False)
    return tuple(
        _gain(f"{name} ({made})" if name else made, before, grad)
        for (target, number), grad, name in edges
        if target is not None
        for made in (labels.made(target, int(number)),)
    )


def _gain(to: str, before: float, grad: Any) -> Gain:
    after = size(grad)
    gain = after / before if before and after is not None else None
    return Gain(to=to, norm_in=before, norm_out=after, gain=gain, values=_text(grad))


def _stands_at(node: Any, place: Place) -> bool:
    event = place.event
    if getattr(event, "kind", "") != "node":
        return False
    return event.backward.graph.nodes[event.node] is node  # type: ignore[no-any-return]


def _inputs(node: Any) -> list[str]:
    """Return the names of the inputs that the edges are for; '' where that is not clear."""
    edges = len(node.next_functions)
    entry = table.table().get(nodes.name(node))
    names = inputs_of(entry) if entry is not None else []
    return names if len(names) == edges else [""] * edges


def inputs_of(entry: table.Entry) -> list[str]:
    """Return the inputs that have a gradient, in order; none where one is a list of tensors."""
    wanted = {name for key in entry.formulas for name in key.replace(" ", "").split(",")}
    inputs = [(kind, name) for kind, name in table.arguments(entry.signature) if name in wanted]
    return [] if any("[]" in kind for kind, _ in inputs) else [name for _, name in inputs]
