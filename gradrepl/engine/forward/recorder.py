"""The forward recorder: a function mode that sees every call of torch's Python API.

It lies at the bottom of the stack of modes, so that the user's own modes see what they would see
without it, and it is there only while something is armed. The call itself is made by a trampoline
that carries the caller's file, line and globals, so that a warning raised in C names the line
that it would name without us (and is shown as often).
"""

from __future__ import annotations

import sys
import time
import traceback
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from gradrepl.engine import torch_private
from gradrepl.engine.code import evaluate, frames
from gradrepl.engine.code.patches import Patch
from gradrepl.engine.explain.no_gradient import describe_op
from gradrepl.engine.forward import calls
from gradrepl.engine.forward.calls import DISPATCH, Call, behind, past_the_door, trampoline
from gradrepl.engine.forward.events import OpEvent
from gradrepl.engine.forward.flow import Cuts, Flow, ModulePaths
from gradrepl.engine.forward.regions import Regions
from gradrepl.engine.memory.remembered import Writes
from gradrepl.engine.tensor import facts
from gradrepl.engine.torch_private import (
    DeviceContext,
    TorchDispatchMode,
    running_backward,
    sequence_number,
)

if TYPE_CHECKING:
    from gradrepl.engine.stopping.stepper import Stepper

KEPT = 50_000
"""Ops kept for the list and for naming the nodes of a backward; the older half goes at twice."""


