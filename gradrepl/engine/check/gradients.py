"""Parameters that get no gradient, or one that is always zero: which op is to blame."""

from __future__ import annotations

from collections.abc import Iterable
from types import FrameType
from typing import NamedTuple

import torch

from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Op, Ran, Rule, Value, by_gradient, sources
from gradrepl.engine.check.parameters import Parameter, Why
from gradrepl.engine.explain import source
from gradrepl.engine.explain.source import at
from gradrepl.engine.forward.calls import Call, tensors_in
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.modules.reach import of_optimizer
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts, figures
from gradrepl.model import Site, Sited, sited
from gradrepl.model.rules import RULES

NUMBERS = frozenset(["item", "tolist", "numpy", "__array__", "__float__", "__int__", "__index__"])
"""Ops that make Python or numpy numbers, of which autograd knows nothing."""
COPIES = frozenset(["tensor", "as_tensor", "scalar_tensor", "Tensor", "FloatTensor"])
"""Ops that take the numbers of tensors alone."""
DETACHES = {"detach": "detach()", "detach_": "detach_()", "data": ".data"}
FLAT = frozenset(["round", "floor", "ceil", "trunc", "fix", "sign", "sgn", "heaviside"])
"""Ops whose derivative is zero everywhere."""
BACKWARDS = 8
"""Backwards that are judged one by one where no optimizer steps."""


class Cut(NamedTuple):
    """How an op cuts off what it makes from the graph."""

    rule: str
    how: str
    """'is cut off from the graph by detach()', as a part of a sentence."""
    fix: str
    site: Site | None


def described(op: Op) -> Cut:
    """Return how an op cuts off what it makes."""
    if op.off:
        return _switched_off(op)
    if op.name in COPIES:
        how = f"is copied by torch.{op.name}, which takes the numbers alone"
        fix = "Put tensors together with torch.stack or torch.cat, which keep the graph."
    elif op.name in NUMBERS:
        how = f"is made a plain number by {op.name}"
        fix = "Compute with the tensor, not with its number."
    elif op.name in DETACHES:
        how = f"is cut off from the graph by {DETACHES[op.name]}"
        fix = f"Take {DETACHES[op.name]} away where a gradient is to come back."
    else:
        made = facts.short(op.outputs[0].dtype) if op.outputs else "a number"
        how = f"is made {made} by {op.name}, which has no gradient"
        fix = "Use an op that has a derivative in its place."
    return Cut("cut", how, fix, op.site)


def _switched_off(op: Op) -> Cut:
    """Return the line that switched gradients off around an op."""
    mode = op.mode.partition(",")[0]
    switch = source.switch(op.sites) or op.switch
    call = next((site for site in op.sites if "checkpoint(" in site.text), None)
    if switch is None and call is not None:
        how = "is computed inside of a reentrant checkpoint, which re-attaches only what it returns"
        return Cut("checkpoint", how, RULES["checkpoint"].fix, call)
    how = f"is computed under {mode}, where no graph is recorded"
    return Cut("no-grad-region", how, RULES["no-grad-region"].fix, switch or op.site)


def consumers(ops: Iterable[Op]) -> dict[Value, list[Op]]:
    """Return which ops took each value."""
    took: dict[Value, list[Op]] = {}
    for op in ops:
        for value in op.inputs:
            took.setdefault(value, []).append(op)
    return took


def cuts(start: Value, took: dict[Value, list[Op]], inside: set[Value]) -> list[Op]:
    """Return the ops at which the way of a gradient from ``inside`` back to ``start`` is cut."""
    found: dict[Op, None] = {}
    known, waiting = {start}, [start]
    while waiting:
        for op in took.get(waiting.pop(), ()):
            mine = [each for each in op.outputs if each in inside]
            if mine and not op.connects:
                found[op] = None
                continue
            fresh = [each for each in mine if each not in known and each.requires_grad]
            known.update(fresh)
            waiting += fresh
    return list(found)


