"""Ops, nodes, and where the debuggee is parked."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from gradrepl.model.base import Record, Site
from gradrepl.model.tensors import TensorInfo


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


class OpRow(msgspec.Struct, frozen=True):
    """One line of the list of ops."""

    id: int
    name: str
    shape: tuple[int, ...] | None
    dtype: str
    module: str
    line: int
    note: str
    depth: int = 0


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


class NodeRow(msgspec.Struct, frozen=True):
    """One line of the backward list."""

    id: int
    name: str
    label: str
    state: str
    """'done', 'here', 'predicted', 'skipped'."""
    norm: float | None
    shape: tuple[int, ...] | None
    lanes: str
    depth: int = 0
    breakpoint: bool = False


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
