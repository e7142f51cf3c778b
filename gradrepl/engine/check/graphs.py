"""Graphs that live too long: grown from step to step, kept in a list, computed before a step."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Op, Ran, Rule, Value, by_gradient, sources
from gradrepl.engine.explain import source
from gradrepl.engine.explain.source import at
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.modules.reach import of_optimizer
from gradrepl.engine.observers import BackwardCall
from gradrepl.engine.tensor import facts
from gradrepl.model import Site, sited

GROWS = 3
"""Steps in a row in which a graph has grown at one line."""
KEPT = 5
"""Results of so many steps that live, with their graphs, all of one line."""
LOOKS = 6
"""Backwards that are looked at for values of an earlier step."""
ALIASES = frozenset(["data", "detach", "clone", "copy_", "requires_grad_"])
"""Ops that make no loss: copies and other names."""
SAVES = frozenset(["linear", "matmul", "__matmul__", "mm", "bmm", "mul", "conv1d", "conv2d", "pow"])
SAVES |= frozenset(["__mul__", "einsum", "addmm", "baddbmm", "layer_norm", "prelu", "bilinear"])
"""Ops whose backward reads what they took."""


class Grows(Rule):
    """A value made of its own value of the step before, with its graph: ``total += loss``."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._grown: dict[Site, tuple[int, int]] = {}
        """By line: the last step in which it grew, and how many in a row."""

    def op(self, op: Op, call: Call) -> None:
        """See whether it carries a graph of an earlier step on, at one line."""
        if op.site is None or not _carries(op):
            return
        last, times = self._grown.get(op.site, (0, 0))
        if last == op.step:
            return
        times = times + 1 if last == op.step - 1 else 1
        self._grown[op.site] = op.step, times
        if times == GROWS:
            names = source.assigned(op.sites) or ["a value"]
            self._checker.report(
                "graph-grows",
                f"'{names[0]}'{at(op.site)} is made of its own value of the step before, with its"
                " graph: the graphs of all steps hang on it.",
                tuple(source.mentioned(op.sites)),
                fix=f"Add numbers (loss.item()), or cut it off: {names[0]}.detach().",
                sites=sited(root=op.site),
            )


def _carries(op: Op) -> bool:
    """Has an op taken, with its graph, what the same line made in the step before?"""
    makers = (each.maker for each in op.inputs if each.requires_grad and not each.leaf)
    before = (each for each in makers if each is not None and each.step == op.step - 1)
    return op.connects and any(each.site == op.site for each in before)


class Kept(Rule):
    """Results of many steps that live on, each with its graph: a list that is never emptied."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Count what lives of earlier steps, by the line that made it."""
        ledger = self._checker.ledger
        if ledger.step % KEPT:
            return
        steps: dict[Site | None, dict[int, Op]] = {}
        for value in ledger.alive():
            op = value.maker
            if op is not None and value.requires_grad and not value.leaf and op.step < ledger.step:
                steps.setdefault(op.site, {})[op.step] = op
        for site, ops in steps.items():
            if len(ops) >= KEPT - 1 and site is not None:
                self._report(site, ops[max(ops)])

    def _report(self, site: Site, op: Op) -> None:
        names = source.assigned(op.sites)
        keeper = next(source.appends(site.file, names), None)
        holder = source.subjects(keeper, "append")
        self._checker.report(
            "graph-kept",
            f"what {op.name} makes{at(site)} in each step lives on with its whole graph"
            f"{f', in {holder[0]!r}' if holder else ''}.",
            (*holder, *names),
            fix="Keep numbers (loss.item()), or detached copies: x.detach().",
            sites=sited(root=keeper or site, made=site),
        )


class StaleCopy(Rule):
    """A value computed of a parameter before its last step, in a graph of this step."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._looks = 0
        self._stepped: dict[int, int] = {}
        """By identity of a parameter: the last op before its last step."""

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Remember when parameters have changed."""
        moment = self._checker.ledger.ops[-1].number if self._checker.ledger.ops else 0
        for _, tensor in of_optimizer(optimizer):
            self._stepped[id(tensor)] = moment

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """Look for what this graph has of an earlier step."""
        if self._looks >= LOOKS or not ran.accumulates or ran.failed or not self._stepped:
            return
        self._looks += 1
        step = self._checker.ledger.step
        for value in sources(ran.roots, by_gradient):
            op = None if value.leaf else value.maker
            if op is not None and op.step < step and any(self._changed(value, op)):
                names = source.assigned(op.sites) or ["a value"]
                self._checker.report(
                    "stale-copy",
                    f"'{names[0]}'{at(op.site)} was computed before the last step of the parameter"
                    " that it is made of, and is used as it was.",
                    (*names, *source.mentioned(op.sites)),
                    sites=sited(root=op.sites[-1] if op.sites else None, made=op.site),
                )
                return

    def _changed(self, value: Value, op: Op) -> Iterator[bool]:
        """Yield whether each parameter that a value is made of was stepped since."""
        for each in sources([value], by_gradient):
            if each.leaf and op.connects and not op.off:
                yield self._stepped.get(id(each.ref()), -1) >= op.number


