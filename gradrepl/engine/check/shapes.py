"""Shapes that broadcast where nobody meant it, and functions that are applied twice."""

from __future__ import annotations

from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Op, Ran, Rule, Value, sources
from gradrepl.engine.explain import source
from gradrepl.engine.explain.source import at
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.model import sited

LOSSES = frozenset(["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "gaussian_nll_loss"])
DIFFERENCES = frozenset(["sub", "__sub__", "__rsub__", "rsub", "subtract"])
AVERAGED = frozenset(["pow", "square", "abs", "mul", "__pow__", "mean"])
"""What makes a loss of a difference."""
SHAPING = frozenset(["view", "reshape", "squeeze", "unsqueeze", "flatten", "float", "contiguous"])
SHAPING |= {"__getitem__"}
"""Ops behind which the values are still the same."""
TWICE = {
    ("cross_entropy", "softmax"): "cross_entropy takes logits: it applies log_softmax itself",
    ("log_softmax", "softmax"): "log_softmax takes logits, not probabilities",
    ("softmax", "softmax"): "softmax was applied already",
    ("binary_cross_entropy_with_logits", "sigmoid"): "it takes logits: it applies sigmoid itself",
    ("kl_div", "softmax"): "kl_div takes the logarithm of its first argument",
    ("nll_loss", "softmax"): "nll_loss takes logarithms: log_softmax",
}
"""By a function and the one whose result it must not be given: why."""


class Broadcast(Rule):
    """(N, 1) against (N,) in a loss: every prediction is compared with every target."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._suspects: list[Op] = []

    def op(self, op: Op, call: Call) -> None:
        """Note an op that makes (N, N) of a column that is learned and a row that is not."""
        if (op.name in LOSSES or op.name in DIFFERENCES) and len(op.inputs) > 1:
            first, second = op.inputs[:2]
            learned = first.requires_grad != second.requires_grad
            if learned and _crossed(first.shape, second.shape):
                self._suspects.append(op)

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """Tell of those that the loss is made of."""
        if not self._suspects:
            return
        makers = {*sources(ran.roots).values(), *(root.maker for root in ran.roots)}
        for op in self._suspects:
            if op in makers and (op.name in LOSSES or _averaged(op, makers)):
                self._report(op)
        self._suspects.clear()

    def _report(self, op: Op) -> None:
        first, second = op.inputs[:2]
        size = max(*first.shape, *second.shape)
        self._checker.report(
            "loss-broadcast",
            f"{op.name} of {first.shape} and {second.shape} makes ({size}, {size}): each prediction"
            f" is compared with each target{at(op.site)}.",
            tuple(source.mentioned(op.sites)),
            severity="error" if op.name in LOSSES else "warning",
            sites=sited(root=op.site),
        )


def _crossed(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    column, row = (first, second) if len(first) == 2 else (second, first)
    return len(column) == 2 and len(row) == 1 and column == (row[0], 1) and row[0] > 1


def _averaged(op: Op, makers: set[Op | None]) -> bool:
    """Is every element of a difference squared or taken as it is, and then averaged?"""
    takers = (each for each in makers if each is not None and each.name in AVERAGED)
    return any(not set(op.outputs).isdisjoint(each.inputs) for each in takers)


class Twice(Rule):
    """A softmax under a function that applies one itself, and the like."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    def op(self, op: Op, call: Call) -> None:
        """See what the first input of a loss came out of."""
        inner = _source(op.inputs[0]) if op.inputs else None
        why = TWICE.get((op.name, inner.name)) if inner is not None else None
        if why is not None and inner is not None and op.inputs[0].requires_grad:
            self._checker.report(
                "applied-twice",
                f"{op.name} is given what {inner.name} has made{at(inner.site)}: {why}.",
                (*source.mentioned(inner.sites), inner.module),
                fix=f"Take {inner.name} away.",
                sites=sited(root=inner.site, loss=op.site),
            )


def _source(value: Value) -> Op | None:
    op = value.maker
    while op is not None and op.name in SHAPING and op.inputs:
        op = op.inputs[0].maker
    return op
