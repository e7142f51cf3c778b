"""Ctrl-C: KeyboardInterrupt for what was typed; a running script is paused first."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

from gradrepl import conditions as c
from gradrepl.engine import frames

if TYPE_CHECKING:
    from gradrepl.engine.session import Session


class Interrupts:
    """Our handler of SIGINT; one that the user's code installs later wins."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def install(self) -> None:
        """Take SIGINT."""
        signal.signal(signal.SIGINT, self.handle)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Decide by what is running. Runs in the main thread, between two bytecodes.

        Raises:
            KeyboardInterrupt: typed code is running, or a pause is pending already.
        """
        session = self.session
        if session.gate.detached:
            raise KeyboardInterrupt
        if session.gate.main_waits():
            return  # at a prompt it is the face's to handle
        if session.gate.answering() or not session.running_script:
            raise KeyboardInterrupt
        if session.stepper.pausing:
            session.stepper.pausing = False
            raise KeyboardInterrupt
        if _in_ours(frame) or session.stepper.passes:
            session.stepper.pausing = True  # not in the middle of our own work: at the next event
            session.stepper.go(c.First())
            return
        session.stepper.pause_here(frame)

    def pause(self) -> None:
        """A face asks to stop at the next event; in any thread."""
        if not self.session.gate.main_waits():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _in_ours(frame: FrameType | None) -> bool:
    """Is code of ours the innermost that is not a library's?"""
    for each in frames.up(frame):
        kind = frames.kind(each.f_code)
        if kind == frames.OURS:
            return True
        if kind == frames.USER:
            return False
    return True
