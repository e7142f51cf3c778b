"""The guided walk through the two-path example."""

from __future__ import annotations

from gradrepl.model.base import Record


class TourStep(Record, frozen=True, kw_only=True):
    """What a newcomer is told next, and what to type for it."""

    number: int
    """From 1; 0 when the tour is over."""
    total: int
    text: str
    entry: str = ""
    """The line to type; empty where a number is asked for."""
    guess: bool = False
    """Is a number asked for?"""


class TourAnswer(Record, frozen=True, kw_only=True):
    """A guessed gradient beside the one that the engine brought."""

    said: float | None
    """None: nobody guessed."""
    arrived: float
    right: bool
    why: str
