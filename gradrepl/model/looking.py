"""Answers of those who look around: values, frames, source, lists, breakpoints."""

from __future__ import annotations

import msgspec

from gradrepl.model.base import Record, Site
from gradrepl.model.running import NodeRow, OpRow
from gradrepl.model.tensors import TensorInfo


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
    """Names in scope at a stop."""

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
