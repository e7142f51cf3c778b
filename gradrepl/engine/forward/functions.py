"""Which function runs for the one that torch names to a mode.

Torch asks a mode with what stands under the public name *now*. Where the user's program has
monkeypatched it, that is the user's wrapper, though it is the original that runs already, called by
that wrapper: to call it again would wrap twice. A function that is opened runs as a copy that does
not ask who overrides it, and each is called by a trampoline with the caller's file and line.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CellType, CodeType, FrameType, FunctionType
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.code import frames

DISPATCH = torch.overrides.handle_torch_function.__code__
_rebuilt: dict[CodeType, Callable[..., Any]] = {}
_trampolines: dict[tuple[int, int], tuple[Callable[..., Any], CodeType]] = {}


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
    function = _rebuilt.get(code)
    if function is None:
        cells = tuple(CellType(frame.f_locals[name]) for name in code.co_freevars)
        function = FunctionType(code, frame.f_globals, code.co_name, None, cells)
        _rebuilt[code] = function
    return function


def past_the_door(function: Any) -> Any:
    """Return a Python function of torch's without its first question: does anybody override me?

    Asked with our mode in place, it would hand the call back to us for ever.
    """
    space = function.__globals__
    space.setdefault("__warningregistry__", {})  # shared: a warning is given as often as before
    doors = {name: _nobody for name in space if name.startswith("has_torch_function")}
    copy = FunctionType(
        function.__code__,
        {**space, **doors},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _nobody(*arguments: Any) -> bool:
    return False


def _call(function: Any, args: Any, kwargs: Any) -> Any:
    return function(*args, **kwargs)


def trampoline(caller: FrameType) -> Callable[..., Any]:
    """Return a function that calls another, and looks to C's warnings like ``caller`` does."""
    code = caller.f_code
    key = (id(code), caller.f_lasti)
    known = _trampolines.get(key)
    if known is None or known[0].__globals__ is not caller.f_globals:
        line = caller.f_lineno or code.co_firstlineno
        looks = _call.__code__.replace(
            co_filename=code.co_filename,
            co_name=code.co_name,
            co_firstlineno=max(1, line - 1),  # the call stands one line below the def
        )
        frames.mark_ours(looks)
        known = _trampolines[key] = (FunctionType(looks, caller.f_globals), code)
    return known[0]


def behind(dispatch: FrameType) -> FrameType:
    """Return who called the function of torch's, written in Python, that asks a mode."""
    return dispatch.f_back.f_back or dispatch  # type: ignore[union-attr]
