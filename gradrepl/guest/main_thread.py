"""Run something in the main thread between two bytecodes, without a signal or a handler."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

_waiting: list[Any] = []
"""Callbacks that the interpreter has not called yet: they must stay alive."""


def call_soon(function: Callable[[], None]) -> bool:
    """Have the interpreter call ``function`` in the main thread; False if it takes no more.

    ``function`` must neither raise nor wait.
    """

    def once(_: Any) -> int:
        _waiting.remove(callback)
        function()
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(once)
    _waiting.append(callback)
    taken: bool = ctypes.pythonapi.Py_AddPendingCall(callback, None) == 0
    if not taken:
        _waiting.remove(callback)
    return taken
