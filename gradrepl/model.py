"""The vocabulary: every record that crosses the link and is shown, in frozen structs.

A record says something about a tensor, an op, a node; it never holds one. Faces and engine both
import this module, so it imports no torch. ``type`` in the encoded form is the class's name.
Small visible ids: ``#7`` a node, ``%12`` an op. A record is bounded in size whatever it describes.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec


class Record(msgspec.Struct, frozen=True, tag_field="type", tag=True, kw_only=True):
    """Anything that may be shown. Subclasses are tagged with their own name."""


class Site(msgspec.Struct, frozen=True):
    """The user's line: never a line inside torch or gradrepl."""

    file: str
    line: int
    function: str
    text: str


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one tensor. ``None`` where the dtype has no such figure (min of a complex)."""

    norm: float | None = None
    """L2 norm; nan or inf when any element is (an overflow of the sum is ruled out)."""
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    nans: int | None = None
    infs: int | None = None
    zeros: int | None = None


class TensorInfo(Record, frozen=True, kw_only=True):
    """What may be said of a tensor without holding it."""

    name: str = ""
    """How the user knows it, or empty."""
    shape: tuple[int, ...]
    dtype: str
    device: str
    layout: str = "strided"
    stride: tuple[int, ...] = ()
    offset: int = 0
    """Storage offset in elements."""
    nbytes: int = 0
    requires_grad: bool
    is_leaf: bool
    grad_fn: str | None = None
    grad: Stats | None = None
    """Figures of ``.grad`` where it exists."""
    has_grad: bool = False
    version: int | None = None
    """``Tensor._version``; None for inference tensors, which have no counter."""
    is_view: bool = False
    stats: Stats | None = None
    values: str = ""
    """Its values as text when they are few, else its first corner."""


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


class Pass(Record, frozen=True, kw_only=True):
    """The end of one backward."""

    outcome: str
    """'finished', 'aborted', or 'raised TypeError: ...'."""
    nodes_run: int
    total: int
    root: str = ""
    accumulated: tuple[Accumulated, ...] = ()
    accumulated_count: int = 0
    seconds: float = 0.0


class Value(Record, frozen=True, kw_only=True):
    """The result of something typed."""

    text: str
    kind: str = ""
    tensor: TensorInfo | None = None
    expression: str = ""


class Frame(msgspec.Struct, frozen=True):
    """One of the user's Python frames; 0 is the innermost."""

    index: int
    site: Site
    module: str = ""
    selected: bool = False


class Frames(Record, frozen=True, kw_only=True):
    """The user's frames, innermost first; in a backward also the path from the loss."""

    frames: tuple[Frame, ...]
    path: tuple[str, ...] = ()


class SourceLine(msgspec.Struct, frozen=True):
    """One line of source, with what ran on it."""

    line: int
    text: str
    here: bool = False
    note: str = ""
    breakpoint: bool = False


class Source(Record, frozen=True, kw_only=True):
    """Part of a file around the place of a stop."""

    file: str
    function: str
    lines: tuple[SourceLine, ...]


class Ops(Record, frozen=True, kw_only=True):
    """A window on the recorded ops."""

    rows: tuple[OpRow, ...]
    first: int
    total: int


class Nodes(Record, frozen=True, kw_only=True):
    """A window on the nodes of the current backward, in run order (predicted where not run)."""

    rows: tuple[NodeRow, ...]
    first: int
    total: int
    run: int


class Variable(msgspec.Struct, frozen=True):
    """One name that the user can type here."""

    name: str
    text: str
    kind: str


class Variables(Record, frozen=True, kw_only=True):
    """Names in reach at a stop."""

    rows: tuple[Variable, ...]
    total: int


class BreakpointInfo(Record, frozen=True, kw_only=True, tag="Breakpoint"):
    """A breakpoint as it stands."""

    id: int
    text: str
    enabled: bool = True
    temporary: bool = False
    ignore: int = 0
    hits: int = 0
    commands: tuple[str, ...] = ()


class Breakpoints(Record, frozen=True, kw_only=True):
    """All breakpoints."""

    rows: tuple[BreakpointInfo, ...]


class Completions(Record, frozen=True, kw_only=True):
    """Words that can stand where the cursor is."""

    words: tuple[str, ...]


class Notice(Record, frozen=True, kw_only=True):
    """One sentence that something was done."""

    message: str


class Text(Record, frozen=True, kw_only=True):
    """Longer text under a title: help, a list of examples."""

    title: str
    body: str


class Error(Record, frozen=True, kw_only=True):
    """One sentence of what went wrong, and what to do."""

    message: str
    hint: str = ""
    kind: str = ""
    """Class of the user's exception, or of ours."""
    traceback: str = ""
    """The user's own traceback, ending at the user's own line; empty for our errors."""


class Ended(Record, frozen=True, kw_only=True):
    """The script came to its end."""

    code: int
    script: str = ""
    exception: str = ""


class Gone(Record, frozen=True, kw_only=True):
    """The debuggee's process is no more."""

    how: str
    """'exited with code 3' or 'killed by SIGKILL'."""
    code: int


AnyRecord = (
    TensorInfo | Op | Node | Stop | Pass | Value | Frames | Source | Ops | Nodes | Variables
    | BreakpointInfo | Breakpoints | Completions | Notice | Text | Error | Ended | Gone
)  # fmt: skip


def _plain(value: Any) -> Any:
    """``value`` with non-finite floats as the strings 'nan', 'inf', '-inf'."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def to_json(record: Record) -> str:
    """Encode ``record`` as one line of JSON; JSON has no NaN, so it is written "nan"."""
    return msgspec.json.encode(_plain(msgspec.to_builtins(record))).decode()
