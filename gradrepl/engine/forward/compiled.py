"""Compiled regions are opaque: the recorder steps aside while ``torch.compile`` runs one.

With our mode on the stack, dynamo would compile our own bookkeeping into the user's graph, and
the compiled code would be another than without us.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from gradrepl.engine.code import frames
from gradrepl.engine.code.torch_import import Watch
from gradrepl.model import Notice, Site

if TYPE_CHECKING:
    from gradrepl.engine.stopping.stepper import Stepper

EAGER = "force_eager"
"""Torch's own word for 'compile nothing'. Its two environment variables are no such switch: with
``TORCH_COMPILE_DISABLE`` ``fullgraph=True`` raises, with ``TORCHDYNAMO_DISABLE`` no
``OptimizedModule`` is made, and the names in a ``state_dict`` are others."""
LINES = 20
"""Lines of which that is told at most."""
SWITCH = f'torch.compiler.set_stance("{EAGER}")'
MODULE = "torch._dynamo.eval_frame"
DOOR = "_maybe_set_eval_frame"
"""The function through which dynamo begins and ends a compiled region."""


def force_eager() -> None:
    """Have whatever torch.compile compiles run op by op: now, or as soon as dynamo is imported."""
    if MODULE in sys.modules:
        _set_stance()
    else:
        Watch(_set_stance, MODULE).install()


def _set_stance() -> None:
    dynamo: Any = sys.modules[MODULE]
    dynamo._set_stance(dynamo.DynamoStance(EAGER))  # what torch.compiler.set_stance() does


class Opaque:
    """Stands at dynamo's door while the recorder is in place."""

    def __init__(
        self, stepper: Stepper, step_aside: Callable[[], bool], step_back: Callable[[], None]
    ) -> None:
        self._stepper, self._step_aside, self._step_back = stepper, step_aside, step_back
        self._original: Callable[[Any], Any] | None = None
        self._watch = Watch(self._stand, MODULE)
        self._said: set[Site | None] = set()
        self.passed = 0
        """Compiled regions that have run while we stood here, those inside others not counted."""

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
        config = getattr(sys.modules[MODULE], "config", None)
        if callable(callback) and not getattr(config, "disable", False):
            if self._step_aside():
                self.passed += 1
                self._say(sys._getframe(1))
        elif not _inside_another(sys._getframe(1)):
            self._step_back()
        return original(callback)

    def _say(self, caller: FrameType) -> None:
        """Tell, once for a line, what cannot be seen there, and how it could be."""
        stepper = self._stepper
        frame = frames.Walk(caller).frame
        site = None if frame is None else frames.site(frame)
        if site in self._said or len(self._said) >= LINES or not stepper.sees():
            return
        self._said.add(site)
        place = "" if site is None else f"{os.path.basename(site.file)}:{site.line}: "
        session = stepper.session
        started = session.from_command_line and session.script
        how = f"gradrepl --eager {os.path.basename(session.script)}" if started else SWITCH
        session.tell(
            Notice(
                message=f"{place}torch.compile has compiled what runs here: no op of it is seen,"
                f" and nothing stops in it. '{how}' runs it op by op."
            )
        )


def _inside_another(caller: FrameType) -> bool:
    """Is a compiled region still running around the one that ends in ``caller``?"""
    return any(
        frame.f_code.co_name == "compile_wrapper" and frame.f_globals.get("__name__") == MODULE
        for frame in frames.up(caller.f_back)
    )
