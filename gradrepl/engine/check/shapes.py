"""Shapes that broadcast where nobody meant it, and functions that are applied twice."""

from __future__ import annotations

from gradrepl.engine.check import source
from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Op, Ran, Rule, Value, sources
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.model import Finding, sited

LOSSES = frozenset("mse_loss l1_loss smooth_l1_loss huber_loss gaussian_nll_loss".split())  # noqa: SIM905
DIFFERENCES = frozenset("sub __sub__ __rsub__ rsub subtract".split())  # noqa: SIM905
SHAPING = frozenset("view reshape squeeze unsqueeze flatten float contiguous __getitem__".split())  # noqa: SIM905
"""Ops behind which the values are still the same."""
TWICE = {
    ("cross_entropy", "softmax"): "cross_entropy takes logits: it applies log_softmax itself.",
    ("log_softmax", "softmax"): "log_softmax takes logits, not probabilities.",
    ("softmax", "softmax"): "softmax was applied already.",
    ("binary_cross_entropy_with_logits", "sigmoid"): "it takes logits: it applies sigmoid itself.",
    ("nll_loss", "softmax"): "nll_loss takes logarithms: log_softmax.",
}
"""By a function and the one whose result it must not be given: why."""


class Broadcast(Rule):
    """(N, 1) against (N,) in a loss: every prediction is compared with every target."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._suspects: dict[Op, tuple[Value, Value]] = {}

    def op(self, op: Op, call: Call) -> None:
        """Note an op that makes (N, N) of a column and a row."""
        if op.name in LOSSES or op.name in DIFFERENCES:
            pair = [each for each in op.inputs if len(each.shape) in (1, 2)][:2]
            if len(pair) == 2 and _crossed(pair[0].shape, pair[1].shape):
                if pair[0].requires_grad != pair[1].requires_grad:
                    self._suspects[op] = pair[0], pair[1]

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """Tell of those that the loss is made of."""
        if not self._suspects:
            return
        makers = {*sources(ran.roots).values(), *(root.maker for root in ran.roots)}
        for op, (first, second) in self._suspects.items():
            if op in makers and (op.name in LOSSES or _reduced(op, makers)):
                self._checker.report(self._finding(op, first, second))
        self._suspects.clear()

    def _finding(self, op: Op, first: Value, second: Value) -> Finding:
        size = max(*first.shape, *second.shape)
        names = source.arguments(op.site, op.name) or source.targets(op.site)
        return Finding(
            rule="loss-broadcast",
            severity="error" if op.name in LOSSES else "warning",
            message=f"{op.name} of {first.shape} and {second.shape} makes ({size}, {size}): each"
            " prediction is compared with each target"
            f"{f' ({op.site.place})' if op.site else ''}.",
            sites=sited(root=op.site),
            subjects=tuple(names[:4]),
            fix="Give both one shape: prediction.squeeze(1), or target.unsqueeze(1).",
        )


def _crossed(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    column, row = (first, second) if len(first) == 2 else (second, first)
    return len(column) == 2 and len(row) == 1 and column == (row[0], 1) and row[0] > 1


def _reduced(op: Op, makers: set[Op | None]) -> bool:
    """Is every element of a difference squared or taken as it is, and then averaged?"""
    return any(
        taker is not None
        and taker.name in ("pow", "square", "abs", "mul", "__pow__", "mean")
        and any(each in taker.inputs for each in op.outputs)
        for taker in makers
    )


class Twice(Rule):
    """A softmax under a function that applies one itself, and the like."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    def op(self, op: Op, call: Call) -> None:
        """See what the first input of a loss came out of."""
        inner = _source(op.inputs[0]) if op.inputs else None
        why = TWICE.get((op.name, inner.name)) if inner is not None else None
        if why is None or inner is None or not op.inputs[0].requires_grad:
            return
        names = source.targets(inner.site)
        self._checker.report(
            Finding(
                rule="applied-twice",
                severity="warning",
                message=f"{op.name} is given what {inner.name} has made"
                f"{f' ({inner.site.place})' if inner.site else ''}: {why}",
                sites=sited(root=inner.site, loss=op.site),
                subjects=tuple(names),
                fix=f"Take {inner.name} away, or its loss.",
            )
        )


def _source(value: Value) -> Op | None:
    op = value.maker
    while op is not None and op.name in SHAPING and op.inputs:
        op = op.inputs[0].maker
    return op
