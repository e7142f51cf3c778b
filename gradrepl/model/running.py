"""Ops, nodes, backwards, and where the debuggee is parked."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from gradrepl.model.base import Record, Site
from gradrepl.model.tensors import TensorInfo

Shape = tuple[int, ...]


class Op(Record, frozen=True, kw_only=True):
    """One call of torch's Python API."""

    id: int
    name: str
    site: Site | None = None
    module: str = ""
    module_class: str = ""
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    bumped: tuple[str, ...] = ()
    """In-place effects as 'input 0: v0 -> v1'."""
    nodes: tuple[str, ...] = ()
    """Names of the graph nodes that the call created."""
    mode: str = ""
    """'no_grad', 'inference_mode', 'autocast', 'recomputation'; several joined by a comma."""
    depth: int = 0
    """How many calls of ours this one is inside of: 0 in the user's code, 1 after ``into``."""
    duration: float = 0.0
    """Seconds that the call took."""


class OpRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One recorded call of torch's API in a list; what is not known is left out."""

    id: int
    """Counted from 1; in a trace, in the order in which its ops ended."""
    name: str
    site: Site | None = None
    """The user's line that called it, also from inside a module of torch's."""
    module: str = ""
    """Path of the module that it ran in: 'encoder.0'; empty outside of modules."""
    module_class: str = ""
    inputs: tuple[Shape, ...] = ()
    """In a trace: shapes of the tensors that went in, at most 8."""
    outputs: tuple[Shape, ...] = ()
    """Shapes of the tensors that came out: of the first, or in a trace of at most 8."""
    dtype: str = ""
    """Of the first output: 'float32'."""
    mode: str = ""
    """'no_grad', 'inference_mode', 'autocast', 'recomputation'; several joined by a comma."""
    changed: tuple[str, ...] = ()
    """Inputs that it wrote to: 'input 0: v0 -> v1'."""
    depth: int = 0
    """How many recorded calls it ran inside of."""
    begin: float = 0.0
    """Seconds on the program's clock."""
    seconds: float = 0.0
    sequence: tuple[int, int] = (0, 0)
    """Numbers of the nodes it made: from the first up to, not including, the second."""

    @property
    def shape(self) -> Shape | None:
        """Shape of the first output."""
        return self.outputs[0] if self.outputs else None

    @property
    def line(self) -> int:
        """Number of the user's line, or 0."""
        return self.site.line if self.site else 0

    @property
    def note(self) -> str:
        """What a list says beside it: 'no_grad, in place'."""
        return ", ".join(filter(None, (self.mode, "in place" if self.changed else "")))


class Edge(msgspec.Struct, frozen=True):
    """Where one gradient out of a node goes: input ``input_nr`` of ``node``."""

    node: int
    input_nr: int
    label: str
    """'#7 ReluBackward0' or the leaf's name; 'none' when no gradient is needed there."""


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """One value that the forward saved for this node's backward."""

    name: str
    tensor: TensorInfo | None = None
    value: str = ""
    state: str = "ok"
    """'ok', 'changed in place', 'freed', 'packed' (a user's hook would run: not unpacked)."""


class Node(Record, frozen=True, kw_only=True):
    """One autograd node of the pass: ``id`` is its place in the predicted order, from 1."""

    id: int
    name: str
    label: str = ""
    """The leaf's name for AccumulateGrad, else the module path or the variable it made."""
    seq: int | None = None
    site: Site | None = None
    module: str = ""
    op: int | None = None
    rule: str = ""
    grad_in: tuple[TensorInfo | None, ...] = ()
    grad_out: tuple[TensorInfo | None, ...] = ()
    """Empty until the node has run."""
    edges: tuple[Edge, ...] = ()
    saved: tuple[Saved, ...] = ()
    hooks: int = 0
    """Hooks of the user's own on the leaf's tensor, as far as torch tells."""


class NodeRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node of a graph or a backward, or a folded run of them; what is not known is left out."""

    id: int
    """'#7': its place in the order in which the engine runs the graph, from 1. Where rows are those
    of a backward that is over (a trace, health): the place at which it ran."""
    name: str
    """'AddmmBackward0', 'AccumulateGrad'; of a folded module its class."""
    label: str = ""
    """The leaf's name, the variable's that it made, or the path of a folded module."""
    module: str = ""
    """Path of the module whose call made it, or that owns the leaf."""
    op: int | None = None
    """'%4': the recorded op that made it."""
    op_name: str = ""
    site: Site | None = None
    """The user's line of that op."""
    leaf: bool = False
    """Does it accumulate into a leaf?"""
    sequence: int | None = None
    """``_sequence_nr``; None for AccumulateGrad."""
    state: str = ""
    """Of a backward: 'done', 'here', 'predicted', 'skipped', 'not asked for'; of a folded module
    also 'partly'. Of a graph that nobody runs: 'freed' or 'stale', of what it saved."""
    order: int = 0
    """Its place among the nodes that have run, from 1; 0 if it has not."""
    shape: Shape | None = None
    """Of the gradient that arrives."""
    norm: float | None = None
    """L2 norm of the first gradient that arrived, where it was looked at."""
    min: float | None = None
    max: float | None = None
    nans: int | None = None
    infs: int | None = None
    """None where they were not counted."""
    verdict: str = ""
    """A word of ``VERDICTS``, where gradients are watched."""
    to: tuple[int, ...] = ()
    """Nodes (or rows) that its gradients go to, by id; in a file 0 where no gradient goes."""
    inputs: tuple[int, ...] = ()
    """In a file: at which of their inputs, one for each of ``to``."""
    saved: tuple[str, ...] = ()
    """'result (64, 128) v0': what the forward saved for it, at most 8."""
    saved_nbytes: int | None = None
    """Bytes of that, each storage once and those of leaves not at all."""
    problem: str = ""
    """'nan', 'inf': of the norm; 'changed in place', 'freed': of what it saved."""
    begin: float | None = None
    """Seconds on the program's clock at which it began, where that was recorded."""
    seconds: float | None = None
    """From there until the next node of its thread began, or until the pass was over: time on
    the host; kernels on an accelerator may end later."""
    thread: int = 0
    run: int = 0
    """Number of the recorded pass."""
    lanes: str = ""
    """The graph beside it, as ``git log --graph`` draws it."""
    nodes: int = 1
    """Nodes that this row stands for."""
    breakpoint: bool = False

    @property
    def ran(self) -> bool:
        """Has it run?"""
        return self.order > 0

    @property
    def folded(self) -> bool:
        """Does it stand for several nodes?"""
        return self.nodes > 1


class Accumulated(msgspec.Struct, frozen=True):
    """A leaf that this backward has reached so far."""

    name: str
    norm: float | None
    shape: tuple[int, ...]


class Watch(msgspec.Struct, frozen=True):
    """A displayed expression at a stop; ``was`` is its text at the stop before, if it changed."""

    expression: str
    text: str
    was: str | None = None


class Stop(Record, frozen=True, kw_only=True):
    """Where and why the debuggee is parked."""

    BRIEF: ClassVar[bool] = True
    phase: str
    """'forward', 'backward', 'exception'."""
    reason: str
    site: Site | None
    module: str = ""
    when: str = "after"
    """'before' or 'after' the op or the node ran."""
    op: Op | None = None
    node: Node | None = None
    position: int = 0
    """Number of ops seen, or of nodes run including this one."""
    total: int | None = None
    """Nodes that this backward will run."""
    root: str = ""
    breakpoints: tuple[int, ...] = ()
    accumulated: tuple[Accumulated, ...] = ()
    watches: tuple[Watch, ...] = ()
    exception: str = ""
    thread: str = "MainThread"
    depth: int = 1
    """Nesting of stops: 1 is the outermost."""
    notes: tuple[str, ...] = ()
    """What is known of why: where a nan came from, why a parameter got no gradient."""


class Pass(Record, frozen=True, kw_only=True):
    """The end of one backward."""

    BRIEF: ClassVar[bool] = True
    outcome: str
    """'finished', 'aborted', or 'raised TypeError: ...'."""
    nodes_run: int
    total: int
    root: str = ""
    accumulated: tuple[Accumulated, ...] = ()
    accumulated_count: int = 0
    seconds: float = 0.0


class Cost(Record, frozen=True, kw_only=True):
    """What looking takes of a program's time: told where that is most of it.

    Of one step; where no backward has run, of all.
    """

    BRIEF: ClassVar[bool] = True
    seconds: float
    total: float
    steps: int = 0
    """Backwards since the program was let go."""
    parts: tuple[tuple[str, float], ...] = ()
    """What is looked at, for which breakpoints, and its seconds: ('ops (b nan)', 0.26)."""


class TracedPass(msgspec.Struct, frozen=True, kw_only=True):
    """One backward, and the graph that it ran through."""

    number: int
    """Counted from 1 in the order in which they began."""
    how: str
    """'backward' (into ``.grad``), or 'grad'."""
    root: str = ""
    """Variable of the tensor that it began at, or empty."""
    site: Site | None = None
    outcome: str = "finished"
    """Or 'raised RuntimeError: ...'."""
    inside: int = 0
    """Number of the pass that it ran inside of, 0 for none."""
    seconds: float = 0.0
    nodes: tuple[NodeRow, ...] = ()
    cut: bool = False
    """The graph has more nodes than a trace keeps."""

    @property
    def visits(self) -> tuple[NodeRow, ...]:
        """The nodes that ran, in the engine's true order."""
        return tuple(node for node in self.nodes if node.ran)
