"""Compiled regions are opaque: the recorder steps aside while ``torch.compile`` runs one.

With our mode on the stack, dynamo would compile our own bookkeeping into the user's graph, and
the compiled code would be another than without us.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from gradrepl.engine import frames
from gradrepl.engine.arrival import Watch

if TYPE_CHECKING:
    from gradrepl.engine.forward import Recorder

MODULE = "torch._dynamo.eval_frame"
DOOR = "_maybe_set_eval_frame"
"""The function through which dynamo begins and ends a compiled region."""


class Opaque:
    """Stands at dynamo's door while the recorder is in place."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._original: Callable[[Any], Any] | None = None
        self._watch = Watch(self._stand, MODULE)

    def install(self) -> None:
        """Stand at the door, now or as soon as dynamo is imported."""
        if MODULE in sys.modules:
            self._stand()
        else:
            self._watch.install()

    def remove(self) -> None:
        """Leave the door as it was."""
        self._watch.remove()
        if self._original is not None:
            setattr(sys.modules[MODULE], DOOR, self._original)
            self._original = None

    def _stand(self) -> None:
        module: Any = sys.modules[MODULE]
        if self._original is None and hasattr(module, DOOR):
            self._original = getattr(module, DOOR)
            setattr(module, DOOR, self._pass)

    def _pass(self, callback: Any) -> Any:
        original = self._original or getattr(sys.modules[MODULE], DOOR)
        if callable(callback):
            self._recorder.step_aside()
        elif not _inside_another(sys._getframe(1)):
            self._recorder.step_back()
        return original(callback)


def _inside_another(caller: FrameType) -> bool:
    """Is a compiled region still running around the one that ends in ``caller``?"""
    return any(
        frame.f_code.co_name == "compile_wrapper" and frame.f_globals.get("__name__") == MODULE
        for frame in frames.up(caller.f_back)
    )
