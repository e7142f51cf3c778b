"""Requests of those who write files: take something, fetch its rows in parts."""

from __future__ import annotations

from gradrepl.protocol.running import Request


class Take(Request, frozen=True, kw_only=True):
    """Take a graph, a pass, the ops or the times as plain rows; answered with a Taken.

    What was taken is kept until its last row was fetched, or something else is taken.
    """

    what: str
    """'graph', 'pass', 'ops', 'times'."""
    expression: str = ""
    """Of a graph; empty: the backward that is paused, else the last recorded one."""


class TakeRows(Request, frozen=True, kw_only=True):
    """Rows of what was taken; answered with TakenNodes or TakenOps."""

    serial: int
    first: int
    """From 0."""
    count: int


class RecordPasses(Request, frozen=True, kw_only=True):
    """Keep from now on what each backward ran, with norms and times; or with ``off`` no more."""

    off: bool = False
