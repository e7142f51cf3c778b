"""``:terms``: a sum of losses, split at its additions, and what each does to each parameter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradrepl import protocol as p
from gradrepl.engine.chain import gradients, naming, unseen
from gradrepl.engine.chain.gradients import Start, amount, projection, size
from gradrepl.engine.chain.naming import Labels
from gradrepl.engine.chain.unseen import Runner, sentence
from gradrepl.engine.code.values import USER_ERRORS
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import Graph, Order
from gradrepl.engine.graph.nodes import is_custom
from gradrepl.engine.session import Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures
from gradrepl.errors import AutogradError, StateError
from gradrepl.model import Term, TermRow, Terms

LISTED = 24
"""Terms listed."""
ROWS = 40
"""Parameters listed."""
ADDS = frozenset(["Add", "Sub", "Rsub", "Neg"])
WEIGHTS = frozenset(["Mul", "Div"])
"""A constant's part in these is a weight."""
GATHERS = frozenset(["Stack", "Cat"])
REDUCES = frozenset(["Sum", "Mean"])
PASSES = frozenset(["View", "Squeeze", "Unsqueeze", "Reshape", "ToCopy", "Alias", "Clone"])


def kind(node: Any) -> str:
    """Return 'Add' for AddBackward0."""
    return nodes.kind(nodes.name(node))


def adds_up(node: Any, scalar: bool) -> bool:
    """Is this node's output a weighted sum of its inputs, so that a loss is split at it?"""
    inputs = [target for target, _ in node.next_functions if target is not None]
    name = kind(node)
    if name in GATHERS:
        return True  # only reached from a sum of it
    if not scalar or is_custom(node):
        return False
    if name in REDUCES:
        return kind(inputs[0]) in GATHERS
    return name in ADDS or name in PASSES or (name in WEIGHTS and len(inputs) == 1)


def split(root: naming.Root, graph: Graph, runner: Runner, labels: Labels) -> list[Start]:
    """Return the terms of ``root`` in the order in which they are met.

    What has a name is taken as it is: of ``reg = 0.1 * penalty`` the term is ``reg``, of
    ``actor = policy - bonus`` it is ``actor``.
    """
    arrivals = gradients.Arrivals(graph)
    for start in root.starts:
        arrivals.add(graph.index[start.node], start.number, start.seed)
    begin = {start.node for start in root.starts}
    order, at = Order(graph, None), 0
    terms: list[Start] = []
    while arrivals and (place := order.at(at := at + 1)) is not None:
        node, grads = graph.nodes[place], arrivals.take(place)
        arrived = [Start(node, n, grad) for n, grad in enumerate(grads) if grad is not None]
        if arrived and _is_split(node, arrived, node in begin, labels):
            arrivals.send(place, runner.run(node, grads))
        else:
            terms += arrived
    return terms


def _is_split(node: Any, arrived: Sequence[Start], is_root: bool, labels: Labels) -> bool:
    scalar = all(each.seed.numel() == 1 for each in arrived)
    named = kind(node) in ADDS | WEIGHTS and labels.variable(node, 0) is not None
    return adds_up(node, scalar) and (is_root or not named)


@on(p.TermsOf)
def terms(request: p.TermsOf, session: Session, place: Place) -> Terms:
    """Return the record of a loss's terms.

    Raises:
        AutogradError, StateError, UsageError: the loss has no gradient, or none can be had here.
    """
    session.stepper.check_nested_backward()
    root = naming.root(request.root, session, place)
    graph = Graph(list(dict.fromkeys(start.node for start in root.starts)))
    runner = Runner(graph)
    notes = runner.check(range(len(graph)))
    labels = Labels(session, place)
    parts = split(root, graph, runner, labels)
    leaves = [node for node in graph.nodes if hasattr(node, "variable")]
    if not leaves:
        raise AutogradError(f"'{root.name}' reaches no parameter.", "':t NAME' tells why.")
    custom = list(filter(is_custom, graph.nodes))
    whole, listed, left, muted = _ask(root, parts, leaves, bool(custom or notes))
    for node in custom:
        name = nodes.kind(nodes.name(node))
        notes.append(f"the backward of {name} was run again for the loss and for its terms.")
    if len(parts) < 2:
        notes.append("this loss is not a sum: it has one term.")
    norms = list(map(size, whole))
    largest = sorted(range(len(leaves)), key=lambda n: -(norms[n] or 0.0))[:ROWS]
    rows = {n: labels.leaf(leaves[n]) for n in largest}
    agrees, apart = _agree(whole, left)
    return Terms(
        root=root.name,
        terms=tuple(_term(part, measured, labels, norms, rows) for part, measured in listed),
        parameters=tuple(rows.values()),
        norms=tuple(norms[n] for n in largest),
        count=len(leaves),
        unlisted=len(parts) - len(listed),
        norm=_norm(norms),
        agrees=agrees,
        max_difference=apart,
        notes=tuple(dict.fromkeys([*notes, *muted])),
    )


