"""``:terms``: a sum of losses, split at its additions, and what each does to each parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch.autograd.graph import GradientEdge

from gradrepl import protocol as p
from gradrepl.engine.answers import on
from gradrepl.engine.chain import gradients, naming, unseen
from gradrepl.engine.chain.gradients import amount, projection, size
from gradrepl.engine.chain.naming import Labels
from gradrepl.engine.chain.vjp import Runner, is_custom, sentence
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import Graph, Order
from gradrepl.engine.session import Session
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


class Split(NamedTuple):
    """One term: an output of a node, and the gradient that arrives there."""

    node: Any
    number: int
    seed: Any


def kind(node: Any) -> str:
    """Return 'Add' for AddBackward0."""
    return nodes.name(node).rstrip("0123456789").removesuffix("Backward")


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


def _has_name(node: Any, labels: Labels) -> bool:
    return kind(node) in ADDS | WEIGHTS and labels.variable(node, 0) is not None


def split(root: naming.Root, graph: Graph, runner: Runner, labels: Labels) -> list[Split]:
    """Return the terms of ``root`` in the order in which they are met.

    What has a name is taken as it is: of ``reg = 0.1 * penalty`` the term is ``reg``, of
    ``actor = policy - bonus`` it is ``actor``.
    """
    arrivals = gradients.Arrivals(graph)
    for start in root.starts:
        arrivals.add(graph.index[start.node], start.number, start.seed)
    begin = {start.node for start in root.starts}
    order, at = Order(graph, None), 0
    terms: list[Split] = []
    while arrivals and (place := order.at(at := at + 1)) is not None:
        node, grads = graph.nodes[place], arrivals.take(place)
        arrived = [Split(node, n, grad) for n, grad in enumerate(grads) if grad is not None]
        if not arrived:
            continue
        scalar = all(each.seed.numel() == 1 for each in arrived)
        if not adds_up(node, scalar) or (node not in begin and _has_name(node, labels)):
            terms += arrived
            continue
        leaving = runner.run(place, grads)
        for (target, number), grad in zip(node.next_functions, leaving, strict=False):
            if target is not None and grad is not None:
                arrivals.add(graph.index[target], int(number), grad)
    return terms


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
    whole, listed, left, said = _ask(root, parts, leaves, bool(custom or notes))
    for node in custom:
        name = type(node).__name__.removesuffix("Backward")
        notes.append(f"the backward of {name} was run again for the loss and for its terms.")
    if len(parts) < 2:
        notes.append("this loss is no sum: it has one term.")
    table = _Table(labels, leaves, [size(grad) for grad in whole])
    agrees, apart = _agree(whole, left)
    return Terms(
        root=root.name,
        terms=tuple(table.term(*each) for each in listed),
        parameters=tuple(table.names[n] for n in table.order),
        norms=tuple(table.norms[n] for n in table.order),
        count=len(leaves),
        unlisted=len(parts) - len(listed),
        norm=_norm(table.norms),
        agrees=agrees,
        max_difference=apart,
        notes=tuple(dict.fromkeys([*notes, *said])),
    )


Asked = tuple[list[Any], list[tuple["Split", "Measured"]], list[Any], list[str]]
"""The loss's gradients, each term's figures, what the terms leave of the gradients, notes."""


def _ask(
    root: naming.Root, parts: Sequence[Split], leaves: Sequence[Any], user_code: bool
) -> Asked:
    """Ask torch for the gradients of the loss and of each term; one at a time is held."""
    listed: list[tuple[Split, Measured]] = []
    with unseen.unseen(user_code) as muted:
        asked = _Gradients(leaves)
        whole = left = asked.of(root.starts)
        for part in parts:
            grads = asked.of([part])
            left = [gradients.subtract(a, b) for a, b in zip(left, grads, strict=True)]
            if len(listed) < LISTED:
                listed.append((part, _measured(grads, whole)))
    return whole, listed, left, muted.notes()


class _Gradients:
    """Asks torch for the gradients of all leaves."""

    def __init__(self, leaves: Sequence[Any]) -> None:
        self._inputs = [(leaf, 0) for leaf in leaves]

    def of(self, starts: Sequence[Any]) -> list[Any]:
        outputs = [GradientEdge(start.node, start.number) for start in starts]
        seeds = [start.seed for start in starts]
        try:
            return list(unseen.gradients(outputs, seeds, self._inputs))
        except StateError:
            raise
        except Exception as error:  # a custom backward is user code
            raise sentence("the backward", error) from error


Measured = list[tuple[float | None, float | None]]
"""For each leaf, the norm of the term's gradient, and its inner product with the whole one divided
by that one's norm."""


def _measured(grads: Sequence[Any], whole: Sequence[Any]) -> Measured:
    measured: Measured = []
    for part, total in zip(grads, whole, strict=True):
        norm = size(total)
        shared = projection(part, total, norm)
        inner = None if shared is None or norm is None else shared * norm
        measured.append((size(part), inner))
    return measured


def _norm(norms: Any) -> float | None:
    known = [norm for norm in norms if norm is not None]
    return float(sum(norm * norm for norm in known)) ** 0.5 if known else None


class _Table:
    """Terms by parameters, the parameters with the largest gradients first."""

    def __init__(self, labels: Labels, leaves: Sequence[Any], norms: list[float | None]) -> None:
        self._labels, self.norms = labels, norms
        self.names = [labels.leaf(node) for node in leaves]
        self.order = sorted(range(len(leaves)), key=lambda n: -(norms[n] or 0.0))[:ROWS]

    def term(self, part: Split, measured: Measured) -> Term:
        """Return the record of one term."""
        labels = self._labels
        held = labels.variable(part.node, part.number)
        with figures.quiet():
            value = amount(held[1].detach()) if held is not None else None
        weight = amount(part.seed)
        rows = tuple(
            TermRow(parameter=self.names[n], norm=measured[n][0], cosine=_cosine(*measured[n]))
            for n in self.order
        )
        norm, whole = _norm(norm for norm, _ in measured), _norm(self.norms)
        pairs = zip(measured, self.norms, strict=True)
        inner = sum(inner * norm for (_, inner), norm in pairs if inner is not None and norm)
        return Term(
            name=labels.made(part.node, part.number),
            node=labels.node(part.node),
            line=labels.line(part.node),
            weight=weight if isinstance(weight, float) else None,
            value=value if isinstance(value, float) else None,
            norm=norm,
            cosine=_cosine(norm, inner / whole if whole else None),
            rows=rows,
        )


def _cosine(norm: float | None, inner: float | None) -> float | None:
    return None if not norm or inner is None else max(-1.0, min(1.0, inner / norm))


def _agree(whole: Sequence[Any], left: Sequence[Any]) -> tuple[bool, float]:
    """Do the terms leave nothing of the whole but rounding?"""
    apart = max((gradients.biggest(rest) for rest in left if rest is not None), default=0.0)
    scale = max((gradients.biggest(grad) for grad in whole if grad is not None), default=0.0)
    dtypes = [grad.dtype for grad in whole if grad is not None]
    slack = max((gradients.tolerance(dtype) for dtype in dtypes), default=0.0)
    return apart <= slack * scale * 16, apart
