"""What files are written from: a graph, a pass, ops and times as rows, and what was written."""

from __future__ import annotations

import msgspec

from gradrepl.model.base import Record
from gradrepl.model.running import NodeRow, OpRow


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

    rows: tuple[NodeRow, ...]


class TakenOps(Record, frozen=True, kw_only=True):
    """Some rows of what was taken."""

    rows: tuple[OpRow, ...]


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
