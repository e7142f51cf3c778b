"""What files are written from: a graph, a pass, ops and times as rows, and what was written."""

from __future__ import annotations

import msgspec

from gradrepl.model.base import Record, Site


class TakenNode(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One autograd node of a graph or of a backward."""

    id: int
    """'#7': its place in the order in which the engine runs the graph, from 1."""
    name: str
    """'AddmmBackward0', 'AccumulateGrad'."""
    label: str = ""
    """The leaf's name, or the variable's that it made."""
    module: str = ""
    """Path of the module whose call made it, or that owns the leaf."""
    op: int = 0
    """'%4': the recorded op that made it; 0 for none."""
    op_name: str = ""
    site: Site | None = None
    """The user's line of that op."""
    sequence: int | None = None
    """``_sequence_nr``; None for AccumulateGrad."""
    shape: tuple[int, ...] | None = None
    """Of the gradient that arrives."""
    leaf: bool = False
    to: tuple[tuple[int, int], ...] = ()
    """``next_functions``: (id of a node, number of its input); (0, 0) where no gradient goes."""
    state: str = ""
    """Of a backward: 'done', 'here', 'predicted', 'not asked for'."""
    order: int = 0
    """Its place among the nodes that have run, from 1; 0 if it has not."""
    norm: float | None = None
    """L2 norm of the first gradient that arrived, where it was looked at."""
    begin: float | None = None
    """Seconds on the debuggee's clock at which it began, where that was recorded."""
    seconds: float | None = None
    """From there until the next node of its thread began, or until the pass was over: time on
    the host; kernels on an accelerator may end later."""
    thread: int = 0
    run: int = 0
    """Number of the recorded pass."""
    saved: tuple[str, ...] = ()
    """'result (64, 128) v0': what the forward saved for it, at most 8."""
    problem: str = ""
    """'nan', 'inf': of the norm; 'changed in place', 'freed': of what it saved."""


class TakenOp(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One recorded call of torch's API."""

    id: int
    name: str
    module: str = ""
    module_class: str = ""
    site: Site | None = None
    shape: tuple[int, ...] | None = None
    """Of its first output."""
    dtype: str = ""
    mode: str = ""
    bumped: tuple[str, ...] = ()
    depth: int = 0
    begin: float = 0.0
    """Seconds on the debuggee's clock."""
    seconds: float = 0.0
    sequence: tuple[int, int] = (0, 0)
    """Numbers of the nodes it made: from the first up to, not including, the second."""


class Taken(Record, frozen=True, kw_only=True):
    """The head of what was taken for a file; its rows are asked for in parts."""

    serial: int
    what: str
    """'graph', 'pass', 'ops', 'times'."""
    of: str = ""
    """In words: 'loss', 'this backward', 'backward 12'."""
    total: int = 0
    """Rows."""
    edges: int = 0
    leaves: int = 0
    root: str = ""
    """Name of the tensor that the graph starts from."""
    outcome: str = ""
    """Of a pass that is over: 'finished', 'raised RuntimeError: ...'."""
    recorded: bool = False
    """Were ops of the forward recorded, so that modules and lines are known?"""
    live: bool = False
    """Is it a backward that is paused?"""
    kinds: tuple[tuple[str, str], ...] = ()
    """(path, class) of modules, at most 4,096."""
    first: int = 0
    """Of 'ops': the id of the first; older ones are no longer kept."""


class TakenNodes(Record, frozen=True, kw_only=True):
    """Some rows of what was taken."""

    rows: tuple[TakenNode, ...]


class TakenOps(Record, frozen=True, kw_only=True):
    """Some rows of what was taken."""

    rows: tuple[TakenOp, ...]


class ExporterInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of file that can be written."""

    name: str
    of: str
    suffix: str
    help: str


class Exporters(Record, frozen=True, kw_only=True):
    """All kinds of files that can be written."""

    rows: tuple[ExporterInfo, ...]


class Exported(Record, frozen=True, kw_only=True):
    """A file was written."""

    path: str
    kind: str
    of: str
    """What it shows: 'the graph of loss'."""
    rows: int = 0
    nbytes: int = 0
    seconds: float = 0.0
    note: str = ""
    """What the reader should know: 'folded by module: 3012 nodes in 180 boxes'."""
