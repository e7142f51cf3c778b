"""The ledger of a run: what each op took and made, each backward, each optimizer's step, in order.

A value is a tensor as one op made it: a write makes another. Values hold no tensor, only weak
references, so that the program's memory is its own. What is older than the last steps is let go.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from gradrepl.engine import torch_private
from gradrepl.engine.code import frames
from gradrepl.engine.explain import source
from gradrepl.engine.forward.calls import Call, tensors_in
from gradrepl.engine.forward.flow import wrote
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.observers import BackwardCall, Depth, Look
from gradrepl.engine.tensor import facts, figures
from gradrepl.model import Site

if TYPE_CHECKING:
    from gradrepl.engine.stopping.gate import Place

OPS = 100_000
"""Ops that are kept."""
STEPS = 3
"""Steps of which the ops are kept."""
CALLERS = 8
"""User frames of an op that are kept."""
CHECKPOINT = "CheckpointFunction"
"""torch's own Function, around the user's own ops."""
INPUTS = 256
"""Tensors that an op takes of which it is kept where they come from."""


class Value:
    """One tensor as one op made it, or as it was when an op first took it."""

    __slots__ = ("bad", "dtype", "leaf", "maker", "ref", "requires_grad", "shape", "storage")

    def __init__(self, tensor: torch.Tensor, maker: Op | None) -> None:
        self.ref = weakref.ref(tensor)
        self.maker = maker
        self.requires_grad = tensor.requires_grad
        self.leaf = facts.is_leaf(tensor)
        self.shape = facts.shape(tensor)
        self.dtype = tensor.dtype
        self.storage = _storage(tensor)
        self.bad = ""
        """'nan' or 'inf' where some of its elements are."""


class Op:
    """One op: what it took, what it made, and where."""

    __slots__ = (
        "inputs",
        "mode",
        "module",
        "name",
        "number",
        "outputs",
        "seq",
        "sites",
        "step",
        "switch",
        "wrote",
    )

    def __init__(self, call: Call, sites: tuple[Site, ...], step: int) -> None:
        self.number, self.step = call.id, step
        self.switch: Site | None = None
        """Where gradients were switched off, if that is still on."""
        self.name = call.name
        self.sites = sites
        """Where it was called, and who called that: user frames, innermost first."""
        self.module = call.module
        self.mode = call.mode
        self.seq = range(call.seq, call.seq_end)
        """The numbers of the nodes that it made."""
        self.inputs: tuple[Value, ...] = ()
        self.outputs: tuple[Value, ...] = ()
        self.wrote = False
        """Did it write to one of its inputs?"""

    @property
    def site(self) -> Site | None:
        """The innermost line of the user's."""
        return self.sites[0] if self.sites else None

    @property
    def memory(self) -> set[int]:
        """The storages of what it took and made."""
        return {each.storage for each in (*self.inputs, *self.outputs) if each.storage}

    @property
    def connects(self) -> bool:
        """Has it made something that a gradient goes through?"""
        return any(each.requires_grad and not each.leaf for each in self.outputs)

    @property
    def cuts(self) -> bool:
        """Does a gradient end here, that what it took would have?"""
        return not self.connects and any(each.requires_grad for each in self.inputs)

    @property
    def off(self) -> bool:
        """Did it run where nothing is recorded for a backward?"""
        return "no_grad" in self.mode or "inference" in self.mode


class Ran:
    """One backward, once it is over."""

    def __init__(self, call: BackwardCall, roots: list[Value], step: int) -> None:
        self.roots = roots
        self.step = step
        self.frame = call.caller
        """The frame that called it, until it is over."""
        self.sites = callers(call.caller)
        self.keeps, self.grows = call.keeps, call.grows
        self.accumulates = call.accumulates
        self.failed = False
        """Did it raise?"""
        self.seqs: set[int] = set()
        """The numbers of the nodes that ran."""
        self.last = -1
        """The number of the last of them."""


