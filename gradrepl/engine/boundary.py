"""The boundary: nothing of ours that torch or the interpreter calls raises into the program.

A part of ours that fails is off from then on, which is told once, and the program continues as
without it. What is the program's own passes: an exception of what we stand in for never comes
here (``patches.Once``), and one of its signal handlers, which may run in the middle of our code,
is known by the frame that it was raised in. What ends a stop on purpose is no ``Exception``.
"""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, TypeVar

from gradrepl.engine.code import frames
from gradrepl.errors import StateError
from gradrepl.model import Error

Result = TypeVar("Result")
tell: Callable[[Error], object] = str
"""Where a failure is told; the session sets it."""


class Part:
    """Something of ours that is called in the program, and can be off.

    Where it is called lean code says ``except Exception as error: if not part.failed(error):
    raise``; the rest stands in a ``with part:``, which is left where something fails.
    """

    def __init__(self, what: str, off: Callable[[], object] = lambda: None) -> None:
        self.what = what
        """What it does, as the sentence about its failure names it."""
        self._off = off
        self.works = True

    def failed(self, error: BaseException) -> bool:
        """Is this an error of ours? Then the part is off from now on, and that is told."""
        if isinstance(error, Quitting) or not isinstance(error, Exception) or of_a_handler(error):
            return False
        if self.works and not isinstance(error, RecursionError):  # that is for want of room
            self.works = False
            with suppress(Exception):
                self._off()
            with suppress(Exception):
                tell(_record(self.what, error))
        return True

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: object
    ) -> bool:
        return error is not None and self.failed(error)


class Quitting(BaseException):
    """Unwinds the user's code when gradrepl is left at a stop; no ``except Exception`` sees it."""


AGAIN = 100
"""How often something is begun again."""


def steadily(function: Callable[..., Result], *args: Any) -> Result:
    """Return what ``function`` returns; it is called again where a handler of signals raises in it.

    For what is done when the program's own code is over: nobody is there who would get that.
    """
    for _ in range(AGAIN):
        try:
            return function(*args)
        except Exception as error:
            if not of_a_handler(error):
                raise
    return function(*args)


def of_a_handler(error: BaseException) -> bool:
    """Has a handler of signals, which may run in the middle of our code, raised this?"""
    tb = error.__traceback__
    while tb is not None:
        if handles_signal(tb.tb_frame):
            return True
        tb = tb.tb_next
    return False


def handles_signal(frame: FrameType) -> bool:
    """Has the interpreter called this, with a number and the frame that was running?"""
    if frame.f_back is None or frames.kind(frame.f_code) == frames.OURS:
        return False
    pairs = itertools.pairwise(_given(frame))
    return any(isinstance(one, int) and isinstance(two, FrameType) for one, two in pairs)


def _given(frame: FrameType) -> list[object]:
    """Return the arguments by position that a call was made with."""
    code = frame.f_code
    named = code.co_varnames[: code.co_argcount]
    given = [frame.f_locals.get(name) for name in named]
    if code.co_flags & inspect.CO_VARARGS:
        rest = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        given += frame.f_locals.get(rest) or ()
    return given


def _record(what: str, error: Exception) -> Error:
    """Return what is told: one sentence, and where to report it."""
    tb, place = error.__traceback__, ""
    while tb is not None:
        if frames.kind(tb.tb_frame.f_code) == frames.OURS:
            file = tb.tb_frame.f_code.co_filename.partition(" ")[0]  # see patches.unseen
            place = f", {os.path.basename(file)}:{tb.tb_lineno}"
        tb = tb.tb_next
    said = str(error).partition("\n")[0]
    return StateError(
        f"{what} failed for a fault of gradrepl's own ({type(error).__name__}: {said}{place}) and"
        " is off from now on: the program continues as without it.",
        "Please report it with the output of 'gradrepl doctor'.",
    ).record()
