"""The first nan or inf: the op, or the node of a backward, that made it out of finite numbers."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from types import FrameType
from typing import Any

import torch

from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Op, Ran, Rule, Value, taken
from gradrepl.engine.explain import nonfinite, source
from gradrepl.engine.explain.source import at
from gradrepl.engine.forward.calls import Call, tensors_in
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures
from gradrepl.model import Site, sited

MEANT = frozenset(["masked_fill", "masked_fill_", "full", "full_like", "fill_", "new_full"])
MEANT |= frozenset(["where", "tensor", "scalar_tensor", "__setitem__"])
"""Ops that make an inf because somebody wrote one: a mask."""
FIXES = {
    "sqrt": "Add a small number inside: (x + 1e-8).sqrt().",
    "rsqrt": "Add a small number inside: (x + 1e-8).rsqrt().",
    "norm": "Add a small number: (x.pow(2).sum(...) + 1e-12).sqrt().",
    "std": "Add a small number: (x.var(...) + 1e-8).sqrt().",
    "log": "Keep its input above zero: x.clamp_min(1e-8).log(), or a function that takes logits.",
    "div": "Keep the divisor away from zero: x / y.clamp_min(1e-8).",
    "pow": "Keep the base away from zero, or the exponent at 1 or above.",
    "exp": "Subtract the largest value first, or use logsumexp, softplus or expm1.",
    "acos": "Clamp its input into (-1, 1).",
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
    "vector_norm": "norm",
    "asin": "acos",
    "log_softmax": "softmax",
}
STEEP = {f"{name}Backward" for name in nonfinite.AT_ZERO | {"Angle", "Acos", "Asin", "Exp"}}
"""Nodes whose derivative is infinite somewhere: of several that may have made it, one of these."""


GROWING = 4
"""Losses in a row that tell that a training diverges."""


class NonFinite(Rule):
    """Tells of the first nan or inf that an optimizer steps with, or that stays to the end."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._causes: dict[int, str] = {}
        """By number of an op that made a nan or inf of finite numbers: why."""
        self._first: dict[str, Any] | None = None
        """What is to be reported of the first backward in a row that was not finite."""
        self._told = False
        self._made_at: Site | None = None
        """Where the optimizer was made that has stepped last."""
        self._losses: deque[float] = deque(maxlen=GROWING)
        """The last ones that were finite."""

    def op(self, op: Op, call: Call) -> None:
        """See whether an op made something that is not finite, and why."""
        for value, tensor in zip(op.outputs, tensors_in(call.result), strict=False):
            value.bad = _bad(tensor)
        if any(each.bad for each in op.outputs):
            for tensor in call.inputs():  # what no op has made was not looked at
                value = self._checker.ledger.value(tensor)
                value.bad = value.bad or (_bad(tensor) if value.maker is None else "")
        news = {each.bad for each in op.outputs} - {each.bad for each in op.inputs} - {""}
        for what in news:
            causes = nonfinite.of_op(call, self._name_of, what)
            self._causes[op.number] = ", ".join(filter(None, causes[:2]))

    def _name_of(self, tensor: torch.Tensor) -> str:
        named = self._checker.parameters.names.get(id(tensor))
        maker = self._checker.ledger.value(tensor).maker
        return named or next(iter(source.targets(maker.site if maker else None)), "")

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """Judge the root, then the gradients."""
        if self._told:
            return
        bad = next((root for root in ran.roots if root.bad), None)
        report = self._forward(bad) if bad else self._backward(seen) if seen is not None else None
        if bad is None and report is None and not _some(seen):
            self._first = None
            self._losses.extend(_value(root) for root in ran.roots[:1] if _value(root))
            self._causes.clear()
        elif self._first is None:
            self._first = report

    def before_step(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        """What is stepped with is in the parameters for good."""
        self._made_at = self._checker.made.site(optimizer)
        if self._first is not None and not self._told:
            self._tell()

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """The last backward was not finite."""
        if self._first is not None and not self._told:
            self._tell()

    def _tell(self) -> None:
        assert self._first is not None
        self._told = True
        self._checker.report(**self._first)

    # -- in the forward --------------------------------------------------------------------------

    def _forward(self, root: Value) -> dict[str, Any]:
        """Follow what is not finite back to where it was made."""
        value, known = root, {root}
        while bad := [each for each in _bad_inputs(value) if each not in known]:
            alike = [each for each in bad if each.bad == value.bad]
            value = (alike or bad)[0]
            known.add(value)
        op = value.maker
        if op is None:
            return self._given(value)
        if self._grows() and self._made_at is not None:
            losses = ", ".join(map(_short, self._losses))
            return {
                "rule": "diverging",
                "message": f"the loss grows from step to step ({losses}) until it overflows in"
                f" {op.name}{at(op.site)}.",
                "subjects": (*source.targets(self._made_at), *source.mentioned(op.sites), "lr"),
                "sites": sited(root=self._made_at, overflow=op.site),
            }
        return self._made(op, "nonfinite-value", value.bad, op.name, self._causes.get(op.number))

    def _grows(self) -> bool:
        """Was each of the last losses much larger than the one before?"""
        losses = list(self._losses)
        return len(losses) == GROWING and all(2 * a < b for a, b in pairwise(losses))

    def _given(self, value: Value) -> dict[str, Any]:
        name = self._checker.parameters.names.get(id(value.ref()), "")
        ops = self._checker.ledger.ops
        taker = next((op for op in ops if value in op.inputs), None)
        site = taker.site if taker is not None else None
        names = [name] if name else source.arguments(site, taker.name if taker else "")
        return {
            "rule": "nonfinite-input",
            "message": f"{name or 'a tensor'} has {value.bad} in it when the program first uses"
            f" it{at(site)}.",
            "subjects": (*names, *source.mentioned(taker.sites if taker else ())),
            "sites": sited(root=site),
        }

    # -- in a backward ---------------------------------------------------------------------------

    def _backward(self, seen: Recorder) -> dict[str, Any] | None:
        """Find the node that got what is finite and passed on what is not."""
        order = list(seen.ran)
        for place, node in enumerate(order):
            norm = seen.ran[node]
            if not _finite(norm):
                maker = self._maker(seen, order[: place + 1])
                call = maker and self._checker.session.recorder.op_of(maker._sequence_nr())
                ops = self._checker.ledger.ops
                op = next((each for each in ops if call and each.number == call.id), None)
                if op is None:
                    return None
                who = f"the backward of {op.name} ({nodes.name(maker)})"
                return self._made(op, "nonfinite-gradient", "nan" if norm != norm else "inf", who)
        return None

    def _maker(self, seen: Recorder, ran: list[Any]) -> Any:
        graph = seen.graph
        target = graph.index[ran[-1]]
        makers = [node for node in reversed(ran[:-1]) if target in graph.next(graph.index[node])]
        finite = [node for node in makers if _finite(seen.ran[node])]
        steep = [node for node in finite if nodes.name(node).rstrip("0123456789") in STEEP]
        return next(iter(steep or finite), None)

    def _made(
        self, op: Op, rule: str, what: str, who: str, cause: str | None = ""
    ) -> dict[str, Any]:
        bare = op.name.strip("_")
        bare = bare if bare in FIXES else bare.removeprefix("r")
        of = "the loss" if rule == "nonfinite-value" else "the gradient"
        return {
            "rule": rule,
            "message": f"{of} becomes {what}: {who} makes the first one{at(op.site)}"
            f"{f': {cause}' if cause else ''}.",
            "subjects": (*source.mentioned(op.sites), *taken(op), op.module),
            "evidence": cause or "",
            "fix": FIXES.get(ALIKE.get(bare, bare), ""),
            "sites": sited(root=op.site),
        }


def _short(number: float) -> str:
    return f"{number:.3g}"


def _value(root: Value) -> float:
    """Return the size of a loss; 0 where it is not one number, or gone."""
    tensor = root.ref()
    return figures.norm(tensor) or 0.0 if tensor is not None and tensor.numel() == 1 else 0.0


def _bad_inputs(value: Value) -> list[Value]:
    """Return what was not finite when a value was made of it, but what was meant to be so."""
    inputs = [each for each in value.maker.inputs if each.bad] if value.maker is not None else []
    return [each for each in inputs if not _meant(each)]


def _meant(value: Value, depth: int = 8) -> bool:
    """Is an inf there because somebody wrote one, or what an op passes on of such ones?"""
    op = value.maker
    if value.bad != "inf" or op is None or not depth:
        return False
    bad = [each for each in op.inputs if each.bad]
    return op.name in MEANT or (bool(bad) and all(_meant(each, depth - 1) for each in bad))


def _some(seen: Recorder | None) -> bool:
    return seen is not None and not all(map(_finite, seen.ran.values()))


def _finite(norm: Any) -> bool:
    return not isinstance(norm, float) or norm - norm == 0.0


def _bad(tensor: torch.Tensor) -> str:
    """Return 'nan' or 'inf' where some elements of a tensor in the CPU's memory are, else ''."""
    if not tensor.is_cpu or not (tensor.is_floating_point() or tensor.is_complex()):
        return ""
    norm = figures.norm(tensor)
    if norm is None or norm - norm == 0.0:
        return ""
    return "nan" if norm != norm else "inf"
