"""The order of a step: zero_grad, backward, unscale, clip, step, scheduler."""

from __future__ import annotations

import weakref
from itertools import islice
from types import FrameType
from typing import Any

import torch
from torch.amp.grad_scaler import OptState

from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Ran, Rule
from gradrepl.engine.explain import source
from gradrepl.engine.explain.source import at
from gradrepl.engine.modules.reach import of_optimizer
from gradrepl.engine.observers import BackwardCall
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures
from gradrepl.model import Site, sited

LOOKED_AT = 4
"""Gradients of an optimizer that are looked at, to see whether they were cleared."""
TIMES = 2
"""How often something must have happened before it is told of."""
Sites = tuple[Site, ...]


class State:
    """What one optimizer does, step by step."""

    def __init__(self, optimizer: torch.optim.Optimizer, name: str) -> None:
        self.ref = weakref.ref(optimizer)
        self.name = name or type(optimizer).__name__
        self.steps = 0
        self.cleared = True
        """Were its gradients seen to be cleared since its last step?"""
        self.backwards = 0
        """Backwards since its last step."""
        self.kept = self.wiped = self.idle = 0
        """Steps with gradients of the step before; with cleared ones; with no new backward."""
        self.site: Site | None = None
        self.begun: list[int] = []
        """Identities of the gradients when the last backward began."""
        self.added = False
        """Has that added to them, in place?"""
        self.grads: list[tuple[int, float | None]] = []
        """Versions and norms of the gradients of its last step."""

    def step(self, clear: bool, grads: list[tuple[int, float | None]]) -> None:
        """Count a step: are the gradients cleared?"""
        known = self.steps > 0
        same, self.grads = grads == self.grads, grads
        self.kept += known and not self.cleared and not clear and self.added
        self.idle += known and not self.backwards and not clear and same
        self.steps += 1
        self.backwards, self.cleared = 0, False

    def verdict(self) -> str:
        """Return the rule that its steps break, or ''."""
        if self.kept >= TIMES and self.kept == self.steps - 1:
            return "step-without-backward" if self.idle == self.kept else "zero-grad-missing"
        if self.wiped >= TIMES and self.wiped == self.steps:
            return "zero-grad-before-step"
        often = self.idle >= TIMES and 2 * self.idle >= self.steps - 1
        return "step-without-backward" if often else ""


class Order(Rule):
    """zero_grad that is missing, or comes between backward and step; a step without a backward."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._states: dict[int, State] = {}
        """By identity of an optimizer."""
        self._late = False
        """Were gradients cleared since the last backward?"""
        self._zeroed: Site | None = None
        self._ran: Site | None = None
        self._backwards = 0
        for name in ("Optimizer.zero_grad", "Module.zero_grad"):
            checker.made.listen(name, self._zero)

    def _zero(self, owner: Any, args: tuple[Any, ...], sites: Sites) -> None:
        self._zeroed, self._late = next(iter(sites), None), True

    def begins(self, ran: Ran, call: BackwardCall) -> None:
        """See whether gradients were cleared before this backward."""
        if not ran.accumulates:
            return
        self._ran = next(iter(ran.sites), None)
        self._backwards += 1
        self._late = False
        for state in self._states.values():
            optimizer = state.ref()
            if optimizer is not None:
                state.backwards += 1
                state.cleared = state.cleared or _clear(optimizer)
                state.begun = list(map(id, _grads(optimizer)))

    def before_step(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        """Judge what an optimizer steps with."""
        state = self._states.get(id(optimizer))
        if state is None or state.ref() is not optimizer:
            state = self._states[id(optimizer)] = State(optimizer, variable_of(optimizer, frame))
        state.site = next(iter(self._checker.ledger.steps[-1]), None)
        state.added = bool(state.begun) and state.begun == list(map(id, _grads(optimizer)))
        grads = [(each._version, figures.norm(each)) for each in _grads(optimizer)]
        clear = _clear(optimizer)
        state.wiped += clear and self._late and bool(self._backwards)
        state.step(clear, grads)

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell of what happened at every step."""
        for state in self._states.values():
            match state.verdict():
                case "zero-grad-missing" as rule:
                    what = (
                        f"the gradients of {state.name} are never cleared: each backward adds to"
                        " those of all steps before."
                    )
                    sites = sited(root=state.site, backward=self._ran)
                case "zero-grad-before-step" as rule:
                    what = (
                        f"{state.name} steps with no gradients: they are cleared between the"
                        f" backward and the step{at(self._zeroed)}."
                    )
                    sites = sited(root=self._zeroed or state.site, step=state.site)
                case "step-without-backward" as rule:
                    what = (
                        f"{state.name} steps with the gradients of the step before: no backward"
                        " has run in between."
                    )
                    sites = sited(root=state.site)
                case _:
                    continue
            self._checker.report(rule, what, (state.name,), sites)


def _clear(optimizer: torch.optim.Optimizer) -> bool:
    """Are the first gradients of an optimizer's None or zero?"""
    return not any(map(_some, _grads(optimizer)))