class SilentWrite(Rule):
    """A write through ``.data`` to what a coming backward has saved: torch cannot see it."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._writes: list[tuple[Op, int]] = []
        """Writes through ``.data`` since the last step, each with the storage."""

    def op(self, op: Op, call: Call) -> None:
        """Note a write through ``.data``."""
        if op.wrote and any(
            each.maker is not None and each.maker.name == "data" for each in op.inputs
        ):
            self._writes += [(op, each.storage) for each in op.outputs if each.storage]

    def begins(self, ran: Ran, call: BackwardCall) -> None:
        """See whether an op of this graph has saved what was written to."""
        writes, self._writes = self._writes, []
        if not writes:
            return
        ops = {op for op in sources(ran.roots, by_gradient).values() if op.name in SAVES}
        for write, storage in writes:
            saver = next((e for e in ops if e.number < write.number and storage in e.memory), None)
            if saver is not None:
                names = source.subjects(write.site, write.name)
                self._checker.report(
                    "silent-write",
                    f"{write.name} through .data{at(write.site)} overwrites what"
                    f" {saver.name}{at(saver.site)} has saved for its backward: torch does not see"
                    " it, and the gradients are wrong.",
                    (*names, *source.mentioned(write.sites)),
                    sites=sited(root=write.site, saved_at=saver.site),
                )


class DataInLoss(Rule):
    """``parameter.data`` in the loss: a constant, through which no gradient goes."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._taken: list[Op] = []

    def op(self, op: Op, call: Call) -> None:
        """Note ``.data`` of a parameter."""
        if op.name == "data" and not op.off and any(e.leaf and e.requires_grad for e in op.inputs):
            self._taken.append(op)

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """See whether what was made of it is in the loss, but for what was written."""
        taken, self._taken = self._taken, []
        if not taken or not ran.accumulates:
            return
        inside = sources(ran.roots, lambda op, value: not op.wrote)
        for op in taken:
            taker = next((inside[each] for each in op.outputs if each in inside), None)
            if taker is not None and taker.name not in ALIASES and self._is_trained(op):
                names = self._checker.parameters.names
                known = (names.get(id(each.ref()), "") for each in op.inputs)
                self._checker.report(
                    "data-in-loss",
                    f".data of a parameter is in the loss{at(op.site)}: a constant, through which"
                    " no gradient goes.",
                    (*known, *source.mentioned(op.sites)),
                    sites=sited(root=op.site),
                )

    def _is_trained(self, op: Op) -> bool:
        """Has an optimizer stepped what an op took?"""
        known = self._checker.parameters.known
        return any(id(e.ref()) in known and known[id(e.ref())].optimizers for e in op.inputs)


class ManyHooks(Rule):
    """One hook that is registered on a parameter again and again."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._times: dict[tuple[int, object], int] = {}
        checker.made.listen("Tensor.register_hook", self._hook)

    def _hook(self, owner: torch.Tensor, args: tuple[object, ...], sites: tuple[Site, ...]) -> None:
        code = getattr(args[0], "__code__", None) if args else None
        if code is None or not sites or not facts.is_leaf(owner):
            return
        name = self._checker.parameters.of(owner, None, 0).name
        hook = f"the hook {code.co_name} of {name or 'a leaf'}{at(sites[0])}"
        subjects = (name, code.co_name, *source.subjects(sites[0], "register_hook"))
        if "grad" in code.co_names:
            self._checker.report(
                "hook-order",
                f"{hook} reads .grad before it is there: a tensor's hook runs before its gradient"
                " is accumulated.",
                subjects,
                sites=sited(root=sites[0], hook=source.code_line(code)),
            )
        key = id(owner), code
        self._times[key] = self._times.get(key, 0) + 1
        if self._times[key] > GROWS and len(owner._backward_hooks or ()) >= GROWS:
            self._checker.report(
                "hook-accumulates",
                f"{hook} is registered again and again: each of them changes the gradient.",
                subjects,
                sites=sited(root=sites[0]),
            )
