"""``:addends``: what is added up where several gradients meet, and who sent each."""

from __future__ import annotations

from typing import Any

from gradrepl.engine.chain import origin, paths, sums
from gradrepl.engine.chain.labels import Labels, amount, projection, size
from gradrepl.engine.chain.local import Runner
from gradrepl.engine.chain.ways import Hop, Ways
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.model import Addend, Addends

LISTED = 100
"""Addends listed."""


def answer(root_text: str, text: str, session: Session, place: Place) -> Addends:
    """Return the record of what arrives at a leaf or at another tensor's node.

    Raises:
        AutogradError, StateError, UsageError: nothing arrives, or the graph cannot be walked.
    """
    root = origin.root(root_text, session, place)
    target = origin.target(text, session, place)
    ways = Ways(root.starts, target.node, target.number)
    if not ways.count:
        raise origin.unreached(root, target)
    labels = Labels(session, place)
    runner = Runner(ways.graph)
    met: list[tuple[Any, int, Any]] = []
    for node, number, grad in ways.starts:
        if ways.ends((node, number)):
            met.append((None, 0, grad))

    def seen(node: int, hop: Hop, arrived: list[Any], leaving: Any) -> None:
        if ways.ends((hop.node, hop.number)):
            met.append((ways.graph.nodes[node], hop.edge, leaving))

    with paths.careful(runner, ways) as notes:
        total = sums.accumulate(ways, runner, seen)
        truth = paths.ask_torch(ways, runner, session)
    whole = truth.grad if truth.known else total
    norm = size(whole)
    agrees, apart = sums.compare(total, truth.grad) if truth.known else (None, None)
    return Addends(
        root=root.name, target=target.name, count=len(met),
        addends=tuple(_addend(labels, *each, target.number, whole, norm)
                      for each in met[:LISTED]),
        total=amount(total), grad=amount(truth.grad), agrees=agrees, max_difference=apart,
        notes=tuple([*notes, *runner.notes(), *truth.notes]),
    )  # fmt: skip


def _addend(
    labels: Labels, node: Any, edge: int, grad: Any, number: int, whole: Any, norm: float | None
) -> Addend:
    return Addend(
        sender="the caller" if node is None else labels.node(node),
        made="" if node is None else labels.made(node, 0),
        edge=edge, line="" if node is None else labels.line(node), input_nr=number,
        amount=amount(grad), norm=size(grad),
        share=projection(grad, whole, norm) if whole is not None else None,
    )  # fmt: skip
