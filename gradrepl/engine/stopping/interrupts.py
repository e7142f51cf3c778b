"""Stops that nothing armed asks for: Ctrl-C, ``breakpoint()``, the wish of another thread.

And where there can be none: in a worker process. With several ranks the others wait.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any

from gradrepl import conditions as c
from gradrepl.engine.boundary import Part
from gradrepl.engine.code import evaluate, frames
from gradrepl.engine.code.patches import passing

if TYPE_CHECKING:
    from gradrepl.engine.session import Session


class Interrupts:
    """Our handler of SIGINT; one that the user's code installs later wins."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.part = Part("stopping at Ctrl-C", self._leave_sigint)

    def install(self) -> None:
        """Take SIGINT, and ``breakpoint()``."""
        signal.signal(signal.SIGINT, self.handle)
        sys.breakpointhook = self.breakpoint_hook

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Decide by what is running. Runs in the main thread, between two bytecodes.

        Raises:
            KeyboardInterrupt: typed code is running, or a pause is pending already.
        """
        with self.part:
            if not self.session.gate.detached:
                self._decide(frame)
                return
        raise KeyboardInterrupt

    def _leave_sigint(self) -> None:
        if signal.getsignal(signal.SIGINT) == self.handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _decide(self, frame: FrameType | None) -> None:
        session, stepper = self.session, self.session.stepper
        if session.gate.main_waits():
            return  # at a prompt it is the client's to handle
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
        if os.environ.get("PYTHONBREAKPOINT") != "0":
            frame, alone = sys._getframe(1), False
            with self.part:
                alone = self._at_breakpoint(frame, args, keywords)
            if alone:
                import pdb  # imported early it may read standard input

                pdb.Pdb().set_trace(frame)

    def _at_breakpoint(self, frame: FrameType, args: Any, keywords: Any) -> bool:
        """Stop there; True where Python's own debugger is to do it: in a forked child."""
        gate = self.session.gate
        if gate.detached:
            stops = not refuses(frame, "breakpoint()")
            if stops:
                self.leave()
            return stops
        if gate.answering():
            sys.__breakpointhook__(*args, **keywords)
        else:
            self.session.stepper.pause_here(frame, "breakpoint()")
        return False

    def leave(self, *, ends: bool = False) -> None:
        """Nobody is there to stop for: ``breakpoint()`` is Python's own again.

        As the program ``ends``, Ctrl-C is, too: a handler belongs to the main thread.
        """
        if ends:
            self._leave_sigint()
        if sys.breakpointhook == self.breakpoint_hook:
            sys.breakpointhook = sys.__breakpointhook__

    def pause(self) -> None:
        """A client asks to stop at the next event; in any thread."""
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


# -- reaching a main thread that runs no op just now ----------------------------------------------

_waiting: list[Any] = []
"""Callbacks that the interpreter has not called yet: they must stay alive."""


def call_in_main_thread(function: Callable[[], None]) -> None:
    """Have the interpreter call ``function`` between two bytecodes, without a signal or a handler.

    ``function`` must neither raise nor wait. Where too many wait already, it is not called.
    """

    def once(_: Any) -> int:
        try:  # and no call behind it: entering one here, traced, Python 3.11 would never return
            _waiting.remove(callback)
            function()
        except Exception as error:
            Part("doing something in the main thread").failed(error)
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(once)
    _waiting.append(callback)
    if ctypes.pythonapi.Py_AddPendingCall(callback, None) != 0:
        _waiting.remove(callback)


class NextLine:
    """A trace function that stops at the next line of the user's, once."""

    def __init__(self, session: Session, reason: str) -> None:
        self._session = session
        self._reason = reason
        self._frames: list[FrameType] = []
        self._part = Part("stopping at the next line", self._remove)

    def set(self, running: list[FrameType]) -> None:
        """Trace the frames that are ``running``, and new ones."""
        sys.settrace(self._call)
        self._frames = running
        for frame in running:
            frame.f_trace = self._line

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        with self._part:
            if self._session.stepper.pausing:
                return self._line if own(frame) else None
            self._remove()
        return None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event != "line":
            return self._line
        with self._part:
            self._frames = [each for each in self._frames if each is not frame]
            self._remove()
            session = self._session
            if session.stepper.pausing and session.stepper.sees():
                session.watch_for_torch()
                session.stepper.pause_here(frame, self._reason)
        frame.f_trace = None  # only now: while it is set, the variables are the tracing's
        return None

    def _remove(self) -> None:
        if sys.gettrace() == self._call:
            sys.settrace(None)
        for frame in self._frames:
            if frame.f_trace == self._line:
                frame.f_trace = None
        self._frames = []


def own(frame: FrameType) -> bool:
    """Is this the user's own code, where a stop is worth something?"""
    code = frame.f_code
    made = code.co_filename == "<string>"  # a dataclass's or a named tuple's
    return not made and frames.kind(code) == frames.USER and not frames.installed(code)


# -- the other processes of a job -----------------------------------------------------------------

_said: set[tuple[str, int]] = set()


def refuses(frame: FrameType, reason: str) -> bool:
    """Is this a worker process? Then say once a line what to do instead."""
    processes = sys.modules.get("multiprocessing.process")
    if processes is None or not processes.current_process().daemon:
        return False
    place = frame.f_code.co_filename, frame.f_lineno
    if place not in _said:
        _said.add(place)
        kind, instead = "worker process", "Call the function in the main process to stop in it."
        data = sys.modules.get("torch.utils.data")
        if data is not None and data.get_worker_info() is not None:
            kind = "DataLoader worker"
            instead = "With num_workers=0 this line runs in the main process, and stops."
        sentence = (
            f"gradrepl: {reason} at {os.path.basename(place[0])}:{place[1]} is skipped in {kind}"
            f" {processes.current_process().name}: a worker cannot stop, its parent waits for it."
        )
        print(sentence, instead, file=sys.stderr, flush=True)
    return True


def others_wait() -> str:
    """Say that the other ranks wait while this one is paused; '' where there are none."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return ""
    size = distributed.get_world_size()
    if size < 2:
        return ""
    who = "the other rank waits" if size == 2 else f"the other {size - 1} ranks wait"
    limit = patience()
    most = f", at most {limit} (the group's time-out), then the job ends" if limit else ""
    here = f"rank {distributed.get_rank()} of {size}"
    return f"This is {here}: while it is paused, {who} at the next collective{most}."


def patience() -> timedelta | None:
    """Return the time-out of the default group; None where torch does not tell."""
    module: Any = sys.modules.get("torch.distributed.distributed_c10d")
    with suppress(AttributeError, RuntimeError, ValueError, IndexError):
        group = module._get_default_group()
        limit = group._get_backend(group._device_types[0]).options._timeout
        return limit if isinstance(limit, timedelta) else None
    return None
