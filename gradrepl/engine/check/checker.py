"""One check of one run: the ledger, what is known of parameters, the rules, and what they found."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from gradrepl.engine import torch_private
from gradrepl.engine.check.ledger import Ledger, Op, Ran, Rule, callers
from gradrepl.engine.check.made import Made
from gradrepl.engine.check.parameters import Parameters
from gradrepl.engine.code import frames
from gradrepl.engine.tensor import figures
from gradrepl.model import Finding, Findings

if TYPE_CHECKING:
    from gradrepl.engine.forward.calls import Call
    from gradrepl.engine.graph.recorder import Recorder
    from gradrepl.engine.observers import BackwardCall
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

MOST = 64
"""Findings that are kept."""
SEVERITIES = ("error", "warning", "note")


class Checker(Rule):
    """What a run is judged by; every rule has it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.ledger = Ledger(self, lambda: session.recorder.current)
        self.parameters = Parameters(session)
        self.made = Made(self.guarded)
        self._failed: set[Any] = set()
        """Rules that have raised: they are asked no more."""
        self.looped: Any = None
        """The loader that a loop has begun over last."""
        self._findings: dict[tuple[Any, ...], Finding] = {}
        self._rules = [make(self) for make in rules()]
        told = ("op", "begins", "ended", "before_step", "after_step", "over")
        self._told = {name: [each for each in self._rules if _says(each, name)] for name in told}
        self._handles: list[Any] = []
        self._scaling: Any = None

    # -- on and off ------------------------------------------------------------------------------

    def start(self) -> None:
        """Look on from now on."""
        self.made.install()
        self._handles = [
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]

    def stop(self) -> None:
        """Look no more."""
        self.made.remove()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    # -- what is found ---------------------------------------------------------------------------

    def report(self, finding: Finding) -> None:
        """Take in what a rule has found; of one rule at one line the first counts."""
        root = finding.sites[0].site if finding.sites else finding.message
        key = (finding.rule, root)
        before = self._findings.get(key)
        if before is None:
            if len(self._findings) < MOST:
                self._findings[key] = finding
            return
        subjects = tuple(dict.fromkeys((*before.subjects, *finding.subjects)))[:12]
        self._findings[key] = _replace(before, subjects=subjects)

    def script(self) -> str:
        """Return the path of the script that runs."""
        return frames.absolute(self.session.script)

    def scaled(self, ran: Ran) -> bool:
        """Has a GradScaler scaled a root, so that an overflow is what it is there for?"""
        return self._scaling.of(ran) is not None if self._scaling is not None else False

    def findings(self) -> Findings:
        """Return what was found, the worst first."""
        rows = sorted(self._findings.values(), key=lambda each: SEVERITIES.index(each.severity))
        return Findings(rows=tuple(rows), looked_at=("the whole run",))

    # -- what happens ----------------------------------------------------------------------------

    def op(self, op: Op, call: Call) -> None:
        """Tell the rules; none of them changes what the program does, or stops it."""
        self._tell("op", op, call)

    def begins(self, ran: Ran, call: BackwardCall) -> None:
        """Tell the rules."""
        self._tell("begins", ran, call)

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """Tell the rules."""
        self._tell("ended", ran, seen)

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell the rules."""
        self._tell("over", error, place)

    def _before_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        frame = next(iter(frames.user_frames(sys._getframe(1))), None)
        self.ledger.steps.append(callers(frame))
        self._tell("before_step", optimizer, frame)

    def _after_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self._tell("after_step", optimizer)
        self.ledger.close_step()

    def _tell(self, what: str, *given: Any) -> None:
        for rule in self._told[what]:
            self.guarded(getattr(rule, what), *given)

    def guarded(self, function: Callable[..., Any], *given: Any) -> Any:
        """Call a method of a rule's, or of the ledger's; an error of it is not the program's."""
        owner = function.__self__  # type: ignore[attr-defined]
        if owner in self._failed:
            return None
        try:
            with torch_private.DisableTorchFunction(), figures.quiet():
                return function(*given)
        except Exception as error:  # ours: the program goes on, without this rule
            self._disable(owner, error)
            return None

    def _disable(self, rule: Any, error: Exception) -> None:
        self._failed.add(rule)
        entries = traceback.extract_tb(error.__traceback__)[-1:]
        where = "".join(f", {os.path.basename(each.filename)}:{each.lineno}" for each in entries)
        self.report(
            Finding(
                rule="check-failed",
                severity="note",
                message=f"the check {type(rule).__name__} has failed and was left out"
                f" ({type(error).__name__}: {error}{where}): please report it.",
            )
        )


def rules() -> list[Any]:
    """Return the classes of the rules."""
    from gradrepl.engine.check import (
        functions,
        gradients,
        loaders,
        membership,
        numbers,
        raised,
        shapes,
        steps,
    )

    return [
        gradients.NoGradient,
        gradients.ZeroDerivative,
        gradients.ModuleFlag,
        membership.NoOptimizer,
        numbers.NonFinite,
        raised.Uncaught,
        shapes.Broadcast,
        shapes.Twice,
        functions.Context,
        functions.EarlyHook,
        loaders.Loaders,
        steps.Order,
        steps.Clip,
        steps.Scheduler,
        steps.AutocastCache,
        steps.LeftInEval,
    ]


def _says(rule: Rule, name: str) -> bool:
    return getattr(type(rule), name) is not getattr(Rule, name)


def _replace(finding: Finding, **changes: Any) -> Finding:
    from msgspec.structs import replace

    return replace(finding, **changes)