Measured = list[tuple[float | None, float | None]]
"""For each leaf, the norm of the term's gradient, and its inner product with the whole one divided
by that one's norm."""
Asked = tuple[list[Any], list[tuple[Start, Measured]], list[Any], list[str]]
"""The loss's gradients, each term's figures, what the terms leave of the gradients, notes."""


def _ask(
    root: naming.Root, parts: Sequence[Start], leaves: Sequence[Any], user_code: bool
) -> Asked:
    """Ask torch for the gradients of the loss and of each term; one at a time is held."""
    listed: list[tuple[Start, Measured]] = []
    inputs = [(leaf, 0) for leaf in leaves]
    with unseen.unseen(user_code) as muted:
        whole = left = _gradients(root.starts, inputs)
        for part in parts:
            grads = _gradients([part], inputs)
            left = [gradients.subtract(a, b) for a, b in zip(left, grads, strict=True)]
            if len(listed) < LISTED:
                listed.append((part, _measured(grads, whole)))
    return whole, listed, left, muted.notes()


def _gradients(starts: Sequence[Start], inputs: Sequence[tuple[Any, int]]) -> list[Any]:
    try:
        return list(unseen.gradients(starts, inputs))
    except StateError:
        raise
    except USER_ERRORS as error:  # a custom backward is user code
        raise sentence("the backward", error) from error


def _measured(grads: Sequence[Any], whole: Sequence[Any]) -> Measured:
    measured: Measured = []
    for part, total in zip(grads, whole, strict=True):
        norm = size(total)
        shared = projection(part, total, norm)
        inner = None if shared is None or norm is None else shared * norm
        measured.append((size(part), inner))
    return measured


def _norm(norms: Iterable[float | None]) -> float | None:
    known = [norm for norm in norms if norm is not None]
    return math.hypot(*known) if known else None


def _term(
    part: Start,
    measured: Measured,
    labels: Labels,
    norms: Sequence[float | None],
    rows: Mapping[int, str],
) -> Term:
    """Return the record of one term, with a row for each of these leaves: their names by index."""
    held = labels.variable(part.node, part.number)
    with figures.quiet():
        value = amount(held[1].detach()) if held is not None else None
    weight = amount(part.seed)
    norm, whole = _norm(norm for norm, _ in measured), _norm(norms)
    pairs = zip(measured, norms, strict=True)
    inner = sum(inner * norm for (_, inner), norm in pairs if inner is not None and norm)
    return Term(
        name=labels.made(part.node, part.number),
        node=labels.node(part.node),
        line=labels.line(part.node),
        weight=weight if isinstance(weight, float) else None,
        value=value if isinstance(value, float) else None,
        norm=norm,
        cosine=_cosine(norm, inner / whole if whole else None),
        rows=tuple(
            TermRow(parameter=name, norm=measured[n][0], cosine=_cosine(*measured[n]))
            for n, name in rows.items()
        ),
    )


def _cosine(norm: float | None, inner: float | None) -> float | None:
    return None if not norm or inner is None else max(-1.0, min(1.0, inner / norm))


def _agree(whole: Sequence[Any], left: Sequence[Any]) -> tuple[bool, float]:
    """Do the terms leave nothing of the whole but rounding?"""
    apart = gradients.biggest_of(left)
    dtypes = [grad.dtype for grad in whole if grad is not None]
    slack = max(map(gradients.tolerance, dtypes), default=0.0)
    return apart <= slack * gradients.biggest_of(whole) * 16, apart
