"""What the two processes say to each other: requests, answers, events, and their codec.

A face sends ``Ask(id, request)``. The debuggee answers each with ``Answer(id, record)``, and
between answers tells what happens: every record that is not an answer (a Stop, a Pass) and the
``Prompt`` that says that it waits for the next request. A request that lets the user's code run
is answered when it is over; a Stop may come first.

On the wire a frame is four bytes of length (big-endian) and that many bytes of msgpack. A plugin's
own request travels as an ``AskPlugin``, its own record as a ``Brought``: each names its class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union

import msgspec
from msgspec.structs import replace

from gradrepl import model
from gradrepl.model.base import kinds_of
from gradrepl.protocol.looking import *
from gradrepl.protocol.running import *
from gradrepl.protocol.running import Request
from gradrepl.protocol.training import *

if TYPE_CHECKING:
    AnyRequest = Request
else:
    AnyRequest = Union[kinds_of(Request)]

VERSION = 1
LIMIT = 64 * 1024 * 1024
"""Bytes in one frame; a longer one is a malformed one."""


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
    pid: int = 0


class Refused(Message, frozen=True, kw_only=True):
    """The answer to a Hello that is not good."""

    why: str


class Ready(Message, frozen=True, kw_only=True):
    """torch is there."""

    torch: str
    device: str


class Ask(Message, frozen=True, kw_only=True):
    """A request and the number that its answer will carry."""

    id: int
    request: AnyRequest


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


class Resumed(Message, frozen=True, kw_only=True):
    """The user's code runs on; said to the faces that did not ask for it themselves."""


class Input(Message, frozen=True, kw_only=True):
    """The user's code waits for a line of standard input."""


Messages = Hello | Welcome | Refused | Ready | Ask | Answer | Tell | Prompt | Resumed | Input

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Messages)


def encode(message: Message) -> bytes:
    """Return the whole frame of ``message``, its length in front."""
    match message:
        case Ask(request=request) if not _ours(request):
            message = replace(message, request=AskPlugin(**_packed(request)))
        case Answer(record=record) | Tell(record=record) if record and not _ours(record):
            message = replace(message, record=model.Brought(**_packed(record)))
    body = _encoder.encode(message)
    return len(body).to_bytes(4, "big") + body


def decode(body: bytes) -> Messages:
    """Return the message of one frame's body; a plugin's record as its own, if it is known here.

    Raises:
        msgspec.ValidationError: well-formed msgpack that is none of our messages.
        msgspec.DecodeError: not msgpack.
    """
    message: Messages = _decoder.decode(body)
    match message:
        case Answer(record=model.Brought() as record) | Tell(record=model.Brought() as record):
            message = replace(message, record=unpacked(record, model.Record) or record)
    return message


def _ours(value: Any) -> bool:
    return type(value).__module__.startswith("gradrepl.")


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _packed(value: msgspec.Struct) -> dict[str, Any]:
    return {"kind": _name(type(value)), "fields": msgspec.to_builtins(value)}


def unpacked(value: AskPlugin | model.Brought, base: type) -> Any:
    """Return what a plugin's other half has sent; None where no class below ``base`` fits it."""
    kinds = (each for each in reversed(kinds_of(base)) if _name(each) == value.kind)
    try:
        return msgspec.convert(value.fields, next(kinds, type(None)))
    except msgspec.ValidationError:
        return None