class Rule:
    """Judges one kind of fault: it is told what happens, in order, as far as it has a method."""

    def op(self, op: Op, call: Call) -> None:
        """An op has run; ``call`` still has its arguments and its result."""

    def begins(self, ran: Ran, call: BackwardCall) -> None:
        """A backward is about to run."""

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """A backward is over: ``seen`` has the nodes that ran."""

    def before_step(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        """An optimizer is about to step."""

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """An optimizer has stepped."""

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """The program has ended, maybe with an error: ``place`` is where that was raised."""


class Ledger:
    """Keeps the ledger, and tells ``judge`` what happens."""

    def __init__(self, judge: Rule, running: Callable[[], list[Call]]) -> None:
        """``running``: the ops that are in the middle of running, outermost first."""
        self.judge = judge
        self.running = running
        self.ops: deque[Op] = deque(maxlen=OPS)
        self.step = 1
        """The number of the step that runs, from 1."""
        self.backwards: list[Ran] = []
        """Those of the last steps."""
        self.switches: list[tuple[int, Site | None]] = []
        """What has switched gradients off and is on still: its identity, and the line."""
        self.steps: deque[tuple[Site, ...]] = deque(maxlen=STEPS)
        """Where optimizers were called to step last."""
        self._began: deque[int] = deque([0], maxlen=STEPS)
        """The number of the first op of each of the last steps."""
        self._values: dict[int, Value] = {}
        """By identity of a tensor: its newest value."""
        self._stored: dict[int, tuple[Any, Value, bool]] = {}
        """By storage: the value that was made in it last, and whether it was written there."""

    # -- ops -----------------------------------------------------------------------------------

    def op(self, call: Call) -> None:
        """Put down an op that has run; what an op of the user's own is made of is one with it."""
        if any(each.name != CHECKPOINT for each in self.running()[:-1]):
            return
        op = Op(call, callers(call.frame), self.step)
        op.switch = self.switches[-1][1] if self.switches else None
        taken = call.inputs()[:INPUTS]
        op.inputs = tuple(dict.fromkeys(value for each in taken for value in self._current(each)))
        written = [each for place, each in enumerate(taken) if wrote(call, place)]
        made = list({id(each): each for each in (*tensors_in(call.result), *written)}.values())
        op.wrote = bool(written)
        op.outputs = tuple(self._make(each, op) for each in made)
        self.ops.append(op)
        self.judge.op(op, call)

    def _current(self, tensor: torch.Tensor) -> Iterator[Value]:
        """Yield the value of a tensor, and what was written to its memory through another."""
        known = self._values.get(id(tensor))
        _, stored, written = self._stored.get(_storage(tensor), (None, None, False))
        if known is None or known.ref() is not tensor:
            maker = stored.maker if stored is not None else None  # another object with its bytes
            known = self._values[id(tensor)] = Value(tensor, maker)
        yield known
        if stored is not None and written and stored is not known:
            yield stored

    def _make(self, tensor: torch.Tensor, op: Op) -> Value:
        value = self._values[id(tensor)] = Value(tensor, op)
        key = value.storage
        if key and (op.wrote or not self._stored.get(key, (None, None, False))[2]):
            held = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
            self._stored[key] = held, value, op.wrote
        return value

    def value(self, tensor: torch.Tensor) -> Value:
        """Return the newest value of a tensor."""
        *_, newest = self._current(tensor)
        return newest

    def alive(self) -> Iterator[Value]:
        """Yield the newest values of the tensors that live."""
        return (value for value in self._values.values() if value.ref() is not None)

    def op_of(self, seq: int) -> Op | None:
        """Return the op that made the node with this number."""
        return next((op for op in reversed(self.ops) if seq in op.seq), None)

    def earlier(self, seq: int) -> Ran | None:
        """Return the backward before the last one that ran the node with this number."""
        return next((ran for ran in reversed(self.backwards[:-1]) if seq in ran.seqs), None)

    def let_go(self) -> None:
        """Refer to no tensor, not even weakly."""
        self._values.clear()
        self._stored.clear()

    # -- backwards -----------------------------------------------------------------------------

    def begins(self, call: BackwardCall) -> Look | None:
        """Put down a backward, but none inside of another."""
        if torch_private.running_backward() != -1:
            return None
        roots = [self.value(root) for root in call.roots if isinstance(root, torch.Tensor)]
        ran = Ran(call, roots, self.step)
        self.backwards.append(ran)
        self.judge.begins(ran, call)
        return _Round(self, ran, call)

    # -- steps ---------------------------------------------------------------------------------

    def close_step(self) -> None:
        """Another step begins: let go of what is older than the last few."""
        self.step += 1
        oldest = self._began[0] if len(self._began) == STEPS else 0
        self._began.append(self.ops[-1].number + 1 if self.ops else 0)
        while self.ops and self.ops[0].number < oldest:
            self.ops.popleft().inputs = ()
        self.backwards = [ran for ran in self.backwards if ran.step > self.step - STEPS]
        values, stored = self._values.items(), self._stored.items()
        self._values = {key: value for key, value in values if value.ref() is not None}
        self._stored = {key: kept for key, kept in stored if not kept[0].expired()}


class _Round(Look):
    """One backward while it runs."""

    depth = Depth.NORM

    def __init__(self, ledger: Ledger, ran: Ran, call: BackwardCall) -> None:
        self._ledger, self._ran, self._call = ledger, ran, call

    def ended(self, seen: Recorder | None, error: BaseException | None, seconds: float) -> None:
        """Have judged what the engine has done."""
        self._ran.failed = error is not None
        with torch_private.DisableTorchFunction():
            if seen is not None:
                numbers = [node._sequence_nr() for node in seen.ran]
                self._ran.seqs = set(numbers)
                self._ran.last = numbers[-1] if numbers else -1
            self._ledger.judge.ended(self._ran, seen)
        self._ran.frame = None


def _storage(tensor: torch.Tensor) -> int:
    """Return what tells a storage from others while it lives; 0 where there is none."""
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.layout is not torch.strided:
        return 0
    try:
        key: int = tensor.untyped_storage()._cdata
    except figures.UNREADABLE:
        return 0
    return key


def callers(frame: Any) -> tuple[Site, ...]:
    """Return the lines of the user's frames from ``frame`` up, innermost first."""
    return tuple(map(frames.site, frames.user_frames(frame)[:CALLERS]))


# -- from where a value comes ----------------------------------------------------------------------


def sources(
    values: Iterable[Value], follows: Callable[[Op, Value], bool] = lambda op, value: True
) -> dict[Value, Op]:
    """Return what ``values`` were made of, themselves included, each with an op that took it.

    ``follows``: does what an op made come, in the sense asked for, from this input of it?
    """
    found: dict[Value, Op] = {}
    waiting = list(values)
    known = set(waiting)
    while waiting:
        value = waiting.pop()
        op = value.maker
        if op is None:
            continue
        for each in op.inputs:
            if each not in known and follows(op, each):
                known.add(each)
                found[each] = op
                waiting.append(each)
    return found


def taken(op: Op) -> Iterator[str]:
    """Yield the variables that an op took, as the lines that made them call them."""
    for value in op.inputs:
        if value.maker is not None and value.maker.site != op.site:
            yield from source.assigned(value.maker.sites)


def by_gradient(op: Op, value: Value) -> bool:
    """Does a gradient go from what ``op`` made to ``value``?"""
    return value.requires_grad and op.connects
