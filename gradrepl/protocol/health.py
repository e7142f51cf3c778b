"""Requests about watched training."""

from __future__ import annotations

from gradrepl.protocol.running import Request


class WatchHealth(Request, frozen=True, kw_only=True):
    """``:watch``: what to watch from now on, beside what is; all False and ``off``: nothing."""

    grads: bool = False
    nodes: bool = False
    statistics: bool = False
    every: int | None = None
    """Look at every so many backwards; None: as before."""
    off: bool = False


class AskHealth(Request, frozen=True, kw_only=True):
    """``:health``: the table of parameters; ``name`` is one, or a pattern as of a shell."""

    name: str = ""
    first: int = 0
    count: int = 200
    looks: int = 120
    """Norms of each in its history, at most."""
    running: bool = False
    """Answer at once, from what is kept, also while the program runs: no tensor is looked at."""


class AskHealthNodes(Request, frozen=True, kw_only=True):
    """``:health nodes``: a window on the nodes of the last watched backward."""

    first: int = 0
    count: int = 200
    problems: bool = False
    """Only those with a verdict that something is wrong."""
    running: bool = False
    """As of AskHealth."""


class SetHealth(Request, frozen=True, kw_only=True):
    """``:set health.NAME VALUE``: one limit; without ``name`` tell them all."""

    name: str = ""
    value: float | None = None
    """None: the default again."""
