"""Requests that only look; the last two are answered by the link thread while code runs."""

from __future__ import annotations

from gradrepl.protocol.running import Request


class Describe(Request, frozen=True, kw_only=True):
    """A tensor, by expression, with everything about it."""

    expression: str


class Inspect(Request, frozen=True, kw_only=True):
    """``x?`` and, with ``source``, ``x??``."""

    expression: str
    source: bool = False


class Print(Request, frozen=True, kw_only=True):
    """``p`` and, ``full``, ``pp``."""

    expression: str
    full: bool = False


class Compare(Request, frozen=True, kw_only=True):
    """How far two tensors are apart, element by element."""

    a: str
    b: str


class FrameStack(Request, frozen=True, kw_only=True):
    """``w``; with ``move`` first select another frame (+1 is the caller)."""

    move: int = 0


class Listing(Request, frozen=True, kw_only=True):
    """``l``: source around the line; ``whole`` the function."""

    whole: bool = False
    around: int | None = None
    context: int = 5


class OpRows(Request, frozen=True, kw_only=True):
    """A window on the recorded ops; a negative ``first`` counts from the end."""

    first: int
    count: int


class NodeRows(Request, frozen=True, kw_only=True):
    """A window on the backward's nodes; ``first`` counts from 0."""

    first: int
    count: int


class OpDetail(Request, frozen=True, kw_only=True):
    """One recorded op, as much of it as was kept."""

    id: int


class NodeDetail(Request, frozen=True, kw_only=True):
    """One node of the current backward."""

    id: int


class Names(Request, frozen=True, kw_only=True):
    """Variables in reach."""

    limit: int = 50


class Arguments(Request, frozen=True, kw_only=True):
    """``a``: the arguments of the function we stand in, as Variables."""


class Complete(Request, frozen=True, kw_only=True):
    """Python names that can follow ``text``; runs no property."""

    text: str


class Bound(Request, frozen=True, kw_only=True):
    """Is ``word`` a name here? Answered with a Value if it is, else with nothing."""

    word: str


class Display(Request, frozen=True, kw_only=True):
    """Evaluate ``expression`` at every stop; ``off`` takes it (or, empty, all) away."""

    expression: str = ""
    off: bool = False


class Pause(Request, frozen=True, kw_only=True):
    """Stop at the next event."""


class Status(Request, frozen=True, kw_only=True):
    """What the debuggee is doing right now."""
