"""New problems are told while the program runs, not more often than somebody can read."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from gradrepl.engine.health.tracked import Tracked
from gradrepl.model import health as h

TOLD = 8
"""Changed verdicts that are told at once."""
AGAIN = 1000
"""Backwards until the same verdict of the same parameter is told again: many go to and fro."""
SECOND = 1.0
"""Between two tellings."""


class Telling:
    """Tells of verdicts that something is wrong."""

    def __init__(self, tell: Callable[[h.Verdicts], None]) -> None:
        self._tell = tell
        self._untold: dict[str, h.VerdictChange] = {}
        self._heard: dict[tuple[str, str], int] = {}
        """When it was told last that a parameter has a verdict."""
        self._told_at = 0.0

    def forget(self) -> None:
        """Begin anew."""
        self._untold.clear()
        self._heard.clear()
        self._told_at = 0.0

    @property
    def waits(self) -> bool:
        """Is there something that has not been told yet?"""
        return bool(self._untold)

    def note(self, new: Sequence[tuple[Tracked, str]], number: int, asked: bool) -> None:
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
