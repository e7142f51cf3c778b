"""The forward recorder: a function mode that sees every call of torch's Python API.

It lies at the bottom of the stack of modes, so that the user's own modes see what they would see
without it, and it is there only while something is armed. The call itself is made by a trampoline
that carries the caller's file, line and globals, so that a warning raised in C names the line
that it would name without us (and is shown as often).
"""

from __future__ import annotations

import ctypes
import functools
import sys
import time
import traceback
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from gradrepl.engine import torch_private
from gradrepl.engine.boundary import Part
from gradrepl.engine.code import evaluate, frames
from gradrepl.engine.code.patches import PROFILE, Once, Patch
from gradrepl.engine.explain.no_gradient import describe_op
from gradrepl.engine.forward import calls
from gradrepl.engine.forward.calls import DISPATCH, Call, behind, past_the_door, trampoline
from gradrepl.engine.forward.events import OpEvent
from gradrepl.engine.forward.flow import Cuts, Flow, ModulePaths
from gradrepl.engine.forward.regions import AtenRecorder, Regions
from gradrepl.engine.memory.remembered import Writes
from gradrepl.engine.tensor import facts
from gradrepl.engine.torch_private import DeviceContext, sequence_number

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
        self.part = part = Part("recording ops", self._off)
        self._regions = Regions(stepper, part, self._step_aside, self._step_back)
        asked = Patch(torch.overrides, "has_torch_function", self._has_torch_function, part)
        walk = traceback, "_walk_tb_with_full_positions", evaluate.traceback_without_ours
        walked = Patch(*walk, part)
        stack = Patch(traceback, "walk_stack", evaluate.stack_without_ours, part)

        @functools.wraps(torch.autograd.Function.apply)
        def apply(*args: Any, **kwargs: Any) -> Any:
            try:
                return self._apply(*args, **kwargs)
            except BaseException:
                evaluate.leave_no_entry()
                raise

        self._applied = Patch(torch.autograd.Function, "apply", classmethod(apply))
        swapped = Patch(torch.utils, "swap_tensors", self._swap_tensors, part)
        self._patches = self._regions, asked, walked, stack, self._applied, swapped
        self.flow = Flow()
        """What went into the last ops, and what came out."""
        self.cuts = Cuts()
        """Where tensors left the graph."""
        self.writes = Writes()
        """Which op wrote into which memory."""
        self._waiting, self._when_back = False, PROFILE(self._back)
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
        if not self.part.works:
            return
        if not self._inside and not self.on_stack():
            self._rebuild(self._with_us)
        for patch in self._patches:
            patch.install()

    def remove(self) -> None:
        """Leave the stack; inside of an op of ours, as soon as that is possible."""
        for patch in self._patches:
            patch.remove()
        if self.stepper.running:  # nobody would be there to let go in ``swap_tensors``
            self._let_go()
        if self.on_stack():
            self._rebuild(self._without_us)
        if self._inside:
            self._remove_soon()

    def _off(self) -> None:
        """Record no more: we have failed."""
        self.stepper.rearm()
        self.remove()

    def _remove_soon(self) -> None:
        """Leave the stack when the op that we are in has returned to its caller.

        While an op runs, torch holds the mode back and puts it on the stack again afterwards; a
        profile hook in C is the first of ours that runs then (one in Python has all variables kept
        in dictionaries). Where the program has a hook of its own we stay, and record nothing.
        """
        if not self._waiting and sys.getprofile() is None:
            self._waiting = True
            ctypes.pythonapi.PyEval_SetProfile(self._when_back, None)

    def _back(self, *event: Any) -> int:
        with self.part:
            if self.stepper.records or (not self._inside and self.on_stack()):
                self._waiting = False
                sys.setprofile(None)
                if not self.stepper.records:
                    self.remove()
        return 0

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

    def _has_torch_function(self, kept: Once, arguments: Any) -> bool:
        """Answer as without us: modules take their fast path only if nothing overrides torch."""
        alone = torch_private.modes() == 1 and self.on_stack()
        if not alone:
            return bool(kept(arguments))
        torch_private.pop_mode()
        try:
            return bool(kept(arguments))
        finally:
            torch_private.push_mode(self)

    def _swap_tensors(self, kept: Once, t1: Any, t2: Any) -> Any:
        """Swap as without us: torch refuses tensors that somebody refers to weakly."""
        self._let_go()
        return kept(t1, t2)

    def _let_go(self) -> None:
        """Refer to no tensor of the user's, not even weakly."""
        self.flow.clear()
        self.cuts.clear()
        self.writes.let_go()
        self.stepper.leaf_names.clear()
        for each in self.stepper.observers:
            each.let_go()

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
        call = call_it = what = None
        kwargs = kwargs or {}
        self._inside += 1
        try:
            try:
                what = calls.kind(func)
                if what.foreign or not what.silent:
                    caller = sys._getframe(1)
                    func, what, call_it, call = self._met(what, func, args, kwargs, caller)
            except Exception as error:
                if not self.part.failed(error):
                    raise
            if call_it is None:
                return func(*args, **kwargs)
            result = self.run(call, call_it, what) if call else call_it(func, args, kwargs)
        except BaseException:
            evaluate.leave_no_entry()
            raise
        finally:
            self._inside -= 1
        self.stepper.deliver_interrupt()
        return result

    def _met(
        self, what: calls.Kind, func: Any, args: Any, kwargs: Any, caller: FrameType
    ) -> tuple[Any, calls.Kind, Any, Call | None]:
        """Return what runs, what that is, what calls it, and the op to record, if it is one."""
        if what.foreign:
            func = calls.original(func, caller)
            what = calls.kind(func)
        if what.silent or (what.of_leaf and _plain_leaf(args[0])):
            return func, what, None, None
        if caller.f_code is DISPATCH:
            caller = behind(caller)
        call_it = trampoline(caller)
        if frames.kind(caller.f_code) == frames.OPTIMIZER and not what.python:
            return func, what, call_it, None
        if not what.is_op or not self.part.works or not self.stepper.records_here():
            return func, what, call_it, None
        return func, what, call_it, self._begin(what, func, args, kwargs, caller)

    def _begin(
        self, what: calls.Kind, func: Any, args: Any, kwargs: Any, caller: FrameType
    ) -> Call | None:
        """Return an op that is about to run; None where it is not to be recorded."""
        walk = frames.Walk(caller)
        if walk.optimizer or walk.frame is None or self._regions.traced(walk.frame):
            return None
        call = Call()
        call.begun = time.perf_counter()
        call.id = self.last_id = self.last_id + 1
        if not call.id % 1024:
            self.stepper.tell_cost()
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
        call.mode = calls.modes_of(walk.checkpoint)
        if what.changes or "out" in kwargs:
            with torch_private.DisableTorchFunction():
                call.note_versions()
        call.seq = call.seq_end = sequence_number()
        return call

    def run(self, call: Call, call_it: Callable[..., Any], what: calls.Kind | None) -> Any:
        """Run an op that has begun, ask before and after it, and keep what it was."""
        stepper, opened = self.stepper, False
        self.current.append(call)
        try:
            try:
                if stepper.asks_before_ops:
                    stepper.event(OpEvent(stepper, stepper.armed.anchor, call, "before"))
                opened, self.opening = self.opening, False
            except Exception as error:
                if not self.part.failed(error):
                    raise
            call.started = started = time.perf_counter()
            if opened and what is not None:
                call.result = self._open(call, call_it, what)
            else:
                call.result = call_it(call.function, call.args, call.kwargs)
            call.duration = time.perf_counter() - started
            try:
                self._ran(call)
            except Exception as error:
                if not self.part.failed(error):
                    raise
            return call.result
        finally:
            self.current.pop()
            call.settle()
            if not call.id % 8:
                self.stepper.costs.around(call.begun, call.duration, 8)

    def _ran(self, call: Call) -> None:
        """Keep what an op was, and ask whether to stop after it."""
        if not self.part.works:
            return
        stepper = self.stepper
        call.seq_end = sequence_number()
        with torch_private.DisableTorchFunction():
            call.note_bumps()
            self._keep(call)
            for note in stepper.note_op:
                note(call)
        if stepper.asks_after_ops:
            stepper.event(OpEvent(stepper, stepper.armed.anchor, call, "after"))

    def _apply(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Run ``MyFunction.apply``, which asks no mode, as an op of the Function's name."""
        apply = self._applied.kept.__get__(None, function)
        call, caller = None, sys._getframe(2)
        try:
            if self.on_stack() and self.stepper.records_here():
                call_it = trampoline(caller)
                call = self._begin(calls.Kind(function), apply, args, kwargs, caller)
        except Exception as error:
            if not self.part.failed(error):
                raise
        return apply(*args, **kwargs) if call is None else self.run(call, call_it, None)

    def _open(self, call: Call, call_it: Callable[..., Any], what: calls.Kind) -> Any:
        """Run an op with the calls inside it shown: of the API if it is Python, else of aten."""
        self.depth += 1
        body: Any = call.function
        seen: AbstractContextManager[Any] = nullcontext()
        try:
            with self.part:
                seen = self.within() if what.python else AtenRecorder(self, call)
                body = past_the_door(body) if what.python else body
            with seen:
                return call_it(body, call.args, call.kwargs)
        finally:
            self.depth -= 1

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


_PLAIN = (torch.Tensor, torch.nn.Parameter)


def _plain_leaf(tensor: Any) -> bool:
    return type(tensor) in _PLAIN and facts.is_leaf(tensor)