def _grads(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """Return the first gradients of an optimizer's."""
    grads = (each.grad for _, each in of_optimizer(optimizer))
    return list(islice((each for each in grads if each is not None), LOOKED_AT))


def _some(grad: torch.Tensor) -> bool:
    return figures.norm(grad) != 0


def variable_of(value: Any, frame: FrameType | None) -> str:
    """Return the variable of a value in scope of ``frame``, or an attribute of one; '' for none."""
    spaces = [frame.f_locals, frame.f_globals] if frame is not None else []
    pairs = [(name, each) for space in spaces for name, each in list(space.items())]
    names = (name for name, each in pairs if each is value)
    attributes = (
        f"{name}.{attribute}"
        for name, each in pairs
        for attribute, inner in list(getattr(each, "__dict__", {}).items())
        if inner is value
    )
    return next(names, "") or next(attributes, "")


class Clip(Rule):
    """Clipping gradients that are still scaled, that are used already, or of no parameter."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._scalers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._fresh = False
        """Has a backward run since the last step?"""
        checker.made.listen("GradScaler.scale", self._scale)
        checker.made.listen("clip", self._clip)

    def _scale(self, scaler: Any, args: tuple[Any, ...], sites: Sites) -> None:
        if scaler.is_enabled():
            self._scalers.add(scaler)

    def begins(self, ran: Ran, call: BackwardCall) -> None:
        """A backward brings gradients."""
        self._fresh = self._fresh or ran.accumulates

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """They have been used."""
        self._fresh = False

    def _clip(self, owner: Any, args: tuple[Any, ...], sites: Sites) -> None:
        site = next(iter(sites), None)
        names = tuple(source.arguments(site, "clip_grad_norm_"))
        if not args[0]:
            what = "an iterator that was gone through before is empty"
            self._tell("clip-of-nothing", f"clipping is given no parameter: {what}", names, site)
        elif self._fresh and any(map(_scaled, self._scalers)):
            what = "nearly all of them are above the limit"
            message = f"the gradients are clipped while they are multiplied by the scale: {what}"
            self._tell("clip-before-unscale", message, (*names, "scaler"), site)
        elif not self._fresh and self._checker.ledger.steps:
            what = "the step has used them already"
            message = f"gradients are clipped when no backward has run since the last step: {what}"
            self._tell("clip-after-step", message, names, site)

    def _tell(self, rule: str, what: str, names: tuple[str, ...], site: Site | None) -> None:
        self._checker.report(rule, f"{what}{at(site)}.", names, sited(root=site))


def _scaled(scaler: Any) -> bool:
    """Has a GradScaler unscaled no gradients since its last update?"""
    states = scaler._per_optimizer_states.values()
    return all(state["stage"] is OptState.READY for state in states)


class Scheduler(Rule):
    """A learning rate scheduler that steps before the optimizer ever has."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._stepped: weakref.WeakSet[torch.optim.Optimizer] = weakref.WeakSet()
        self._steps: dict[int, int] = {}
        """By identity of an optimizer: its steps so far."""
        self._last: dict[int, tuple[int, int, int]] = {}
        """By identity of a scheduler: steps of its optimizer and of all when it stepped last, and
        how often only others had stepped in between."""
        self._early: weakref.WeakKeyDictionary[torch.optim.Optimizer, Site | None]
        self._early = weakref.WeakKeyDictionary()
        checker.made.listen("LRScheduler.step", self._step)

    def before_step(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        """Remember that it has, and tell where its scheduler was before it."""
        self._stepped.add(optimizer)
        self._steps[id(optimizer)] = self._steps.get(id(optimizer), 0) + 1
        if optimizer in self._early:
            site = self._early.pop(optimizer)
            self._checker.report(
                "scheduler-first",
                f"the scheduler steps before the optimizer{at(site)}: the first learning rate is"
                " skipped.",
                tuple(source.subjects(site, "step")),
                sites=sited(root=site),
            )

    def _step(self, scheduler: Any, args: tuple[Any, ...], sites: Sites) -> None:
        optimizer = getattr(scheduler, "optimizer", None)
        if optimizer is not None:
            self._other(scheduler, optimizer, next(iter(sites), None))
        first = getattr(scheduler, "_step_count", 0) == 1  # 0: the one of its own making
        if optimizer is not None and first and optimizer not in self._stepped:
            self._early[optimizer] = next(iter(sites), None)

    def _other(self, scheduler: Any, optimizer: Any, site: Site | None) -> None:
        """See whether only other optimizers step between the scheduler's steps."""
        own, every = self._steps.get(id(optimizer), 0), sum(self._steps.values())
        before, total, times = self._last.get(id(scheduler), (own, every, 0))
        times = times + 1 if own == before and every > total else 0
        self._last[id(scheduler)] = own, every, times
        if times == TIMES:
            made = self._checker.made.site(optimizer)
            self._checker.report(
                "scheduler-other",
                f"the scheduler steps{at(site)} for an optimizer{at(made)} that steps no more:"
                " another one is used.",
                (*source.subjects(site, "step"), *source.targets(made)),
                sites=sited(root=site, optimizer=made),
            )
