"""What the two processes say to each other: requests, answers, events, and their codec.

A face sends ``Ask(id, request)``. The debuggee answers each with ``Answer(id, record)``, and
between answers tells what happens: every record that is not an answer (a Stop, a Pass) and the
``Prompt`` that says that it waits for the next request. A request that lets the user's code run
is answered when it is over; a Stop may come first.

On the wire a frame is four bytes of length (big-endian) and that many bytes of msgpack.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gradrepl import conditions, model

VERSION = 1
LIMIT = 64 * 1024 * 1024
"""Bytes in one frame; a longer one is a malformed one."""


class Request(msgspec.Struct, frozen=True, tag_field="type", tag=True, kw_only=True):
    """What a face may ask for."""


# -- requests that let the user's code run ---------------------------------------------------


class Execute(Request, frozen=True, kw_only=True):
    """Run typed Python. At a stop nothing can stop inside it, unless ``stepped``."""

    source: str
    stepped: bool = False
    """Stop at its first event."""


class Backward(Request, frozen=True, kw_only=True):
    """``EXPR.backward()``, stopped at its first node."""

    expression: str


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


class Quit(Request, frozen=True, kw_only=True):
    """End the debuggee as ``sys.exit`` would."""


# -- requests that only look -------------------------------------------------------------------


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


# -- breakpoints -------------------------------------------------------------------------------


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


# -- requests that the link thread answers while the user's code runs --------------------------


class Pause(Request, frozen=True, kw_only=True):
    """Stop at the next event."""


class Status(Request, frozen=True, kw_only=True):
    """What the debuggee is doing right now."""


Requests = (
    Execute | Backward | Run | Resume | Abort | Quit | Describe | Inspect | Print | FrameStack
    | Listing | OpRows | NodeRows | OpDetail | NodeDetail | Names | Arguments | Complete | Bound
    | Display | SetBreakpoint | ChangeBreakpoint | ListBreakpoints | Pause | Status
)  # fmt: skip

RUNS = (Execute, Backward, Run, Resume, Abort, Quit)
"""Requests after which a new ``Prompt`` comes; all others are answered and change nothing."""


# -- messages ----------------------------------------------------------------------------------


class Message(msgspec.Struct, frozen=True, tag_field="type", tag=True, kw_only=True):
    """What travels in one frame."""


class Hello(Message, frozen=True, kw_only=True):
    """The first frame of the side that connects."""

    token: str
    version: int = VERSION
    pid: int = 0
    python: str = ""


class Welcome(Message, frozen=True, kw_only=True):
    """The answer to a good Hello."""

    version: int = VERSION


class Ready(Message, frozen=True, kw_only=True):
    """torch is there."""

    torch: str
    device: str


class Ask(Message, frozen=True, kw_only=True):
    """A request and the number that its answer will carry."""

    id: int
    request: Requests


class Answer(Message, frozen=True, kw_only=True):
    """The answer to request ``id``; ``record`` is None where there is nothing to say."""

    id: int
    record: model.AnyRecord | None = None


class Tell(Message, frozen=True, kw_only=True):
    """Something happened: a Stop, the end of a Pass, the end of the script."""

    record: model.AnyRecord


class Prompt(Message, frozen=True, kw_only=True):
    """The debuggee waits for a request."""

    state: str
    """'idle', 'forward', 'backward', 'exception'."""
    depth: int = 0


class Input(Message, frozen=True, kw_only=True):
    """The user's code waits for a line of standard input."""


Messages = Hello | Welcome | Ready | Ask | Answer | Tell | Prompt | Input

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Messages)


def encode(message: Message) -> bytes:
    """Return the whole frame of ``message``, its length in front."""
    body = _encoder.encode(message)
    return len(body).to_bytes(4, "big") + body


def decode(body: bytes) -> Messages:
    """Return the message of one frame's body.

    Raises:
        msgspec.ValidationError: well-formed msgpack that is none of our messages.
        msgspec.DecodeError: not msgpack.
    """
    message: Messages = _decoder.decode(body)
    return message
