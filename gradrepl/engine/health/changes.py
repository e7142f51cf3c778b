"""Parameters that have another verdict than before: told to clients, and an event to stop at."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gradrepl.engine.code import frames
from gradrepl.engine.forward.events import TensorEvent
from gradrepl.engine.health.tracked import Tracked
from gradrepl.engine.stopping.breakpoints import Anchor
from gradrepl.model import health as h

if TYPE_CHECKING:
    from gradrepl.engine.stopping.stepper import Stepper

TOLD = 8
"""Changed verdicts that are told at once."""
AGAIN = 1000
"""Backwards until the same verdict of the same parameter is told again: many go to and fro."""
SECOND = 1.0
"""Between two tellings."""
Change = tuple[Tracked, str]
"""A parameter, and the word of its verdict before."""


class Telling:
    """Tells clients of new problems, not more often than somebody can read."""

    def __init__(self, tell: Callable[[h.Verdicts], None]) -> None:
        self._tell = tell
        self._untold: dict[str, h.VerdictChange] = {}
        self._heard: dict[tuple[str, str], int] = {}
        """When it was told last that a parameter has a verdict."""
        self._told_at = 0.0

    def forget(self) -> None:
        """Restart."""
        self._untold.clear()
        self._heard.clear()
        self._told_at = 0.0

    @property
    def waits(self) -> bool:
        """Is there something that has not been told yet?"""
        return bool(self._untold)

    def note(self, new: Sequence[Change], number: int, asked: bool) -> None:
        """Take in whose verdict has changed, and the word before; ``asked``: may it be told?"""
        for each, was in new:
            verdict = each.verdict
            if verdict is None or verdict.word not in h.PROBLEMS:
                self._untold.pop(each.name, None)
            elif number - self._heard.get((each.name, verdict.word), -AGAIN) >= AGAIN:
                self._untold[each.name] = h.VerdictChange(
                    name=each.name,
                    verdict=verdict.word,
                    label=verdict.label,
                    why=verdict.why,
                    was=was,
                    backward=number,
                )
        moment = time.monotonic()
        if not self._untold or moment - self._told_at < SECOND or not asked:
            return
        self._told_at = moment
        changes = tuple(self._untold.values())
        self._heard |= {(each.name, each.verdict): number for each in changes}
        self._untold.clear()
        self._tell(h.Verdicts(changes=changes[:TOLD], total=len(changes)))


class WatchEvent(TensorEvent):
    """The end of a backward after which parameters have another verdict than before."""

    kind = "watch"
    phase = "backward"
    name = "end of backward"

    def __init__(self, stepper: Stepper, anchor: Anchor, new: Sequence[Change]) -> None:
        super().__init__(stepper, anchor)
        self.new = [each for each, _ in new]
        self.frame = frames.Walk(sys._getframe(1)).frame

    def verdicts(self) -> Sequence[str]:
        """Return the new verdicts."""
        return [each.word for each in self.new]

    def changes(self) -> list[str]:
        """Return who has got which verdict, at most 8, the bad ones first."""
        ordered = sorted(self.new, key=lambda each: h.VERDICTS.index(each.word))
        return [f"{each.name} {each.label}" for each in ordered[:8]]

    def deeper(self) -> bool:
        """Is it below the line that called?"""
        return True

    def told(self, reason: str) -> dict[str, Any]:
        """Name those that have another verdict."""
        return {"reason": f"{reason}: {', '.join(self.changes())}"}
