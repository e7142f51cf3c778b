"""Modes that stay on too long: autocast around a step, eval while a model is trained."""

from __future__ import annotations

import re
import weakref
from typing import Any

import torch
from torch import nn

from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Op, Ran, Rule
from gradrepl.engine.check.steps import TIMES, Sites
from gradrepl.engine.explain import source
from gradrepl.engine.explain.source import at
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.stopping.gate import Place
from gradrepl.model import sited

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
TRAINING = frozenset(["dropout", "batch_norm"])
EVALUATES = re.compile("valid|evaluat|^test|_test|accuracy", re.IGNORECASE)
"""What functions are called that evaluate."""


class AutocastCache(Rule):
    """autocast around an optimizer's step: the copies of weights it keeps are those of before."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._inside: Sites = ()
        """Where an optimizer has stepped under an autocast that has not ended since."""
        checker.made.listen("autocast.__exit__", self._exit)

    def _exit(self, owner: Any, args: tuple[Any, ...], sites: Sites) -> None:
        self._inside = ()

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """See whether an autocast is on that keeps copies."""
        on = torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")
        if on and torch.is_autocast_cache_enabled():
            self._inside = self._checker.ledger.steps[-1]

    def op(self, op: Op, call: Call) -> None:
        """See whether a parameter is used again under the same autocast."""
        if not self._inside or "autocast" not in op.mode or not op.connects:
            return
        names = self._checker.parameters.names
        weights = [each.ref() for each in op.inputs if each.leaf and each.requires_grad]
        used = tuple(names[id(each)] for each in weights if id(each) in names)
        if not used:
            return
        blocks = (source.blocks(each, "autocast") for each in self._inside)
        step, block = self._inside[0], next(filter(None, blocks), None)
        self._inside = ()
        self._checker.report(
            "autocast-cache",
            f"autocast is around the optimizer's step{at(step)}: until it ends, it uses the copies"
            f" of the weights ({used[0]}, ...) that it made before the step.",
            used,
            sites=sited(root=block or step, step=step),
        )


class LeftInEval(Rule):
    """Training that goes on in eval mode after an evaluation."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._set: weakref.WeakKeyDictionary[Any, tuple[bool, Sites]] = weakref.WeakKeyDictionary()
        """By module: what its mode was set to last, and where."""
        self._left: dict[int, tuple[str, Sites]] = {}
        """By identity: the name of a model that was left so, and where it was set."""
        self._since: dict[int, int] = {}
        """By identity of a model that was trained in training mode: backwards in eval since."""
        checker.made.listen("Module.train", self._mode)

    def _mode(self, module: Any, args: tuple[Any, ...], sites: Sites) -> None:
        self._set[module] = bool(args[0]) if args else True, sites

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """See in which mode the models are whose parameters were reached."""
        if seen is None or not ran.accumulates:
            return
        for key, root in self._checker.parameters.reached(seen, ran.frame):
            if not _switches(root):
                continue
            if root.training:
                self._since[key] = 0
                self._left.pop(key, None)
            elif key in self._since:
                self._since[key] += 1
                on, sites = self._set.get(root, (True, ()))
                if self._since[key] >= TIMES and not on:
                    name = self._checker.parameters.roots[key][0]
                    self._left[key] = name or type(root).__name__, sites

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell of those that have stayed so."""
        for name, sites in self._left.values():
            self._checker.report(
                "left-in-eval",
                f"{name} was put in eval mode and is trained on so: dropout and batch norm have no"
                " effect any more.",
                (name, *source.subjects(next(iter(sites), None), "eval")),
                fix=f"{name}.train() before the training goes on.",
                sites=sited(root=next(iter(sites), None)),
            )


def _switches(root: torch.nn.Module) -> bool:
    """Has a model layers that do something else in training?"""
    return any(isinstance(each, (*NORMS, *DROPOUTS)) for each in root.modules())


class EvaluatedInTraining(Rule):
    """Dropout or batch statistics in a function that evaluates, where no graph is recorded."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    def op(self, op: Op, call: Call) -> None:
        """See whether a layer does what it does in training only."""
        if not op.off or op.name not in TRAINING or not _trains(op.name, call):
            return
        site = next((each for each in op.sites if EVALUATES.search(each.function)), None)
        if site is None:
            return
        calls = [each for each in op.sites if each.function != site.function]
        self._checker.report(
            "evaluated-in-training",
            f"{site.function}{at(site)} evaluates in training mode: {op.name} is that of training.",
            (site.function, op.module, *source.mentioned((site,))),
            sites=sited(root=site, called=next(iter(calls), None)),
        )


def _trains(name: str, call: Call) -> bool:
    """Is a dropout, or a batch norm that moves its statistics, in training mode?"""
    place = {"dropout": 2, "batch_norm": 5}[name]
    default = name == "dropout"
    given = call.args[place] if len(call.args) > place else call.kwargs.get("training", default)
    probability = call.args[1] if len(call.args) > 1 else call.kwargs.get("p", 0.5)
    return bool(given) and not (name == "dropout" and probability == 0)


class FrozenStatistics(Rule):
    """A batch norm whose parameters are frozen and whose running statistics still move."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._looks = 0

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """Look at the batch norms in scope."""
        if self._looks >= TIMES or seen is None or not ran.accumulates or not seen.leaves:
            return
        self._looks += 1
        used = {op.module for op in self._checker.ledger.ops if not op.off}
        for path, module in self._checker.parameters.each_module():
            if path in used and _moves(module) and _is_frozen(module):
                line = source.freezes(self._checker.script)
                self._checker.report(
                    "frozen-statistics",
                    f"the parameters of {path} are frozen, and in training mode its running"
                    " statistics still move.",
                    (path, path.rpartition(".")[0]),
                    fix=f"{path}.eval() behind model.train()",
                    sites=sited(root=line, made=self._checker.made.site(module.weight)),
                )


def _is_frozen(module: torch.nn.Module) -> bool:
    own = list(module.parameters(recurse=False))
    return bool(own) and not any(each.requires_grad for each in own)


def _moves(module: torch.nn.Module) -> bool:
    """Is it a batch norm in training mode that has moved its running statistics?"""
    norm = isinstance(module, NORMS) and module.training
    counted = getattr(module, "num_batches_tracked", None)
    return norm and isinstance(counted, torch.Tensor) and bool(counted)
