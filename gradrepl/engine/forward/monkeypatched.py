"""Functions of torch's that the user's program has put its own in the place of.

Torch asks a mode with what stands under the public name *now*. That is the user's wrapper, though
it is the original that runs already, called by that wrapper: to call it again would wrap twice.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CellType, CodeType, FrameType, FunctionType
from typing import Any

from gradrepl.engine import torch_private
from gradrepl.engine.code import frames

_rebuilt: dict[CodeType, Callable[..., Any]] = {}


def foreign(function: Any) -> bool:
    """Is this no function of torch's?"""
    if isinstance(function, FunctionType):
        return frames.kind(function.__code__) in (frames.USER, frames.LIBRARY)
    return type(function).__module__.partition(".")[0] not in ("builtins", "torch")


def original(function: Any, caller: FrameType) -> Any:
    """Return what runs under the name of a foreign ``function``, asked for by ``caller``."""
    if frames.kind(caller.f_code) != frames.DISPATCH:
        return _in_c(function) or function
    asks = caller.f_back
    if asks is None or frames.kind(asks.f_code) != frames.TORCH:
        return function  # a function of the user's own that takes part in torch's protocol
    return _in_python(asks)


def _in_c(function: Any) -> Any:
    for public, behind, name in torch_private.in_c:
        for key, value in vars(public).items():
            if value is function:
                return getattr(behind, name.format(key), None)
    return None


def _in_python(frame: FrameType) -> Callable[..., Any]:
    """Return the function that a frame of torch's runs."""
    code = frame.f_code
    found = _rebuilt.get(code)
    if found is None:
        cells = tuple(CellType(frame.f_locals[name]) for name in code.co_freevars)
        found = _rebuilt[code] = FunctionType(code, frame.f_globals, code.co_name, None, cells)
    return found
