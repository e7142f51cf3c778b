"""What looking costs a program that runs, and for what: told where it takes most of the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gradrepl import conditions as c
from gradrepl.engine.stopping.breakpoints import Armed
from gradrepl.model import Cost

FIRST, AGAIN, SHARE = 5.0, 8.0, 0.5
"""Seconds until it may be told, so many times as many until the next time, and from which part of
the time on."""
EVERY, LARGE = 16, 64
"""Of a graph of more nodes than that, every so many is timed."""
clock = time.perf_counter


class Costs:
    """The seconds that went into looking since the program was let go."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """The program continues."""
        self.since = clock()
        self.ops = self.nodes = self.gradients = 0.0
        self.steps = 0
        self._next = FIRST

    def around(self, begun: float, running: float, ops: int) -> None:
        """Add what an op took besides the time in which it ran itself; it stands for so many.

        One that has stopped is left out.
        """
        if begun >= self.since:
            self.ops += ops * (clock() - begun - running)

    def timed(self, hook: Callable[..., Any], nodes: int) -> tuple[int, Callable[..., Any]]:
        """Return every how manieth of so many nodes gets another hook, which counts for all."""
        every = EVERY if nodes > LARGE else 1
        return every, partial(self._timed, hook, every)

    def _timed(self, hook: Callable[..., Any], every: int, *grads: Any) -> Any:
        begun = clock()
        try:
            return hook(*grads)
        finally:
            if begun >= self.since:
                self.nodes += every * (clock() - begun)

    def due(self) -> bool:
        """Is it to be told?"""
        took = clock() - self.since
        if took < self._next or self.ops + self.nodes + self.gradients < SHARE * took:
            return False
        self._next = AGAIN * took
        return True

    def record(self, armed: Armed) -> Cost:
        """Return what is told."""
        steps, took = max(1, self.steps), clock() - self.since
        parts = (
            (_for("ops", c.OP, armed), self.ops),
            (_for("nodes", c.NODE, armed), self.nodes),
            ("gradients", self.gradients),
        )
        return Cost(
            seconds=(self.ops + self.nodes + self.gradients) / steps,
            total=took / steps,
            steps=self.steps,
            parts=tuple((what, seconds / steps) for what, seconds in parts if seconds),
        )


def _for(what: str, kind: str, armed: Armed) -> str:
    """Return 'ops (b nan)': what is looked at, and for which breakpoints."""
    asking = [each for each in armed.breakpoints.values() if kind in each.condition.events()]
    return what + "".join(f" (b {each.text})" for each in asking if each.enabled)
