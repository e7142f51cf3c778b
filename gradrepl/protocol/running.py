"""Requests that let the user's code run, about breakpoints, and to plugins."""

from __future__ import annotations

from typing import Any

import msgspec

from gradrepl import conditions


class Request(msgspec.Struct, frozen=True, tag_field="type", tag=True, kw_only=True):
    """What a client may ask for."""


class Execute(Request, frozen=True, kw_only=True):
    """Run typed Python. At a stop nothing can stop inside it, unless ``stepped``."""

    source: str
    stepped: bool = False
    """Stop at its first event."""


class Backward(Request, frozen=True, kw_only=True):
    """``EXPR.backward()``, stopped at its first node."""

    expression: str


class FetchSample(Request, frozen=True, kw_only=True):
    """``:fetch I``: run ``dataset[I]`` with its worker's seed, stopped at its first op.

    In a copy of the program, or ``here``, where what it reads, draws and keeps stays.
    """

    index: str
    """A Python expression, a number for most."""
    loader: str = ""
    """An expression; '' for the loader that is meant."""
    here: bool = False
    stepped: bool = True


class Run(Request, frozen=True, kw_only=True):
    """Run a script (or with ``module`` a module) as ``__main__``, stopped before its first op."""

    target: str
    args: tuple[str, ...] = ()
    module: bool = False
    stops: bool = True
    """False: run it to its end, also past what it raises."""


class Check(Request, frozen=True, kw_only=True):
    """Judge what runs from now on; ``AskFindings`` tells what was found."""

    steps: int = 0
    """End the program after so many steps of optimizers; 0: let it run to its end."""


class Resume(Request, frozen=True, kw_only=True):
    """Go on from a stop until ``verb`` or a breakpoint says stop."""

    verb: conditions.Verb


class Abort(Request, frozen=True, kw_only=True):
    """Raise out of the stop: ends this backward or op."""

    interrupt: bool = False
    """Raise KeyboardInterrupt instead of ``gradrepl.Aborted``."""


class Interrupt(Request, frozen=True, kw_only=True):
    """KeyboardInterrupt in the user's main thread; answered while code runs."""


class Detach(Request, frozen=True, kw_only=True):
    """This client goes; the program continues without a stop."""


class Quit(Request, frozen=True, kw_only=True):
    """End the debuggee as ``sys.exit`` would."""


RUNS = (Execute, Backward, FetchSample, Run, Resume, Abort, Quit)
"""Requests after which a new ``Prompt`` comes; all others are answered and change nothing."""


# -- breakpoints ---------------------------------------------------------------------------------


class SetBreakpoint(Request, frozen=True, kw_only=True):
    """Stop where ``condition`` holds."""

    condition: conditions.Condition
    text: str
    temporary: bool = False


class ChangeBreakpoint(Request, frozen=True, kw_only=True):
    """Change one breakpoint, or with ``id`` 0 all of them."""

    id: int
    action: str
    """'enable', 'disable', 'clear', 'ignore', 'condition', 'commands'."""
    count: int = 0
    text: str = ""
    commands: tuple[str, ...] = ()


class ListBreakpoints(Request, frozen=True, kw_only=True):
    """All breakpoints."""


# -- plugins -------------------------------------------------------------------------------------


class UsePlugins(Request, frozen=True, kw_only=True):
    """Which plugins to load besides those that are installed, and which not; loads none yet.

    The debuggee loads them when one of them is asked for something, or when what ``hooks`` look
    on at happens.
    """

    files: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    """Of 'event', 'stop', 'pass', 'batch': those that the plugins of the client have."""


class ListPlugins(Request, frozen=True):
    """The plugins of the debuggee: a PluginList."""


class AskPlugin(Request, frozen=True, kw_only=True):
    """A plugin's own request as it crosses the link; its other half answers it."""

    kind: str
    """Its class: 'gradrepl_picture.AskDots'."""
    fields: dict[str, Any] = msgspec.field(default_factory=dict)


class AskFindings(Request, frozen=True, kw_only=True):
    """What is wrong, as far as is seen here: Findings."""

    run: bool = False
    """Only what the check of the run has found."""
