"""Code that is not seen as it reads: compiled, transformed by torch.func, packing what it saves.

The recorder steps aside while ``torch.compile`` runs a region: with our mode on the stack, dynamo
would compile our own bookkeeping into the user's graph, and the compiled code would be another than
without us. Each kind of region is told of once.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from copy import copy
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.boundary import Part
from gradrepl.engine.code import frames
from gradrepl.engine.code.patches import Once, Patch
from gradrepl.engine.code.torch_import import DYNAMO, EAGER, Watch
from gradrepl.model import Notice, Site

if TYPE_CHECKING:
    from gradrepl.engine.forward.calls import Call
    from gradrepl.engine.stopping.stepper import Stepper

LINES = 20
"""Lines at most of which it is told that what they run is compiled."""
DOOR = "_maybe_set_eval_frame"
"""The function through which dynamo begins and ends a compiled region."""
_TORCHS = ("torch.utils.checkpoint", "torch._functorch", "torch._dynamo")
"""Modules whose hooks keep nothing that could be overwritten: they work it out again."""
PACKED = (
    "saved_tensors_hooks pack what is saved for the backward: torch does not check there"
    " whether a saved tensor is overwritten in place. Hooks that keep the tensor and not a"
    " copy then give a wrong gradient with no error."
)

TRACED = (
    "torch.jit.trace records this code: its ops are not shown, as what we ask of a tensor would"
    " be in the graph that it makes."
)


class Regions:
    """Looks, as an op begins, at what it begins in; stands at dynamo's door meanwhile."""

    def __init__(
        self,
        stepper: Stepper,
        part: Part,
        step_aside: Callable[[], bool],
        step_back: Callable[[], None],
    ) -> None:
        self._stepper, self._part = stepper, part
        self._step_aside, self._step_back = step_aside, step_back
        self._watch = Watch(self._stand, DYNAMO)
        self._door: Patch | None = None
        self._compiled: set[Site | None] = set()
        self._said: set[tuple[str, str]] = set()
        self.passed = 0
        """Compiled regions that have run while we stood here, those inside others not counted."""

    def install(self) -> None:
        """Stand at the door, now or as soon as dynamo is imported."""
        if DYNAMO in sys.modules:
            self._stand()
        else:
            self._watch.install()

    def remove(self) -> None:
        """Leave the door as it was."""
        self._watch.remove()
        if self._door is not None:
            self._door.remove()

    def _stand(self) -> None:
        if self._door is None and hasattr(sys.modules[DYNAMO], DOOR):
            self._door = Patch(sys.modules[DYNAMO], DOOR, self._pass, self._part)
        if self._door is not None:
            self._door.install()

    def _pass(self, kept: Once, callback: Any) -> Any:
        config = getattr(sys.modules[DYNAMO], "config", None)
        if callable(callback) and not getattr(config, "disable", False):
            if self._step_aside():
                self.passed += 1
                self._tell_compiled(frames.Walk(sys._getframe(1)).frame)
        elif not _inside_another(sys._getframe(2)):  # behind what stands in
            self._step_back()
        return kept(callback)

    def _tell_compiled(self, frame: FrameType | None) -> None:
        """Tell, once for a line, what cannot be seen there, and how it could be."""
        site = None if frame is None else frames.site(frame)
        if site in self._compiled or len(self._compiled) >= LINES or not self._stepper.sees():
            return
        self._compiled.add(site)
        session = self._stepper.session
        started = session.from_command_line and session.script
        switch = f'torch.compiler.set_stance("{EAGER}")'
        how = f"gradrepl --eager {os.path.basename(session.script)}" if started else switch
        self._tell(
            site,
            "torch.compile has compiled what runs here: no op of it is seen, and nothing stops in"
            f" it. '{how}' runs it op by op.",
        )

    def unseen_here(self) -> str:
        """Return what cannot be stepped from where this thread stops unasked, or ''."""
        here, stepped = threading.current_thread(), self._stepper.thread
        if torch_private.running_backward() != -1 and not self._stepper.passes:
            return (
                "this is inside a backward that nobody watched from its beginning: no node of it"
                " can be stopped at."
            )
        if here is not stepped:
            return (
                f"this is thread '{here.name}': 's' stops at the nodes of its backwards, but only"
                f" at the ops of '{stepped.name}'."
            )
        return ""

    def traced(self, frame: FrameType) -> bool:
        """Does torch.jit.trace make its graph here? What we ask of a tensor would be in it."""
        if torch_private.jit_trace() is None:
            return False
        self._once("jit", frames.site(frame), lambda: TRACED)
        return True

    def note(self, site: Site | None) -> None:
        """Say what is special where an op begins, once for a script."""
        if torch_private.innermost_transform() is not None:
            self._once("func", site, _transformed)
        hooks = torch_private.saved_hooks(True)
        if hooks is None or not torch.is_grad_enabled():
            return
        if not str(getattr(hooks[0], "__module__", "")).startswith(_TORCHS):
            self._once("packed", site, lambda: PACKED)

    def _once(self, what: str, site: Site | None, sentence: Callable[[], str]) -> None:
        key = what, self._stepper.session.script
        if key not in self._said:
            self._said.add(key)
            self._tell(site, sentence())

    def _tell(self, site: Site | None, sentence: str) -> None:
        place = "" if site is None else f"{site.place}: "
        self._stepper.session.tell(Notice(message=place + sentence))


def _transformed() -> str:
    names = [each.key().name.lower() for each in torch_private.transforms()]
    return (
        f"torch.func transforms this code ({', '.join(names)}): its ops and nodes are seen,"
        " with shapes as it sees them; the values stay inside and are not shown."
    )


def _inside_another(caller: FrameType) -> bool:
    """Is a compiled region still running around the one that ends in ``caller``?"""
    return any(
        frame.f_code.co_name == "compile_wrapper" and frame.f_globals.get("__name__") == DYNAMO
        for frame in frames.up(caller.f_back)
    )


class AtenRecorder(torch_private.TorchDispatchMode):  # type: ignore[misc]
    """Shows the aten ops that one builtin op is made of."""

    def __init__(self, recorder: Any, outer: Call) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder, self.outer = recorder, outer

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one aten op, recorded."""
        recorder, call, kwargs = self.recorder, None, kwargs or {}
        with recorder.part:
            if recorder.stepper.sees():
                call = copy(self.outer)
                call.id = recorder.last_id = recorder.last_id + 1
                call.name, call.depth = str(func), recorder.depth
                call.function, call.args, call.kwargs = func, args, kwargs
                call.begun, call.started, call.versions = time.perf_counter(), 0.0, None
                call.seq = call.seq_end = torch_private.sequence_number()
        if call is None:
            return func(*args, **kwargs)
        return recorder.run(call, lambda function, args, kwargs: function(*args, **kwargs), None)
