"""Requests that only look; Pause and Status are answered by the link thread while code runs."""

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
    """Variables in scope."""

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


# -- memory --------------------------------------------------------------------------------------


class AskStorages(Request, frozen=True, kw_only=True):
    """Tensors in scope by storage; with ``expressions``, only the storages of these."""

    expressions: tuple[str, ...] = ()
    limit: int = 500
    """Storages to send at the most; those with several members come first."""


class AskSharing(Request, frozen=True, kw_only=True):
    """What two tensors (or arrays) have to do with each other."""

    a: str
    b: str


class AskCopies(Request, frozen=True, kw_only=True):
    """What each way of copying does to a tensor."""

    expression: str


class AskVersions(Request, frozen=True, kw_only=True):
    """Who wrote to a tensor's memory, and who saved it; from now on its content is compared.

    Without ``expression`` the storages that are compared; with ``off`` that one, or all, are no
    longer.
    """

    expression: str = ""
    off: bool = False


class AskBytes(Request, frozen=True, kw_only=True):
    """Memory by owner."""

    largest: int = 10


# -- modules, Functions, graphs, and single facts of a tensor ------------------------------------


class Retain(Request, frozen=True, kw_only=True):
    """``:retain EXPR``: ``retain_grad()`` on a tensor that is not a leaf."""

    expression: str


class FunctionOf(Request, frozen=True, kw_only=True):
    """``:fn EXPR|#N``: the node of a tensor, a node itself, or a node of the paused backward."""

    target: str


class ModuleRows(Request, frozen=True, kw_only=True):
    """``:mods``: a window on the modules below ``expression``, or below all roots in scope."""

    expression: str = ""
    first: int = 0
    count: int = 200
    depth: int | None = None
    """Deeper modules get no row; None for all."""


class GraphRows(Request, frozen=True, kw_only=True):
    """``:graph``: a window on the rows of a graph; nothing runs.

    Without ``expression`` the graph of the backward that is paused.
    """

    expression: str = ""
    first: int = 0
    count: int = 40
    depth: int | None = None
    """Modules at this depth of their path and deeper are one row each; None: unfold everything."""
    unfold: tuple[str, ...] = ()
    """Paths of modules that are shown node by node all the same."""
    pattern: str = ""
    """Also find the rows whose name, label or module has this in it."""


# -- the chain rule ------------------------------------------------------------------------------


class PathsTo(Request, frozen=True, kw_only=True):
    """``:paths``; an empty ``root`` is that of the backward that is paused."""

    leaf: str
    root: str = ""


class TermsOf(Request, frozen=True, kw_only=True):
    """``:terms LOSS``; empty: the root of the backward that is paused."""

    root: str = ""


class AddendsOf(Request, frozen=True, kw_only=True):
    """``:addends``: an expression or '#N'."""

    target: str
    root: str = ""


class RuleOf(Request, frozen=True, kw_only=True):
    """``:rule``: '#N', a tensor, or the name of a backward function; empty: where we stand."""

    what: str = ""


class Verify(Request, frozen=True, kw_only=True):
    """``:verify``: '#N', a call like 'F.gelu(x)'; empty: where we stand."""

    what: str = ""
