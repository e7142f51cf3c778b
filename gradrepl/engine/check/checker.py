"""One check of one run: the ledger, what is known of parameters, the rules, and what they found."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from msgspec.structs import replace
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from gradrepl.engine import torch_private
from gradrepl.engine.boundary import Part, of_a_handler
from gradrepl.engine.check.ledger import Ledger, Op, Ran, Rule, callers
from gradrepl.engine.check.made import Made
from gradrepl.engine.check.parameters import Parameters
from gradrepl.engine.code import frames
from gradrepl.engine.tensor import figures
from gradrepl.model import Finding, Findings, Sited
from gradrepl.model.rules import RULES

if TYPE_CHECKING:
    from gradrepl.engine.forward.calls import Call
    from gradrepl.engine.graph.recorder import Recorder
    from gradrepl.engine.observers import BackwardCall
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

MOST = 64
"""Findings that are kept."""
SUBJECTS = 12
"""Names in one of them."""
SEVERITIES = ("error", "warning", "note")
TOLD = ("op", "begins", "ended", "before_step", "after_step", "over")
"""What a rule may say that it wants to be told."""


class Checker(Rule):
    """What a run is judged by; every rule has it."""

    def __init__(
        self, session: Session, rules: Sequence[Callable[[Checker], Rule]], steps: int = 0
    ) -> None:
        """``rules``: what makes each rule; ``steps``: of optimizers, after which the program is
        ended, or 0."""
        self.session, self._steps = session, steps
        self.ledger = Ledger(self, lambda: session.recorder.current)
        self.made = Made(self.guarded)
        self.parameters = Parameters(session, self.made)
        self._findings: dict[tuple[str, Any], Finding] = {}
        self._failed: set[Any] = set()
        """Rules that have raised: they are asked no more."""
        made = [make(self) for make in rules]
        self._told = {name: [each for each in made if _wants(each, name)] for name in TOLD}
        self._handles: list[Any] = []
        self._part = Part("judging the steps of optimizers", self.stop)

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

    def let_go(self) -> None:
        """Refer to no tensor, not even weakly."""
        self.ledger.let_go()
        self.parameters.let_go()

    # -- what is found ---------------------------------------------------------------------------

    def report(
        self,
        rule: str,
        message: str,
        subjects: tuple[str, ...] = (),
        sites: tuple[Sited, ...] = (),
        *,
        fix: str = "",
        severity: str = "",
        evidence: str = "",
    ) -> None:
        """Take in what a rule has found; of one rule at one line the first counts."""
        key = rule, sites[0].site if sites else message
        subjects = tuple(dict.fromkeys(filter(None, subjects)))
        before = self._findings.get(key)
        if before is not None:
            together = tuple(dict.fromkeys((*before.subjects, *subjects)))[:SUBJECTS]
            self._findings[key] = replace(before, subjects=together)
        elif len(self._findings) < MOST:
            self._findings[key] = Finding(
                rule=rule,
                severity=severity or RULES[rule].severity,
                message=message,
                sites=sites,
                subjects=subjects[:SUBJECTS],
                evidence=evidence,
                fix=fix or RULES[rule].fix,
                since=self.ledger.step,
            )

    def findings(self) -> Findings:
        """Return what was found, the worst first."""
        rows = sorted(self._findings.values(), key=lambda each: SEVERITIES.index(each.severity))
        return Findings(rows=tuple(rows), looked_at=("the whole run",))

    @property
    def script(self) -> str:
        """The path of the script that runs."""
        return frames.absolute(self.session.script)

    # -- what happens ----------------------------------------------------------------------------

    def op(self, op: Op, call: Call) -> None:
        """Tell the rules."""
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
        with self._part:
            frame = next(iter(frames.user_frames(sys._getframe(1))), None)
            self.ledger.steps.append(callers(frame))
            self._tell("before_step", optimizer, frame)

    def _after_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        with self._part:
            self._tell("after_step", optimizer)
            self.guarded(self.ledger.close_step)
        if self._steps and self.ledger.step > self._steps:
            raise SystemExit(0)

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
            if of_a_handler(error):
                raise
            self._failed.add(owner)
            entries = traceback.extract_tb(error.__traceback__)[-1:]
            where = "".join(
                f", {os.path.basename(each.filename)}:{each.lineno}" for each in entries
            )
            self.report(
                "check-failed",
                f"the rule {type(owner).__name__} has failed and was left out"
                f" ({type(error).__name__}: {error}{where}): please report it.",
            )
            return None


def _wants(rule: Rule, name: str) -> bool:
    return getattr(type(rule), name) is not getattr(Rule, name)
