"""How far something long is, told while it runs, and Ctrl-C as the wish to have what there is.

A thread of its own tells, so that also what hangs says what it is at and how to stop it. It is
there from half a second on, and gone before the answer is given.
"""

from __future__ import annotations

import threading
import time

from gradrepl import model
from gradrepl.engine.session import Session

PATIENT, EVERY = 0.5, 0.25
"""Seconds until the first is told, and between them."""


class Telling:
    """Tells how far something is; a ``with`` around it ends at Ctrl-C without an exception."""

    def __init__(
        self, session: Session, what: str, total: int | None = None, unit: str = "batches"
    ) -> None:
        self._session = session
        self._what, self._total, self._unit = what, total, unit
        self._begun = time.monotonic()
        self._at: tuple[int, str] = (0, "")
        self._told = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="gradrepl-progress", daemon=True)
        self.interrupted = False

    @property
    def stopped(self) -> bool:
        """Was Ctrl-C pressed? To be asked between two pieces of work."""
        self.interrupted = self.interrupted or self._session.stepper.interrupted
        return self.interrupted

    def at(self, done: int, more: str = "") -> None:
        """So much is done."""
        self._at = (done, more)

    def __enter__(self) -> Telling:
        self._session.stepper.interrupted = False
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, tb: object) -> bool:
        self._over.set()
        self._thread.join()
        asked = isinstance(error, KeyboardInterrupt)
        self.interrupted = self.stopped or asked
        self._session.stepper.interrupted = False
        if self._told:
            self._session.tell(self._record(over=True))
        return asked

    def _tell(self) -> None:
        wait = PATIENT
        while not self._over.wait(wait):
            self._told = True
            self._session.tell(self._record())
            wait = EVERY

    def _record(self, over: bool = False) -> model.Progress:
        done, more = self._at
        return model.Progress(
            what=self._what,
            done=done,
            total=self._total,
            unit=self._unit,
            seconds=time.monotonic() - self._begun,
            more=more,
            over=over,
        )
