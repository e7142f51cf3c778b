"""Requests about datasets, loaders and batches."""

from __future__ import annotations

from gradrepl.protocol.running import Request


class AskLoader(Request, frozen=True, kw_only=True):
    """``:loader EXPR``: a loader's settings; it is the one meant from now on.

    Without ``expression`` the one meant before, or the only one in reach.
    """

    expression: str = ""
    look: bool = False
    """A screen asks: the loader asked for by name before; else the one that the program iterates
    now or iterated last; else the first in reach."""


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
