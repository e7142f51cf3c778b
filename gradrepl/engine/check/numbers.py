"""The first nan or inf: the op, or the node of a backward, that made it out of finite numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from gradrepl.engine.check import source
from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Op, Ran, Rule, Value
from gradrepl.engine.explain import nonfinite
from gradrepl.engine.forward.calls import Call, tensors_in
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.tensor import figures
from gradrepl.model import Finding, sited

MEANT = frozenset(
    "masked_fill masked_fill_ full full_like fill_ where tensor __setitem__ new_full scalar_tensor".split()  # noqa: SIM905
)
"""Ops that make an inf because somebody wrote one: a mask."""
FIXES = {
    "sqrt": "Add a small number inside: (x + 1e-8).sqrt().",
    "rsqrt": "Add a small number inside: (x + 1e-8).rsqrt().",
    "norm": "Add a small number: (x.pow(2).sum(...) + 1e-12).sqrt().",
    "vector_norm": "Add a small number: (x.pow(2).sum(...) + 1e-12).sqrt().",
    "std": "Add a small number: (x.var(...) + 1e-8).sqrt().",
    "log": "Keep its input above zero: x.clamp_min(1e-8).log(), or a function that takes logits.",
    "div": "Keep the divisor away from zero: x / y.clamp_min(1e-8).",
    "pow": "Keep the base away from zero, or the exponent at 1 or above.",
    "exp": "Subtract the largest value first, or use logsumexp, softplus, expm1.",
    "acos": "Clamp its input into (-1, 1).",
    "asin": "Clamp its input into (-1, 1).",
    "angle": "Keep its input away from zero.",
    "atan2": "Keep one of its inputs away from zero.",
    "softmax": "Leave at least one element of each row unmasked.",
    "cross_entropy": "Leave at least one target that is not ignored.",
}
"""By op: the usual way to write it."""
ALIKE = {
    "truediv": "div",
    "true_divide": "div",
    "log2": "log",
    "log10": "log",
    "log_softmax": "softmax",
}


STEEP = {f"{name}Backward" for name in nonfinite.AT_ZERO | {"Angle", "Acos", "Asin", "Exp"}}
"""Nodes whose derivative is infinite somewhere: of several that may have made it, one of these."""


class NonFinite(Rule):
    """Tells of the first backward whose root or whose gradients are not finite."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._causes: dict[int, str] = {}
        """By number of an op that made a nan or inf of finite numbers: why."""
        self._told = False

    def op(self, op: Op, call: Call) -> None:
        """See whether an op made something that is not finite, and why."""
        made = list(tensors_in(call.result))
        for value, tensor in zip(op.outputs, made, strict=False):
            value.bad = _bad(tensor)
        news = {each.bad for each in op.outputs} - {each.bad for each in op.inputs} - {""}
        for what in news:
            with figures.quiet():
                causes = nonfinite.of_op(call, lambda tensor: "", what)
            self._causes[op.number] = ", ".join(filter(None, causes[:2]))

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """Judge the root, then the gradients."""
        if self._told:
            return
        for root in ran.roots:
            if root.bad:
                self._forward(root)
                return
        if seen is not None and not self._checker.scaled(ran):
            self._backward(seen)

    # -- in the forward --------------------------------------------------------------------------

    def _forward(self, root: Value) -> None:
        value, op = root, root.maker
        known = {root}
        while op is not None:
            bad = [each for each in op.inputs if each.bad and each not in known]
            same = [each for each in bad if each.bad == value.bad] or bad
            same = [each for each in same if each.maker is None or each.maker.name not in MEANT]
            if not same:
                break
            value = same[0]
            known.add(value)
            op = value.maker
        self._told = True
        if op is None:
            self._report_leaf(value)
        else:
            self._report(op, value.bad or root.bad, f"{op.name}", self._causes.get(op.number, ""))

    def _report_leaf(self, value: Value) -> None:
        tensor = value.ref()
        name = self._checker.parameters.names.get(id(tensor), "")
        taker = next((op for op in self._checker.ledger.ops if value in op.inputs), None)
        self._checker.report(
            Finding(
                rule="nonfinite-input",
                severity="error",
                message=f"{name or 'a tensor'} has {value.bad} in it when the program first uses it"
                f"{f' ({taker.name}, {taker.site.place})' if taker and taker.site else ''}.",
                sites=sited(root=taker.site if taker else None),
                subjects=(name,) if name else tuple(source.targets(taker.site) if taker else ()),
                fix="Look at where its values come from.",
                since=self._checker.ledger.step,
            )
        )

    # -- in a backward ---------------------------------------------------------------------------

    def _backward(self, seen: Recorder) -> None:
        order = list(seen.ran)
        norms = [seen.ran[node] for node in order]
        for place, norm in enumerate(norms):
            if isinstance(norm, float) and norm - norm != 0.0:
                maker = self._maker(seen, order[: place + 1])
                if maker is not None:
                    self._told = True
                    self._report_node(maker, "nan" if norm != norm else "inf")
                return

    def _maker(self, seen: Recorder, ran: list[Any]) -> Any:
        """Return the node that passed on what is not finite, and got only what is."""
        graph = seen.graph
        target = graph.index[ran[-1]]
        makers = [node for node in reversed(ran[:-1]) if target in graph.next(graph.index[node])]
        finite = [node for node in makers if _finite(seen.ran[node])]
        steep = [node for node in finite if nodes.name(node).rstrip("0123456789") in STEEP]
        return next(iter(steep or finite), None)

    def _report_node(self, node: Any, what: str) -> None:
        name = nodes.name(node)
        call = self._checker.session.recorder.op_of(node._sequence_nr())
        op = next((o for o in self._checker.ledger.ops if call and o.number == call.id), None)
        if op is not None:
            self._report(op, what, f"the backward of {op.name} ({name})", "", backward=True)

    def _report(self, op: Op, what: str, who: str, cause: str, backward: bool = False) -> None:
        names = source.targets(op.site)
        of = "the gradient" if backward else "the loss"
        bare = op.name.strip("_")
        bare = ALIKE.get(bare.removeprefix("r"), bare)
        self._checker.report(
            Finding(
                rule="nonfinite-gradient" if backward else "nonfinite-value",
                severity="error",
                message=f"{of} becomes {what}: {who} makes the first one"
                f"{f' ({op.site.place})' if op.site else ''}{f': {cause}' if cause else ''}.",
                sites=sited(root=op.site),
                subjects=tuple(dict.fromkeys((*names, *_taken(op), *filter(None, [op.module])))),
                evidence=cause,
                fix=FIXES.get(bare, "Keep its inputs where it is defined and finite."),
                since=self._checker.ledger.step,
            )
        )


def _finite(norm: Any) -> bool:
    return not isinstance(norm, float) or norm - norm == 0.0


def _taken(op: Op) -> Iterable[str]:
    """Return the variables that an op took, as the lines that made them call them."""
    for value in op.inputs:
        if value.maker is not None and value.maker.site != op.site:
            yield from source.targets(value.maker.site)


def _bad(tensor: torch.Tensor) -> str:
    """Return 'nan' or 'inf' where some elements of a tensor in the CPU's memory are, else ''."""
    if not tensor.is_cpu or not (tensor.is_floating_point() or tensor.is_complex()):
        return ""
    norm = figures.norm(tensor)
    if norm is None or norm - norm == 0.0:
        return ""
    return "nan" if norm != norm else "inf"
