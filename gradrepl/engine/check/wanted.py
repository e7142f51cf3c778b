"""Whether the run is to be judged: may be said before torch is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradrepl import protocol as p
from gradrepl.engine.observers import BackwardCall, Look, Observer
from gradrepl.engine.session import Answer, Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.model import Findings

if TYPE_CHECKING:
    from gradrepl.engine.check.checker import Checker


class Check(Observer):
    """Judges the run from when it is asked for, once torch is there."""

    def __init__(self, session: Session, *, built_in: bool = True) -> None:
        self._session = session
        self.built_in = built_in
        self._on = True
        self.steps = 0
        self._checker: Checker | None = None

    @property
    def records(self) -> bool:  # type: ignore[override]
        """Is anybody there to be told?"""
        return self._on

    @property
    def meets_backwards(self) -> bool:  # type: ignore[override]
        """Is torch there?"""
        return self._checker is not None

    def rearm(self) -> None:
        """Begin, now that torch is there."""
        if self._checker is None and self._on:
            from gradrepl.engine.check.checker import Checker
            from gradrepl.engine.check.rules import RULES

            self._checker = Checker(self._session, RULES, self.steps)
            self._checker.start()

    def op(self, call: Any) -> None:
        """Put down an op."""
        if self._checker is not None:
            self._checker.guarded(self._checker.ledger.op, call)

    def begins(self, call: BackwardCall) -> Look | None:
        """Put down a backward."""
        checker = self._checker
        return checker.guarded(checker.ledger.begins, call) if checker is not None else None

    def over(self, error: BaseException | None, place: Any) -> None:
        """Judge the whole run."""
        if self._checker is not None:
            self._checker.guarded(self._checker.over, error, place)

    def let_go(self) -> None:
        """Refer to no tensor, not even weakly."""
        if self._checker is not None:
            self._checker.let_go()

    def rest(self) -> None:
        """Look no more: nobody is there to be told."""
        self._on = False
        if self._checker is not None:
            self._checker.stop()

    def close(self) -> None:
        """Look no more."""
        self.rest()

    def findings(self) -> Findings:
        """Return what was found."""
        return self._checker.findings() if self._checker is not None else Findings()


@on(p.Check)
def _(request: p.Check, session: Session, place: Place) -> Answer:
    check = session.state(Check)
    check.steps = request.steps
    session.stepper.observe(check)
    session.stepper.rearm()
    return None
