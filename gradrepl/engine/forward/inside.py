"""What ``into`` shows: the calls inside a Python function of torch's, the aten ops of a builtin."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol

from gradrepl.engine.forward.calls import Call
from gradrepl.engine.torch_private import TorchDispatchMode, sequence_number

if TYPE_CHECKING:
    from gradrepl.engine.stopping.stepper import Stepper


class Recorder(Protocol):
    """What runs an op, recorded."""

    stepper: Stepper
    last_id: int
    depth: int

    def run(self, call: Call, call_it: Callable[..., Any], what: Any) -> Any:
        """Run an op that has begun."""


def _call(function: Any, args: Any, kwargs: Any) -> Any:
    return function(*args, **kwargs)


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


class AtenRecorder(TorchDispatchMode):  # type: ignore[misc]
    """Shows the aten ops that one builtin op is made of."""

    def __init__(self, recorder: Recorder, outer: Call) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder = recorder
        self.outer = outer

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one aten op, recorded."""
        kwargs = kwargs or {}
        recorder = self.recorder
        if not recorder.stepper.sees():
            return func(*args, **kwargs)
        call = Call()
        for name in ("frame", "site", "module_frames", "module", "module_class", "mode"):
            setattr(call, name, getattr(self.outer, name))
        call.id = recorder.last_id = recorder.last_id + 1
        call.name = str(func)
        call.function, call.args, call.kwargs, call.result = func, args, kwargs, None
        call.depth = recorder.depth
        call.shape, call.dtype, call.bumped = None, "", ()
        call.started = call.duration = 0.0
        call.versions = None
        call.seq = call.seq_end = sequence_number()
        return recorder.run(call, _call, None)
