"""Requests about a training: gradients, datasets, loaders and batches; and about files."""

from __future__ import annotations

from gradrepl.protocol.running import Request

# -- gradients -----------------------------------------------------------------------------------


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


# -- loaders -------------------------------------------------------------------------------------


class AskLoader(Request, frozen=True, kw_only=True):
    """``:loader EXPR``: a loader's settings; it is the one meant from now on.

    Without ``expression`` the one meant before, or the only one in scope.
    """

    expression: str = ""
    look: bool = False
    """A screen asks: the loader asked for by name before; else the one that the program iterates
    now or iterated last; else the first in scope."""


class WatchLoaders(Request, frozen=True, kw_only=True):
    """``:loader watch``: note what the program's own loops get, from now on; ``off``: no more."""

    off: bool = False


class AskBatch(Request, frozen=True, kw_only=True):
    """``:batch N``: batch N of this epoch, rebuilt; without ``number`` the next one."""

    number: int | None = None
    expression: str = ""
    """The loader; '' for the one meant."""
    rows: int = 512


class AskSample(Request, frozen=True, kw_only=True):
    """``:sample I``: one sample of the dataset, fetched here."""

    index: str
    """A Python expression, a number for most."""
    expression: str = ""


class CheckLoader(Request, frozen=True, kw_only=True):
    """``:loader check EXPR``: look for faults that raise nothing."""

    expression: str = ""
    samples: int = 200
    """Samples to look at, at the most."""
    seconds: float = 3.0
    """Time for looking at samples."""


class AskEpoch(Request, frozen=True, kw_only=True):
    """``:epoch N``: what of an epoch the program has got, and what is left."""

    number: int | None = None
    """Among those that the program has begun while watched; None: the last, or the next one."""
    expression: str = ""
    seconds: float = 1.0
    """Time for reading labels."""


class AskDevices(Request, frozen=True, kw_only=True):
    """``:device``: the devices; with ``device`` choose one for ``:to``."""

    device: str = ""
    chosen: str = ""
    """What the command line chose (``--device``); ``:device`` comes before it."""


class MoveTo(Request, frozen=True, kw_only=True):
    """``:to DEVICE EXPR``: move a batch or a module, and say what that took."""

    expression: str
    device: str = ""
    """Empty: the one chosen with ``:device``, else ``chosen``, else the CPU."""
    chosen: str = ""
    """What the command line chose (``--device``)."""
    non_blocking: bool = False


# -- files ---------------------------------------------------------------------------------------


class Take(Request, frozen=True, kw_only=True):
    """Take a graph, a pass, the ops or the times as plain rows; answered with a Taken.

    What was taken is kept until its last row was fetched, or something else is taken.
    """

    what: str
    """'graph', 'pass', 'ops', 'times'."""
    expression: str = ""
    """Of a graph; empty: the backward that is paused, else the last recorded one."""


class TakeRows(Request, frozen=True, kw_only=True):
    """Rows of what was taken; answered with Nodes or Ops."""

    serial: int
    first: int
    """From 0."""
    count: int


class RecordPasses(Request, frozen=True, kw_only=True):
    """Keep from now on what each backward ran, with norms and times; or with ``off`` no more."""

    off: bool = False
