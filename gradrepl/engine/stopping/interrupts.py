"""Ctrl-C: KeyboardInterrupt for what was typed; a running script is paused first."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING

from gradrepl import conditions as c
from gradrepl.engine.code import evaluate, frames
from gradrepl.engine.code.patches import passing
from gradrepl.engine.stopping import processes

if TYPE_CHECKING:
    from gradrepl.engine.session import Session


class Interrupts:
    """Our handler of SIGINT; one that the user's code installs later wins."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def install(self) -> None:
        """Take SIGINT, and ``breakpoint()``."""
        signal.signal(signal.SIGINT, self.handle)
        sys.breakpointhook = self.breakpoint_hook

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Decide by what is running. Runs in the main thread, between two bytecodes.

        Raises:
            KeyboardInterrupt: typed code is running, or a pause is pending already.
        """
        session, stepper = self.session, self.session.stepper
        if session.gate.detached:
            raise KeyboardInterrupt
        if session.gate.main_waits():
            return  # at a prompt it is the face's to handle
        ours = _in_ours(frame)
        script = session.running_script and not session.gate.answering()
        if script and not stepper.pausing:
            if ours or stepper.passes:
                stepper.pausing = True  # not in the middle of our own work: at the next event
                stepper.go(c.First("interrupt"))
            else:
                stepper.pause_here(frame, "interrupt")
            return
        stepper.pausing = False
        if ours:
            stepper.interrupted = True  # raised when our own work is done
            return
        raise KeyboardInterrupt

    def breakpoint_hook(self, *args: object, **keywords: object) -> None:
        """``breakpoint()`` in the user's code: stop there, in this session."""
        if os.environ.get("PYTHONBREAKPOINT") == "0":
            return
        frame, gate = sys._getframe(1), self.session.gate
        if gate.detached:  # a forked child
            if not processes.refuses(frame, "breakpoint()"):
                import pdb  # imported early it may read standard input

                self.leave()
                pdb.Pdb().set_trace(frame)
        elif gate.answering():
            sys.__breakpointhook__(*args, **keywords)
        else:
            self.session.stepper.pause_here(frame, "breakpoint()")

    def leave(self) -> None:
        """Nobody is there to stop for: ``breakpoint()`` is Python's own again."""
        if sys.breakpointhook == self.breakpoint_hook:
            sys.breakpointhook = sys.__breakpointhook__

    def pause(self) -> None:
        """A face asks to stop at the next event; in any thread."""
        if not self.session.gate.main_waits():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _in_ours(frame: FrameType | None) -> bool:
    """Is code of ours the innermost that is not a library's?"""
    for each in frames.up(frame):
        if each.f_code in (evaluate.run.__code__, evaluate._await.__code__):
            return False  # the user's code is what runs there
        if each.f_code in passing:
            return False  # what we stand in for is what runs there
        kind = frames.kind(each.f_code)
        if kind == frames.OURS:
            return True
        if kind == frames.USER:
            return False
    return True
