"""What the two processes say to each other: requests, answers, events, and their codec.

A client sends ``Ask(id, request)``. The debuggee answers each with ``Answer(id, record)``, and
between answers tells what happens: every record that is not an answer (a Stop, a Pass) and the
``Prompt`` that says that it waits for the next request. A request that lets the user's code run
is answered when it is over; a Stop may come first.

On the wire a frame is four bytes of length (big-endian) and that many bytes of msgpack. A plugin's
own request travels as an ``AskPlugin``, its own record as a ``Brought``: each names its class.

Halves of surrogate pairs, which UTF-8 does not have (they stand for the bytes of a path that are no
UTF-8), travel as private characters of plane 16. A text that makes a message large is cut.
"""

from __future__ import annotations

from collections.abc import Callable
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
LARGE = 8 * 1024 * 1024
"""Bytes from which on the long texts of a message are cut."""
TEXT = 32 * 1024
"""Characters that are left of such a text."""


class Message(msgspec.Struct, frozen=True, tag_field="type", tag=True, kw_only=True):
    """What travels in one frame."""


class Hello(Message, frozen=True, kw_only=True):
    """The first frame of the side that connects."""

    token: str
    version: int = VERSION


class Welcome(Message, frozen=True, kw_only=True):
    """The answer to a good Hello."""

    version: int = VERSION


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
    """The user's code continues; said to the faces that did not ask for it themselves."""


class Input(Message, frozen=True, kw_only=True):
    """The user's code waits for a line of standard input."""


Messages = Hello | Welcome | Refused | Ready | Ask | Answer | Tell | Prompt | Resumed | Input

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Messages)
_PRIVATE = {half: 0x100000 + half for half in range(0xD800, 0xE000)}
_HALVES = {private: half for half, private in _PRIVATE.items()}
_LEAD = b"\xf4\x8d"
"""What the private characters begin with in UTF-8."""


def encode(message: Message) -> bytes:
    """Return the whole frame of ``message``, its length in front."""
    match message:
        case Ask(request=request) if not _ours(request):
            message = replace(message, request=AskPlugin(**_packed(request)))
        case Answer(record=record) | Tell(record=record) if record and not _ours(record):
            message = replace(message, record=model.Brought(**_packed(record)))
    body = _body(message)
    return len(body).to_bytes(4, "big") + body


def _body(message: Message) -> bytes:
    try:
        body = _encoder.encode(message)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(message, builtin_types=(bytes,))
        body = _encoder.encode(_texts(plain, lambda text: text.translate(_PRIVATE)))
    if len(body) > LARGE:
        body = _encoder.encode(_texts(msgspec.msgpack.decode(body), _cut))
    if len(body) > LIMIT and isinstance(message, (Answer, Tell)):
        size = f"{len(body) / 2**20:.0f} MiB"
        said = model.Error(message=f"this takes {size}, more than fits: ask for a part of it.")
        return _encoder.encode(replace(message, record=said))
    return body


def _texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return plain data with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {_texts(key, change): _texts(each, change) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_texts(each, change) for each in value]
    return value


def _cut(text: str) -> str:
    return text if len(text) <= TEXT else f"{text[:TEXT]}… ({len(text):,} characters in all)"


def decode(body: bytes) -> Messages:
    """Return the message of one frame's body; a plugin's record as its own, if it is known here.

    Raises:
        ValueError: what this is in place of one of our messages.
    """
    try:
        if _LEAD in body:
            parts = _texts(msgspec.msgpack.decode(body), lambda text: text.translate(_HALVES))
            message: Messages = msgspec.convert(parts, Messages)
        else:
            message = _decoder.decode(body)
    except (msgspec.MsgspecError, TypeError) as error:  # TypeError: a list as a key
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("its text is no UTF-8") from None
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