class Recorder(TorchFunctionMode):
    """Sees the ops of one thread, asks the session whether to stop, keeps what they were."""

    def __init__(self, stepper: Stepper) -> None:
        super().__init__()
        self.stepper = stepper
        self.ops: list[Call] = []
        self.last_id = 0
        self.opening = False
        """Open the next op: show the calls inside it."""
        self._regions = Regions(stepper, self._step_aside, self._step_back)
        self._asked = Patch(torch.overrides, "has_torch_function", self._has_torch_function)
        self._walked = Patch(traceback, "_walk_tb_with_full_positions", self._walk_without_us)

        def apply(*args: Any, **kwargs: Any) -> Any:
            try:
                return self._apply(*args, **kwargs)
            except BaseException:
                evaluate.leave_no_entry()
                raise

        self._applied = Patch(torch.autograd.Function, "apply", classmethod(apply))
        self._swapped = Patch(torch.utils, "swap_tensors", self._swap_tensors)
        self.flow = Flow()
        """What went into the last ops, and what came out."""
        self.cuts = Cuts()
        """Where tensors left the graph."""
        self.writes = Writes()
        """Which op wrote into which memory."""
        self._waiting: Any = None
        """The profile hook that waits for the op to return, the last time one was needed."""
        self._aside = False
        """Compiled code runs, and we have left the stack for that long."""
        self.depth = 0
        """How many ops that were opened we are inside of."""
        self._inside = 0
        """Calls that we are in the middle of: torch holds the mode back meanwhile."""
        self.paths = ModulePaths(stepper.session.names)
        """Which modules run the ops."""
        self.current: list[Call] = []
        """Ops that are running, outermost first."""

    # -- the stack of modes ------------------------------------------------------------------

    def on_stack(self) -> bool:
        """Is this mode on the current thread's stack right now?"""
        return any(torch_private.mode_at(i) is self for i in range(torch_private.modes()))

    def held_back(self) -> bool:
        """Are we inside of a call, during which torch keeps this mode off the stack?"""
        return self._inside > 0

    def _rebuild(self, keep: Callable[[list[Any]], list[Any]]) -> None:
        stack = [torch_private.pop_mode() for _ in range(torch_private.modes())][::-1]
        for mode in keep(stack):
            torch_private.push_mode(mode)

    def _with_us(self, stack: list[Any]) -> list[Any]:
        place = 1 if stack and isinstance(stack[0], DeviceContext) else 0
        return [*stack[:place], self, *stack[place:]]

    def _without_us(self, stack: list[Any]) -> list[Any]:
        return [mode for mode in stack if mode is not self]

    def install(self) -> None:
        """Go to the bottom of the stack; only a default device must be below."""
        if not self._inside and not self.on_stack():
            self._rebuild(self._with_us)
        for patch in self._patches():
            patch.install()

    def _patches(self) -> tuple[Regions | Patch, ...]:
        return self._regions, self._asked, self._walked, self._applied, self._swapped

    def remove(self) -> None:
        """Leave the stack; inside of an op of ours, as soon as that is possible."""
        for patch in self._patches():
            patch.remove()
        if self.stepper.running:  # nobody would be there to let go in ``swap_tensors``
            self._let_go()
        if self.on_stack():
            self._rebuild(self._without_us)
        if self._inside:
            self._remove_soon()

    def _remove_soon(self) -> None:
        """Leave the stack when the op that we are in has returned to its caller.

        While an op runs, torch holds the mode back and puts it on the stack again afterwards; the
        interpreter's profile hook is the first thing of ours that runs then.
        """
        before = sys.getprofile()
        if before is not None and before is self._waiting:
            return

        def when_back(frame: FrameType, event: str, argument: Any) -> None:
            if self.stepper.records:
                sys.setprofile(before)
            elif not self._inside and self.on_stack():
                sys.setprofile(before)
                self.remove()

        self._waiting = when_back
        sys.setprofile(when_back)

    def _step_aside(self) -> bool:
        """Leave the stack for a while: compiled code runs, which must not see us. Were we there?"""
        there = self.on_stack()
        if there:
            self._aside = True
            self._rebuild(self._without_us)
        return there

    def unseen_here(self) -> str:
        """Return what cannot be stepped from where this thread is, or ''."""
        return self._regions.unseen_here()

    def unseen_regions(self) -> int:
        """Return how many compiled regions have run past us."""
        return self._regions.passed

    def _step_back(self) -> None:
        """Come back to the stack after compiled code."""
        aside, self._aside = self._aside, False
        if aside and self.stepper.records and not self.on_stack():
            self._rebuild(self._with_us)

    def _has_torch_function(self, arguments: Any) -> bool:
        """Answer as without us: modules take their fast path only if nothing overrides torch."""
        alone = torch_private.modes() == 1 and self.on_stack()
        if not alone:
            return bool(self._asked.kept(arguments))
        torch_private.pop_mode()
        try:
            return bool(self._asked.kept(arguments))
        finally:
            torch_private.push_mode(self)

    def _walk_without_us(self, tb: TracebackType | None) -> Any:
        """Walk a traceback for whoever prints it as if the recorder had not been called."""
        return self._walked.kept(evaluate.chained(evaluate.without_ours(tb)))

    def _swap_tensors(self, t1: Any, t2: Any) -> Any:
        """Swap as without us: torch refuses tensors that somebody refers to weakly."""
        self._let_go()
        return self._swapped.kept(t1, t2)

    def _let_go(self) -> None:
        """Refer to no tensor of the user's, not even weakly."""
        self.flow.clear()
        self.cuts.clear()
        self.writes.let_go()
        self.stepper.leaf_names.clear()

    @contextmanager
    def within(self) -> Iterator[None]:
        """Be on the stack inside of an op of ours, where torch holds the mode back."""
        if self.on_stack():
            yield
            return
        if torch_private.modes():
            self._rebuild(self._with_us)
        else:
            torch_private.push_mode(self)
        inside, self._inside = self._inside, 0
        try:
            yield
        finally:
            self._inside = inside
            if self.on_stack():
                self._rebuild(self._without_us)
            if inside and not self.stepper.records:
                self._remove_soon()

    # -- one op ------------------------------------------------------------------------------

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one call of torch's API, recorded."""
        what = calls.kind(func)
        if what.foreign:
            func = calls.original(func, sys._getframe(1))
            what = calls.kind(func)
        self._inside += 1
        try:
            kwargs = kwargs or {}
            if what.silent or (what.of_leaf and _plain_leaf(args[0])):
                return func(*args, **kwargs)
            caller = sys._getframe(1)
            if caller.f_code is DISPATCH:
                caller = behind(caller)
            call_it = trampoline(caller)
            optimizer = frames.kind(caller.f_code) == frames.OPTIMIZER and not what.python
            if optimizer or not what.is_op or not self.stepper.records_here():
                result = call_it(func, args, kwargs)
            else:
                result = self._recorded(what, func, args, kwargs, caller, call_it)
        except BaseException:
            evaluate.leave_no_entry()
            raise
        finally:
            self._inside -= 1
        if self.stepper.interrupted:
            self.stepper.deliver_interrupt()
        return result

    def _recorded(
        self, what: calls.Kind, func: Any, args: Any, kwargs: Any, caller: FrameType, call_it: Any
    ) -> Any:
        walk = frames.Walk(caller)
        if walk.optimizer or walk.frame is None or self._regions.traced(walk.frame):
            return call_it(func, args, kwargs)
        return self.run(self._begin(what, func, args, kwargs, walk), call_it, what)

    def _begin(self, what: calls.Kind, func: Any, args: Any, kwargs: Any, walk: Any) -> Call:
        call = Call()
        call.id = self.last_id = self.last_id + 1
        call.name = what.name
        call.function, call.args, call.kwargs, call.result = func, args, kwargs, None
        call.frame = walk.frame
        call.site = frames.site(walk.frame)
        self._regions.note(call.site)
        call.module_frames = walk.module_frames
        call.module, call.module_class = self.paths.of(walk, call.id)
        call.depth = self.depth
        call.shape, call.dtype, call.bumped = None, "", ()
        call.started = call.duration = 0.0
        call.versions = None
        call.mode = self._mode(walk.checkpoint)
        if what.changes or "out" in kwargs:
            with torch_private.DisableTorchFunction():
                call.note_versions()
        call.seq = call.seq_end = sequence_number()
        return call

    def run(self, call: Call, call_it: Callable[..., Any], what: calls.Kind | None) -> Any:
        """Run an op that has begun, ask before and after it, and keep what it was."""
        stepper = self.stepper
        self.current.append(call)
        try:
            if stepper.asks_before_ops:
                stepper.event(OpEvent(stepper, stepper.armed.anchor, call, "before"))
            opened, self.opening = self.opening, False
            call.started = started = time.perf_counter()
            if opened and what is not None:
                call.result = self._open(call, call_it, what)
            else:
                call.result = call_it(call.function, call.args, call.kwargs)
            call.duration = time.perf_counter() - started
            call.seq_end = sequence_number()
            with torch_private.DisableTorchFunction():
                call.note_bumps()
                self._keep(call)
                for note in stepper.note_op:
                    note(call)
            if stepper.asks_after_ops:
                stepper.event(OpEvent(stepper, stepper.armed.anchor, call, "after"))
            return call.result
        finally:
            self.current.pop()
            call.settle()

    def _apply(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Run ``MyFunction.apply``, which asks no mode, as an op of the Function's name."""
        apply = self._applied.kept.__get__(None, function)
        caller = sys._getframe(2)
        if not self.on_stack() or not self.stepper.records_here():
            return apply(*args, **kwargs)
        walk = frames.Walk(caller)
        if walk.frame is None:
            return apply(*args, **kwargs)
        call = self._begin(calls.Kind(function), apply, args, kwargs, walk)
        return self.run(call, trampoline(caller), None)

    def _open(self, call: Call, call_it: Callable[..., Any], what: calls.Kind) -> Any:
        """Run an op with the calls inside it shown: of the API if it is Python, else of aten."""
        self.depth += 1
        try:
            if what.python:
                body = past_the_door(call.function)
                with self.within():
                    return call_it(body, call.args, call.kwargs)
            with AtenRecorder(self, call):
                return call_it(call.function, call.args, call.kwargs)
        finally:
            self.depth -= 1

    def _mode(self, checkpoint: bool) -> str:
        words = []
        if torch.is_inference_mode_enabled():
            words.append("inference_mode")
        elif not torch.is_grad_enabled():
            words.append("no_grad")
        if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
            words.append("autocast")
        if checkpoint and running_backward() != -1:
            words.append("recomputation")
        return ", ".join(words)

    # -- what was recorded -------------------------------------------------------------------

    def _keep(self, call: Call) -> None:
        output = call.note_result()
        self.flow.note(call)
        if call.bumped:
            self.writes.note(call, self.cuts)
        if output is not None and not output.requires_grad:
            self.cuts.note(output, call.inputs(), describe_op(call))
        self.ops.append(call)
        if len(self.ops) > 2 * KEPT:
            del self.ops[:KEPT]

    def op_of(self, seq: int) -> Call | None:
        """Return the op during which the node with this sequence number was made, if recorded.

        Ops are kept in the order in which they ended, so that of several nested ones the
        innermost is found.
        """
        place = bisect_right(self.ops, seq, key=lambda call: call.seq_end)
        near = self.ops[place : place + 4]
        return next((call for call in near if call.seq <= seq < call.seq_end), None)


class AtenRecorder(TorchDispatchMode):  # type: ignore[misc]
    """Shows the aten ops that one builtin op is made of."""

    def __init__(self, recorder: Recorder, outer: Call) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder, self.outer = recorder, outer

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one aten op, recorded."""
        recorder, kwargs = self.recorder, kwargs or {}
        if not recorder.stepper.sees():
            return func(*args, **kwargs)
        call = copy(self.outer)
        call.id = recorder.last_id = recorder.last_id + 1
        call.name = str(func)
        call.function, call.args, call.kwargs = func, args, kwargs
        call.depth = recorder.depth
        call.started, call.versions = 0.0, None
        call.seq = call.seq_end = sequence_number()
        return recorder.run(call, lambda function, args, kwargs: function(*args, **kwargs), None)


_PLAIN = (torch.Tensor, torch.nn.Parameter)


def _plain_leaf(tensor: Any) -> bool:
    return type(tensor) in _PLAIN and facts.is_leaf(tensor)
