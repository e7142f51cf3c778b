"""Parameters that get no gradient, or one that is always zero: which op is to blame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, NamedTuple

import torch

from gradrepl.engine.check import source
from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Op, Ran, Rule, Value, by_gradient, sources
from gradrepl.engine.check.parameters import Parameter, optimizers_parameters
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts
from gradrepl.model import Finding, sited

NUMBERS = frozenset(["item", "tolist", "numpy", "__array__", "__float__", "__int__", "__index__"])
"""Ops that make Python or numpy numbers, of which autograd knows nothing."""
FLAT = frozenset("round floor ceil trunc sign sgn heaviside fix floor_divide".split())  # noqa: SIM905
"""Ops whose derivative is zero everywhere."""
BACKWARDS = 8
"""Backwards that are judged one by one where no optimizer steps."""


class Lost(NamedTuple):
    """Where what a parameter became leaves the way to the loss."""

    rule: str
    op: Op
    how: str
    """'is cut off by detach', as a part of a sentence."""
    fix: str


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
    known = {start}
    waiting = [start]
    while waiting:
        value = waiting.pop()
        for op in took.get(value, ()):
            mine = [each for each in op.outputs if each in inside]
            if not mine:
                continue
            if not any(each.requires_grad for each in op.outputs):
                found[op] = None
                continue
            waiting += [each for each in mine if each not in known and each.requires_grad]
            known.update(mine)
    return list(found)


def describe_cut(op: Op) -> Lost:
    """Say how an op cuts what it makes off from the graph."""
    switched = source.switch(op.sites) if op.off else None
    calls = [site for site in op.sites if "checkpoint(" in site.text]
    if op.off and not switched and calls:
        op.sites = (calls[0], *op.sites)
        how = "is computed inside of a reentrant checkpoint, which re-attaches only tensors it returns"
        fix = "Give checkpoint use_reentrant=False, or return the tensors themselves."
    elif op.off:
        how = f"is computed under {op.mode.split(',')[0]}, where no graph is recorded"
        fix = "Compute what the loss needs outside of it."
    elif op.name in ("tensor", "as_tensor", "scalar_tensor", "Tensor", "FloatTensor"):
        how = f"is copied by torch.{op.name}, which takes the numbers alone"
        fix = "Put tensors together with torch.stack or torch.cat, which keep the graph."
    elif op.name in NUMBERS:
        how = f"is made a plain number by {op.name}"
        fix = "Keep the tensor: compute with it, not with its number."
    elif op.name in ("detach", "detach_", "data"):
        how = f"is cut off from the graph by {'.data' if op.name == 'data' else op.name + '()'}"
        fix = f"Take {'.data' if op.name == 'data' else op.name + '()'} away where a gradient is to come back."
    else:
        kind = facts.short(op.outputs[0].dtype) if op.outputs else ""
        how = (
            f"is made {kind} by {op.name}, which has no gradient" if kind else f"ends in {op.name}"
        )
        fix = "Use an op that has a derivative in its place."
    if switched is not None and op.sites:
        op.sites = (switched, *op.sites)
    return Lost("no-grad-region" if op.off else "cut", op, how, fix)


def name_of(value: Value, parameters: dict[int, str]) -> str:
    """Return what the user calls a value: a parameter's name, or the variable it was put into."""
    tensor = value.ref()
    if tensor is not None and id(tensor) in parameters:
        return parameters[id(tensor)]
    if value.maker is None:
        return ""
    names = source.targets(value.maker.site)
    return names[0] if names else ""


