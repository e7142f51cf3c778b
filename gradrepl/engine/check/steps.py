"""The order of a step: zero_grad, backward, unscale, clip, step, scheduler; modes and caches."""

from __future__ import annotations

from types import FrameType
from typing import Any

import torch
from torch.amp.grad_scaler import OptState

from gradrepl.engine.check import source
from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Op, Ran, Rule
from gradrepl.engine.check.parameters import optimizers_parameters
from gradrepl.engine.code.values import is_a
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.observers import BackwardCall
from gradrepl.engine.stopping.gate import Place
from gradrepl.model import Finding, Site, sited

LOOKED_AT = 4
"""Gradients of an optimizer that are looked at, to see whether they were cleared."""
TIMES = 2
"""How often something must have happened before it is told of."""


class State:
    """What one optimizer does, step by step."""

    def __init__(self) -> None:
        self.steps = 0
        self.cleared = True
        """Were its gradients seen to be cleared since its last step?"""
        self.kept = 0
        """Steps with gradients that were still those of the step before."""
        self.backwards = 0
        """Backwards since its last step."""
        self.idle = 0
        """Steps with no backward since the one before."""
        self.wiped = 0
        """Steps whose gradients were cleared behind their backward."""
        self.name = ""
        self.sites: tuple[Site, ...] = ()


class Order(Rule):
    """zero_grad that is missing, or comes between backward and step; a step without a backward."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._states: dict[int, State] = {}
        self._optimizers: dict[int, torch.optim.Optimizer] = {}
        self._zeroed: tuple[Site, ...] = ()
        self._last: tuple[Site, ...] = ()
        for name in ("Optimizer.zero_grad", "Module.zero_grad"):
            checker.made.listen(name, self._zero)

    def _zero(self, owner: Any, args: tuple[Any, ...], sites: tuple[Site, ...]) -> None:
        self._zeroed = sites

    def begins(self, ran: Ran, call: BackwardCall) -> None:
        """See whether gradients were cleared before this backward."""
        if not ran.accumulates:
            return
        self._last = ran.sites
        for key, optimizer in self._optimizers.items():
            state = self._states[key]
            state.backwards += 1
            state.cleared = state.cleared or _clear(optimizer)

    def before_step(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        """Judge what an optimizer steps with."""
        known = id(optimizer) in self._states
        self._optimizers[id(optimizer)] = optimizer
        state = self._states.setdefault(id(optimizer), State())
        state.sites = self._checker.ledger.steps[-1]
        state.name = state.name or _name_of(optimizer, frame)
        clear = _clear(optimizer)
        state.kept += known and not state.cleared and not clear
        state.idle += known and not state.backwards and not clear
        state.wiped += clear and bool(state.backwards or (not known and self._last))
        state.steps += 1
        state.backwards, state.cleared = 0, False

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell of what happened at every step."""
        for key, state in self._states.items():
            name = state.name or type(self._optimizers[key]).__name__
            step = state.sites[0] if state.sites else None
            if state.kept >= TIMES and state.kept == state.steps - 1:
                self._checker.report(
                    Finding(
                        rule="zero-grad-missing",
                        severity="error",
                        message=f"the gradients of {name} are never cleared: each backward adds to"
                        " those of all steps before.",
                        sites=sited(root=step, backward=self._last[0] if self._last else None),
                        subjects=(name,),
                        fix=f"{name}.zero_grad() before the backward of each step.",
                    )
                )
            elif state.wiped >= TIMES and state.wiped == state.steps:
                zero = self._zeroed[0] if self._zeroed else None
                self._checker.report(
                    Finding(
                        rule="zero-grad-before-step",
                        severity="error",
                        message=f"{name} steps with no gradients: they are cleared between the"
                        f" backward and the step{f' ({zero.place})' if zero else ''}.",
                        sites=sited(root=zero or step, step=step),
                        subjects=(name,),
                        fix=f"{name}.zero_grad() before the backward, not behind it.",
                    )
                )
            elif state.idle >= TIMES and 2 * state.idle >= state.steps - 1:
                self._checker.report(
                    Finding(
                        rule="step-without-backward",
                        severity="warning",
                        message=f"{name} steps with the gradients of the step before: no backward"
                        " has run in between.",
                        sites=sited(root=step),
                        subjects=(name,),
                        fix="Step once for each backward.",
                    )
                )