class Switches(Rule):
    """Keeps the ledger told of where gradients are switched off."""

    def __init__(self, checker: Checker) -> None:
        self._on = checker.ledger.switches
        checker.made.listen("set_grad_enabled.__init__", self._set)
        checker.made.listen("no_grad.__enter__", self._enter)
        for name in ("set_grad_enabled.__exit__", "no_grad.__exit__"):
            checker.made.listen(name, self._exit)

    def _set(self, owner: object, args: tuple[object, ...], sites: tuple[Site, ...]) -> None:
        if args and args[0]:
            self._on.clear()
        else:
            self._enter(owner, args, sites)

    def _enter(self, owner: object, args: tuple[object, ...], sites: tuple[Site, ...]) -> None:
        self._on.append((id(owner), next(iter(sites), None)))

    def _exit(self, owner: object, args: tuple[object, ...], sites: tuple[Site, ...]) -> None:
        self._on[:] = [each for each in self._on if each[0] != id(owner)]


class NoGradient(Rule):
    """A parameter that its optimizer steps and that never has a gradient."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._took: dict[Value, list[Op]] | None = None
        self._inside: set[Value] = set()
        """What the roots of this step are made of; with ``_took``, while a step is judged."""
        self._stepped = False
        """Has any optimizer stepped?"""
        self._backwards = 0

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """Count the leaves that a backward has reached."""
        if seen is None or not ran.accumulates or ran.failed:
            return
        parameters, step = self._checker.parameters, self._checker.ledger.step
        for _, node in seen.leaves:
            known = parameters.of(node.variable, ran.frame, step)
            known.reached += 1
            known.meet(node.variable)
            known.zeros += seen.ran[node] == 0.0
        if not self._stepped and self._backwards < BACKWARDS:
            self._backwards += 1
            for known, tensor in parameters.alive():
                if tensor.requires_grad and tensor.grad is None and known.why is None:
                    known.why = self._why(known, tensor)
            self._forget()

    def before_step(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        """See which of an optimizer's parameters have no gradient, and why."""
        self._stepped = True
        for place, tensor in of_optimizer(optimizer):
            known = self._checker.parameters.of(tensor, frame, self._checker.ledger.step)
            known.name = known.name or place
            known.optimizers.add(id(optimizer))
            known.meet(tensor)
            if not tensor.requires_grad:
                continue
            known.steps += 1
            if tensor.grad is None:
                known.without += 1
                if known.why is None and known.without <= 2:
                    known.why = self._why(known, tensor)
        self._forget()

    def _forget(self) -> None:
        self._took, self._inside = None, set()

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell of those that never had one."""
        known = self._checker.parameters.all()
        trained = {each.root for each in known if each.reached}
        for each in known:
            counts = each.steps or (not self._stepped and each.root in trained)
            why = each.why if each.never and counts and not each.has_grad else None
            if why is not None and each.requires_grad:
                self._checker.report(*why[:4], fix=why.fix, severity=why.severity)

    def _why(self, known: Parameter, tensor: torch.Tensor) -> Why | None:
        ledger = self._checker.ledger
        ran = [each for each in ledger.backwards if each.step == ledger.step and not each.failed]
        if not ran:
            return None
        if self._took is None:
            roots = [root for each in ran for root in each.roots]
            self._took, self._inside = consumers(ledger.ops), {*sources(roots), *roots}
        start = ledger.value(tensor)
        if start in self._inside:
            ops = cuts(start, self._took, self._inside)
            return self._cut(known, ops) if ops else None
        return self._left(known, start, ran[-1])

    def _cut(self, known: Parameter, ops: list[Op]) -> Why:
        op = ops[-1]
        others = dict.fromkeys(each.site for each in ops[-4:-1] if each.site != op.site)
        more = [Sited("cut", site) for site in others if site is not None]
        cut = described(op)
        names = source.assigned(op.sites)
        made = f"what is made of it ({names[0]})" if names else "what is made of it"
        message = f"{known.name} never gets a gradient: {made} {cut.how}{at(cut.site)}."
        return Why(cut.rule, message, (known.name, *names), (*sited(root=cut.site), *more), cut.fix)

    def _left(self, known: Parameter, start: Value, ran: Ran) -> Why | None:
        """Say where what was made of a parameter was left: as a number, or used by nobody."""
        used = list(self._uses(start))
        number = next((op for op in used if op.name in NUMBERS and _goes_on(op)), None)
        if number is not None:
            cut = described(number)
            message = f"{known.name} never gets a gradient: it {cut.how}{at(number.site)}."
            names = source.targets(number.site)
            return Why("cut", message, (known.name, *names), sited(root=number.site), cut.fix)
        used = [op for op in used if op.name not in DETACHES]
        if not used:
            return None
        last = max(used, key=lambda op: op.number)
        names = source.mentioned(last.sites)[:2]
        made = f" ({names[0]})" if names else ""
        message = f"{known.name} never gets a gradient: what was made of it{made} is in no loss."
        own = last.site is not None and "site-packages" not in last.site.file
        sites = sited(root=last.site, backward=next(iter(ran.sites), None))
        severity = "" if own else "note"
        return Why("unused-output", message, (known.name, *names), sites, severity=severity)

    def _uses(self, start: Value) -> Iterable[Op]:
        """Yield the ops that took a value, or what was made of it."""
        known, waiting = {start}, [start]
        assert self._took is not None
        while waiting:
            for op in self._took.get(waiting.pop(), ()):
                yield op
                fresh = [each for each in op.outputs if each not in known]
                known.update(fresh)
                waiting += fresh


def _goes_on(op: Op) -> bool:
    """Is the number that an op made used by a later line, and not only printed?"""
    names = source.targets(op.site)
    return op.site is not None and any(source.uses(op.site, name) for name in names)


class ZeroDerivative(Rule):
    """A parameter whose gradient is exactly zero, always, as an op in between has none."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._flat: dict[Op, str] = {}
        """Why the derivative of an op is zero."""
        self._blamed: dict[Parameter, tuple[Op, str]] = {}

    def op(self, op: Op, call: Call) -> None:
        """Note ops whose derivative is zero."""
        if not op.connects or not op.inputs:
            return
        if op.name in ("softmax", "log_softmax"):
            dim = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim")
            shape = op.inputs[0].shape
            if isinstance(dim, int) and -len(shape) <= dim < len(shape) and shape[dim] == 1:
                self._flat[op] = f"{op.name} over an axis of one element is constant"
        elif op.name in ("relu", "relu_") and all(
            figures.norm(each) == 0 for each in tensors_in(call.result)
        ):
            self._flat[op] = f"all that {op.name} is given is below zero"
        elif op.name.rstrip("_") in FLAT:
            self._flat[op] = f"the derivative of {op.name} is 0 everywhere"

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """Find the flat op that all ways to a parameter with a zero gradient go through."""
        if seen is None or not self._flat or not ran.accumulates:
            return
        reached, passes = sources(ran.roots, by_gradient), sources(ran.roots, self._passes)
        for _, node in seen.leaves:
            known = self._checker.parameters.of(node.variable, ran.frame, 0)
            value = self._checker.ledger.value(node.variable)
            op = reached.get(value) if value not in passes else None
            while op is not None and op not in self._flat:
                op = next((reached[each] for each in op.outputs if each in reached), None)
            if op is not None:
                self._blamed.setdefault(known, (op, self._flat[op]))
        self._flat.clear()

    def _passes(self, op: Op, value: Value) -> bool:
        return op not in self._flat and by_gradient(op, value)

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell of those whose gradient was always zero."""
        for known, (op, why) in self._blamed.items():
            if known.zeros == known.reached:
                self._checker.report(
                    "zero-derivative",
                    f"the gradient of {known.name} is always exactly zero: {why}{at(op.site)}.",
                    (known.name, *source.mentioned(op.sites)),
                    sites=sited(root=op.site),
                )