class NoGradient(Rule):
    """A parameter that its optimizer steps and that never has a gradient."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._took: dict[Value, list[Op]] | None = None
        self._stepped = False
        """Has any optimizer stepped?"""
        self._backwards = 0

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """Count the leaves that a backward has reached."""
        if seen is None or not ran.accumulates or ran.error is not None:
            return
        norms = {
            id(node.variable): norm for node, norm in seen.ran.items() if hasattr(node, "variable")
        }
        for _, node in seen.leaves:
            known = self._checker.parameters.of(node.variable, ran.frame, self._checker.ledger.step)
            known.reached += 1
            known.zeros += norms.get(id(node.variable)) == 0.0
        if not self._stepped and self._backwards < BACKWARDS:
            self._backwards += 1
            for known, tensor in self._checker.parameters.alive():
                if tensor.requires_grad and tensor.grad is None and known.why is None:
                    known.why = self._why(known, tensor)
            self._took = None

    def before_step(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        """See which of an optimizer's parameters have no gradient, and why."""
        self._took = None
        self._stepped = True
        for place, tensor in optimizers_parameters(optimizer):
            known = self._checker.parameters.of(tensor, frame, self._checker.ledger.step)
            known.name = known.name or place
            known.optimizers.add(id(optimizer))
            if not tensor.requires_grad:
                continue
            known.steps += 1
            if tensor.grad is None:
                known.without += 1
                if known.why is None and known.without <= 2:
                    known.why = self._why(known, tensor)
        self._took = None

    def _why(self, known: Parameter, tensor: torch.Tensor) -> Finding | None:
        ledger = self._checker.ledger
        ran = [each for each in ledger.backwards if each.step == ledger.step and each.error is None]
        if not ran:
            return None
        if self._took is None:
            self._took = consumers(ledger.ops)
        start = ledger.value(tensor)
        roots = [root for each in ran for root in each.roots]
        inside = {*sources(roots), *roots}
        if start in inside:
            ops = cuts(start, self._took, inside)
            return self._cut(known, ops, inside) if ops else None
        return self._left(known, start, ran)

    def _cut(self, known: Parameter, ops: list[Op], inside: set[Value]) -> Finding:
        lost = describe_cut(ops[-1])
        made = name_of(lost.op.outputs[0], {}) if lost.op.outputs else ""
        through = f"what is made of it ({made}) " if made else "what is made of it "
        return Finding(
            rule=lost.rule,
            severity="error",
            message=f"{known.name} never gets a gradient: {through}{lost.how}"
            f" ({lost.op.site.place if lost.op.site else 'line not known'}).",
            sites=sited(root=lost.op.site),
            subjects=tuple(filter(None, (known.name, made))),
            fix=lost.fix,
        )

    def _left(self, known: Parameter, start: Value, ran: list[Ran]) -> Finding | None:
        """Say where what was made of a parameter was left: as a number, or by nobody used."""
        assert self._took is not None
        reached = {start}
        waiting = [start]
        last: Op | None = None
        while waiting:
            for op in self._took.get(waiting.pop(), ()):
                if op.name in NUMBERS and (found := self._number(known, op)):
                    return found
                last = op if last is None or op.number > last.number else last
                fresh = [each for each in op.outputs if each not in reached]
                reached.update(fresh)
                waiting += fresh
        if last is None:
            return None
        names = source.targets(last.site)
        return Finding(
            rule="unused-output",
            severity="note"
            if last.site is None or "site-packages" in last.site.file
            else "warning",
            message=f"{known.name} never gets a gradient: what was made of it"
            f"{f' ({names[0]})' if names else ''} is not in the loss.",
            sites=sited(root=last.site, backward=ran[-1].sites[0] if ran[-1].sites else None),
            subjects=(known.name, *names),
            fix="Add it to the loss, or leave the parameter out of the optimizer.",
        )

    def _number(self, known: Parameter, op: Op) -> Finding | None:
        names = source.targets(op.site)
        if op.site is None or not any(source.uses(op.site, name) for name in names):
            return None
        lost = describe_cut(op)
        return Finding(
            rule="cut",
            severity="error",
            message=f"{known.name} never gets a gradient: it {lost.how} ({op.site.place}).",
            sites=sited(root=op.site),
            subjects=(known.name, *names),
            fix=lost.fix,
        )

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell of those that never had one."""
        for known, tensor in self._checker.parameters.alive():
            never = known.steps == known.without and not known.reached
            counts = known.steps or not self._stepped
            if (
                never
                and counts
                and known.why is not None
                and tensor.grad is None
                and tensor.requires_grad
            ):
                self._checker.report(known.why)


class ZeroDerivative(Rule):
    """A parameter whose gradient is exactly zero, always, as an op in between has none."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._flat: dict[int, str] = {}
        """By number of an op: why its derivative is zero."""
        self._blamed: dict[int, tuple[Op, str]] = {}

    def op(self, op: Op, call: Call) -> None:
        """Note ops whose derivative is zero."""
        if not any(each.requires_grad for each in op.outputs) or not op.inputs:
            return
        if op.name in ("softmax", "log_softmax"):
            given = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim")
            shape = op.inputs[0].shape
            if isinstance(given, int) and -len(shape) <= given < len(shape) and shape[given] == 1:
                self._flat[op.number] = f"{op.name} over an axis of one element is constant"
        elif op.name.rstrip("_") in FLAT:
            self._flat[op.number] = f"the derivative of {op.name} is 0 everywhere"

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """Find the flat op that all ways to a parameter with a zero gradient go through."""
        if seen is None or not self._flat or not ran.accumulates:
            return
        open_ways = set(sources(ran.roots, self._passes))
        closed = sources(ran.roots, by_gradient)
        for _, node in seen.leaves:
            value = self._checker.ledger.value(node.variable)
            if value in closed and value not in open_ways:
                self._blame(node.variable, value, closed)
        self._flat.clear()

    def _passes(self, op: Op, value: Value) -> bool:
        return op.number not in self._flat and by_gradient(op, value)

    def _blame(self, tensor: torch.Tensor, value: Value, closed: dict[Value, Op]) -> None:
        op: Op | None = closed.get(value)
        while op is not None and op.number not in self._flat:
            op = next((closed[each] for each in op.outputs if each in closed), None)
        if op is not None:
            self._blamed.setdefault(id(tensor), (op, self._flat[op.number]))

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell of those whose gradient was always zero."""
        for known, tensor in self._checker.parameters.alive():
            op, why = self._blamed.get(id(tensor), (None, ""))
            if op is None or not known.reached or known.zeros != known.reached:
                continue
            names = source.targets(op.site)
            self._checker.report(
                Finding(
                    rule="zero-derivative",
                    severity="error",
                    message=f"the gradient of {known.name} is always exactly zero: {why}"
                    f" ({op.site.place if op.site else 'line not known'}).",
                    sites=sited(root=op.site),
                    subjects=(known.name, *names),
                    fix="Use an op that has a derivative, or take the right axis.",
                )
            )


class ModuleFlag(Rule):
    """``module.requires_grad = False``: an attribute of the module, that freezes nothing."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Look at all modules that were in scope."""
        for path, module in self._checker.parameters.each_module():
            if vars(module).get("requires_grad") is not False:
                continue
            if any(each.requires_grad for each in module.parameters()):
                self._checker.report(
                    Finding(
                        rule="module-flag",
                        severity="error",
                        message=f"{path}.requires_grad = False sets an attribute of the module, and"
                        " freezes nothing: its parameters still require a gradient.",
                        sites=sited(root=self._site(path)),
                        subjects=(path,),
                        fix=f"{path}.requires_grad_(False)",
                    )
                )

    def _site(self, path: str) -> Any:
        last = path.rpartition(".")[2]
        return next(_assignments(self._files(), last, "requires_grad"), None)

    def _files(self) -> list[str]:
        ops = self._checker.ledger.ops
        files = [site.file for op in ops for site in op.sites]
        return list(dict.fromkeys([self._checker.script(), *files]))


def _assignments(files: list[str], owner: str, attribute: str) -> Iterator[Any]:
    """Yield the lines that assign to ``owner.attribute``; any owner's where none is called so."""
    import ast

    others = []
    for file in files:
        tree = source.tree_of(file)
        for node in ast.walk(tree) if tree is not None else ():
            if not isinstance(node, ast.Assign):
                continue
            for target in node.targets:
                if isinstance(target, ast.Attribute) and target.attr == attribute:
                    site = source.line(file, node.lineno)
                    if ast.unparse(target.value).rpartition(".")[2] == owner:
                        yield site
                    others.append(site)
    yield from others[:1]
