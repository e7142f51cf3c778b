"""Reach a program that runs no op just now: its main thread, and its next line to stop at."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from gradrepl.engine.code import frames
from gradrepl.engine.session import Session

_waiting: list[Any] = []
"""Callbacks that the interpreter has not called yet: they must stay alive."""


def call_in_main_thread(function: Callable[[], None]) -> None:
    """Have the interpreter call ``function`` between two bytecodes, without a signal or a handler.

    ``function`` must neither raise nor wait. Where too many wait already, it is not called.
    """

    def once(_: Any) -> int:
        _waiting.remove(callback)
        function()
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

    def set(self, running: list[FrameType]) -> None:
        """Trace the frames that are ``running``, and new ones."""
        sys.settrace(self._call)
        self._frames = running
        for frame in running:
            frame.f_trace = self._line

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not self._session.stepper.pausing:
            self._remove()
            return None
        return self._line if own(frame) else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event != "line":
            return self._line
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
