"""The exception that a program has ended with: who can say what it is about."""

from __future__ import annotations

from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.given import TELLERS, WORDS
from gradrepl.engine.check.ledger import Rule
from gradrepl.engine.check.raised import GRAPHS, Raised
from gradrepl.engine.code import frames
from gradrepl.engine.explain.errors import KNOWN
from gradrepl.engine.stopping.gate import Place


class Uncaught(Rule):
    """Tells of the exception that the program has ended with."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell what it is about."""
        if error is None or place is None or isinstance(error, KeyboardInterrupt):
            return
        raised = Raised(error, place, self._checker)
        tellers = (tell for part, tell in {**GRAPHS, **TELLERS}.items() if part in raised.message)
        if not any(tell(raised) for tell in tellers):
            words = (word for part, word in WORDS.items() if part in raised.message)
            raised.report(next(words, "torch" if _from_torch(raised) else "exception"))


def _from_torch(raised: Raised) -> bool:
    """Is it an error that torch raised, or that is known of torch?"""
    if raised.record.hint or any(part in raised.message for part in KNOWN):
        return True
    *_, last = raised.frames()
    outside = frames.kind(last.f_code) not in (frames.USER, frames.LIBRARY)
    return outside or isinstance(raised.error, RuntimeError)
