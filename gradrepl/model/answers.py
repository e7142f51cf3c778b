"""What any command may answer with: sentences, progress, tables, findings, plugins, files."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from gradrepl.model.base import Record, Site

# -- sentences, errors, ends -----------------------------------------------------------------------


class Notice(Record, frozen=True, kw_only=True):
    """One sentence that something was done."""

    BRIEF: ClassVar[bool] = True
    message: str


class Text(Record, frozen=True, kw_only=True):
    """Longer text under a title: help, a list of examples."""

    title: str
    body: str


class Error(Record, frozen=True, kw_only=True):
    """One sentence of what went wrong, and what to do."""

    BRIEF: ClassVar[bool] = True
    message: str
    hint: str = ""
    kind: str = ""
    """Class of the user's exception, or of ours."""
    traceback: str = ""
    """The user's own traceback, ending at the user's own line; empty for our errors."""


class Ended(Record, frozen=True, kw_only=True):
    """The script came to its end."""

    BRIEF: ClassVar[bool] = True
    code: int
    script: str = ""
    exception: str = ""


class Gone(Record, frozen=True, kw_only=True):
    """The debuggee's process is no more."""

    BRIEF: ClassVar[bool] = True
    how: str
    """'exited with code 3' or 'killed by SIGKILL'."""
    code: int


class Progress(Record, frozen=True, kw_only=True):
    """How far something long is: told unasked, from half a second on, at most four times a second.

    A client draws it as one line that the next one, or the answer, replaces.
    """

    what: str
    """'tune loader', 'epoch of loader'."""
    done: int
    total: int | None = None
    """None where nobody knows."""
    unit: str = "batches"
    seconds: float = 0.0
    """Since it began."""
    more: str = ""
    """What is known so far: '2 workers, 340 samples/s'."""
    over: bool = False
    """The last of its kind: the answer follows."""
    stop: str = "Ctrl+C stops it."


# -- plugins, and what any of them may answer with -------------------------------------------------


class PluginInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin in one process."""

    name: str
    version: str = ""
    origin: str = ""
    """The distribution, or the file, that it came from."""
    side: str = "client"
    """'client' or 'program'."""
    state: str = "loaded"
    """'loaded', 'blocked' or 'disabled'."""
    hooks: tuple[str, ...] = ()
    """Without their 'gradrepl_'."""
    problem: str = ""


class PluginList(Record, frozen=True, kw_only=True):
    """All plugins, of both processes."""

    rows: tuple[PluginInfo, ...] = ()


class Table(Record, frozen=True, kw_only=True):
    """Rows of text under titles: what a plugin's command shows."""

    title: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


class Brought(Record, frozen=True, kw_only=True):
    """A plugin's own record as it crosses the link, for who does not have the plugin."""

    kind: str
    """Its class: 'gradrepl_picture.Dots'."""
    fields: dict[str, Any] = msgspec.field(default_factory=dict)


class Sited(msgspec.Struct, frozen=True):
    """A line, and its part in what is told."""

    role: str
    """'root', 'saved', 'written', 'needed', 'freed', 'made', 'cut', 'raised'..."""
    site: Site


def sited(**roles: Site | None) -> tuple[Sited, ...]:
    """Return the lines that are known, by role, in this order.

    >>> [each.role for each in sited(root=Site("a.py", 3, "f", "y += 1"), made=None)]
    ['root']
    """
    return tuple(Sited(role, site) for role, site in roles.items() if site is not None)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A diagnosis."""

    rule: str = ""
    """What kind of fault it is, in a word ; '' of a plugin's own."""
    severity: str
    """'error', 'warning' or 'note'."""
    message: str
    """What is wrong, where and why, in one sentence."""
    sites: tuple[Sited, ...] = ()
    """Its lines, the one to change first."""
    subjects: tuple[str, ...] = ()
    """What it is about, by the names that the user knows."""
    evidence: str = ""
    """Figures: what was seen."""
    fix: str = ""
    """What to write instead."""
    since: int = 0
    """The step in which it was first seen, from 1; 0: not a matter of steps."""


class Findings(Record, frozen=True, kw_only=True):
    """Diagnoses, the worst first."""

    rows: tuple[Finding, ...] = ()
    looked_at: tuple[str, ...] = ()
    """What was looked at."""


# -- files: a graph, a pass, ops and times as rows, and what was written ---------------------------


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