def _clear(optimizer: torch.optim.Optimizer) -> bool:
    """Are the first gradients of an optimizer's None or zero?"""
    grads = [each.grad for _, each in optimizers_parameters(optimizer) if each.grad is not None]
    return not any(_some(grad) for grad in grads[:LOOKED_AT])


def _some(grad: torch.Tensor) -> bool:
    if grad.is_sparse:
        return bool(grad._nnz())
    return bool(torch.count_nonzero(grad))


def _name_of(value: Any, frame: FrameType | None) -> str:
    """Return the variable of a value in scope of ``frame``, or an attribute of one."""
    spaces = [frame.f_locals, frame.f_globals] if frame is not None else []
    for space in spaces:
        for name, each in list(space.items()):
            if each is value:
                return name
    for space in spaces:
        for name, each in list(space.items()):
            for attribute, inner in list(getattr(each, "__dict__", {}).items()):
                if inner is value and not is_a(each, type):
                    return f"{name}.{attribute}"
    return ""


class Clip(Rule):
    """Clipping gradients that are still scaled, that are not there yet, or of no parameter."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._scalers: dict[int, Any] = {}
        self._empty = self._before = self._scaled = 0
        self._fresh = False
        """Has a backward run since the last step?"""
        checker.made.listen("GradScaler.scale", self._scale)
        checker.made.listen("clip", self._clip)

    def _scale(self, scaler: Any, args: tuple[Any, ...], sites: tuple[Site, ...]) -> None:
        if scaler.is_enabled():
            self._scalers[id(scaler)] = scaler

    def begins(self, ran: Ran, call: BackwardCall) -> None:
        """A backward brings gradients."""
        self._fresh = self._fresh or ran.accumulates

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """They have been used."""
        self._fresh = False

    def _clip(self, owner: Any, args: tuple[Any, ...], sites: tuple[Site, ...]) -> None:
        parameters, site = args[0], sites[0] if sites else None
        names = source.arguments(site, "clip_grad_norm_")
        if not parameters:
            self._tell(site, names, "clip-of-nothing", "clip_grad_norm_ is given no parameter: an"
                       " iterator that was gone through before is empty.",
                       "Give it model.parameters() anew, or a list.")  # fmt: skip
        elif any(map(_ready, self._scalers.values())) and self._fresh:
            self._tell(site, [*names, "scaler"], "clip-before-unscale", "the gradients that are clipped are"
                       " still multiplied by the GradScaler's scale: nearly all of them are above the limit.",
                       "scaler.unscale_(optimizer) before the clip.")  # fmt: skip
        elif not self._fresh and self._checker.ledger.steps:
            self._tell(site, names, "clip-after-step", "gradients are clipped when no backward has run"
                       " since the last step: the step has used them already.",
                       "Clip between backward and step.")  # fmt: skip

    def _tell(self, site: Site | None, names: list[str], rule: str, what: str, fix: str) -> None:
        severity = "error" if rule == "clip-before-unscale" else "warning"
        self._checker.report(
            Finding(
                rule=rule,
                severity=severity,
                message=what,
                sites=sited(root=site),
                subjects=tuple(names),
                fix=fix,
            )
        )


def _ready(scaler: Any) -> bool:
    """Has a GradScaler not unscaled any gradients since its last update?"""
    states = scaler._per_optimizer_states.values()
    return all(state["stage"] is OptState.READY for state in states)


class Scheduler(Rule):
    """A learning rate scheduler that steps before the optimizer ever has."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._stepped: set[int] = set()
        checker.made.listen("LRScheduler.step", self._step)

    def before_step(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        """Remember that it has."""
        self._stepped.add(id(optimizer))

    def _step(self, scheduler: Any, args: tuple[Any, ...], sites: tuple[Site, ...]) -> None:
        optimizer = getattr(scheduler, "optimizer", None)
        first = getattr(scheduler, "_step_count", 0) == 1
        if optimizer is None or not first or id(optimizer) in self._stepped:
            return
        site = sites[0] if sites else None
        self._checker.report(
            Finding(
                rule="scheduler-first",
                severity="warning",
                message="the scheduler steps before the optimizer: the first learning rate is"
                " skipped.",
                sites=sited(root=site),
                subjects=tuple(source.subjects(site, "step")),
                fix="optimizer.step() first, then scheduler.step().",
            )
        )


class AutocastCache(Rule):
    """autocast around an optimizer's step: the copies of the weights it keeps are those of before."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._inside: tuple[Site, ...] = ()
        """Where an optimizer has stepped under an autocast that has not ended since."""
        checker.made.listen("autocast.__exit__", self._exit)

    def _exit(self, owner: Any, args: tuple[Any, ...], sites: tuple[Site, ...]) -> None:
        self._inside = ()

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """See whether an autocast is on that keeps copies."""
        on = torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")
        if on and torch.is_autocast_cache_enabled():
            self._inside = self._checker.ledger.steps[-1]

    def op(self, op: Op, call: Call) -> None:
        """See whether a parameter is used again under the same autocast."""
        if not self._inside or "autocast" not in op.mode or op.off:
            return
        names = self._checker.parameters.names
        used = [names[id(value.ref())] for value in op.inputs if id(value.ref()) in names]
        if not used or not any(each.requires_grad and each.leaf for each in op.inputs):
            return
        step = self._inside[0] if self._inside else None
        block = next(filter(None, (source.blocks(each, "autocast") for each in self._inside)), None)
        self._inside = ()
        self._checker.report(
            Finding(
                rule="autocast-cache",
                severity="error",
                message="autocast is around the optimizer's step: until it ends it uses the copies"
                f" of the weights ({used[0]}, ...) that it made before the step.",
                sites=sited(root=block or step, step=step),
                subjects=tuple(used),
                fix="Put autocast around the forward and the loss of one step.",
            )
        )


class LeftInEval(Rule):
    """Training that goes on in eval mode after an evaluation."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._set: dict[int, tuple[Any, bool, tuple[Site, ...]]] = {}
        self._trained: set[int] = set()
        """Modules that were trained in training mode."""
        self._since: dict[int, int] = {}
        """By identity: backwards in eval mode in a row."""
        checker.made.listen("Module.train", self._mode)

    def _mode(self, module: Any, args: tuple[Any, ...], sites: tuple[Site, ...]) -> None:
        on = bool(args[0]) if args else True
        self._set[id(module)] = module, on, sites

    def begins(self, ran: Ran, call: BackwardCall) -> None:
        """See in which mode modules are that are trained."""
        if not ran.accumulates:
            return
        for key, held in self._checker.parameters.roots.items():
            root = held[1]()
            if root is None or not _switches(root):
                continue
            if root.training:
                self._trained.add(key)
                self._since[key] = 0
            elif key in self._trained:
                self._since[key] = self._since.get(key, 0) + 1

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell of those that have stayed so."""
        for key, many in self._since.items():
            module, on, sites = self._set.get(key, (None, True, ()))
            if many < TIMES or on or module is None:
                continue
            name = self._checker.parameters.roots[key][0] or type(module).__name__
            self._checker.report(
                Finding(
                    rule="left-in-eval",
                    severity="warning",
                    message=f"{name} was put in eval mode and is trained on so: dropout and batch"
                    " norm have no effect any more.",
                    sites=sited(root=sites[0] if sites else None),
                    subjects=(name,),
                    fix=f"{name}.train() before the training goes on.",
                )
            )


def _switches(root: torch.nn.Module) -> bool:
    """Has a model layers that do something else in training?"""
    kinds = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)
    return any(isinstance(each, kinds) for each in root.modules())
