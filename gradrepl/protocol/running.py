"""Requests that let the user's code run."""

from __future__ import annotations

import msgspec

from gradrepl import conditions


class Request(msgspec.Struct, frozen=True, tag_field="type", tag=True, kw_only=True):
    """What a face may ask for."""


class Execute(Request, frozen=True, kw_only=True):
    """Run typed Python. At a stop nothing can stop inside it, unless ``stepped``."""

    source: str
    stepped: bool = False
    """Stop at its first event."""


class Backward(Request, frozen=True, kw_only=True):
    """``EXPR.backward()``, stopped at its first node."""

    expression: str


class FetchSample(Request, frozen=True, kw_only=True):
    """``:fetch I``: run ``dataset[I]`` here with its worker's seed, stopped at its first op."""

    index: str
    """A Python expression, a number for most."""
    loader: str = ""
    """An expression; '' for the loader that is meant."""
    stepped: bool = True


class Run(Request, frozen=True, kw_only=True):
    """Run a script (or with ``module`` a module) as ``__main__``, stopped before its first op."""

    target: str
    args: tuple[str, ...] = ()
    module: bool = False


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
    """This face goes; the program runs on without a stop."""


class Quit(Request, frozen=True, kw_only=True):
    """End the debuggee as ``sys.exit`` would."""


RUNS = (Execute, Backward, FetchSample, Run, Resume, Abort, Quit)
"""Requests after which a new ``Prompt`` comes; all others are answered and change nothing."""
