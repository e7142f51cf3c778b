"""Whatever arrives over the link is one of our messages, or one error that says so."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator

import msgspec
import pytest

from gradrepl import conditions as c
from gradrepl import model, protocol
from gradrepl.errors import LinkError
from gradrepl.link import BlockingLink

SITE = model.Site(file="/home/me/träin.py", line=36, function="step", text="loss.backward()")
MESSAGES = [
    protocol.Hello(token="0" * 32),
    protocol.Welcome(),
    protocol.Refused(why="no"),
    protocol.Ask(id=1, request=protocol.Run(target="a\udcff.py", args=("-x", "ü"))),
    protocol.Ask(id=2, request=protocol.Resume(verb=c.Step(3))),
    protocol.Ask(id=3, request=protocol.Execute(source="x = 1")),
    protocol.Answer(id=3, record=model.Error(message="bad \udc80 name", hint="a" * 300)),
    protocol.Answer(id=4),
    protocol.Tell(record=model.Stop(phase="forward", reason="start", site=SITE, when="before")),
    protocol.Tell(record=model.Text(title="t", body="b\x1b[0m")),
    protocol.Prompt(state="idle", depth=2),
]


def bodies(chance: random.Random, count: int) -> Iterator[bytes]:
    """Yield bodies of frames that are damaged, spliced, nested deeply, or made of nothing."""
    whole = [protocol.encode(message)[4:] for message in MESSAGES]
    for _ in range(count):
        body = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(body) + 1)
            how = chance.randrange(8)
            if how == 0:
                body[at : at + 1] = bytes([chance.randrange(256)])
            elif how == 1:
                del body[at : at + chance.randint(1, 9)]
            elif how == 2:
                other = chance.choice(whole)
                body[at:at] = other[chance.randrange(len(other)) :]
            elif how == 3:
                body[at:at] = chance.choice([b"\x91", b"\x81\xa1a"]) * chance.randint(1, 5000)
            elif how == 4:
                body[at:at] = chance.choice([b"\xdd", b"\xdf", b"\xdb", b"\xc6"]) + b"\xff" * 4
            elif how == 5:
                body[at:at] = chance.choice([b"\xa2\xff\xfe", b"\xa3\xed\xa0\x80", b"\xa1\xf4"])
            elif how == 6:
                body[at:at] = b"\xa4\xf4\x8d\xbf\xbf" * chance.randint(1, 3)
            else:
                body[at:at] = b"\xcb" + struct.pack(">d", float("nan"))
            if not body:
                body = bytearray(chance.randbytes(chance.randint(1, 40)))
        yield bytes(body)


@pytest.mark.timeout(0)
def test_a_frame_is_a_message_or_one_error(chance: random.Random, times: int) -> None:
    understood = 0
    for body in bodies(chance, 4000 * times):
        try:
            message = protocol.decode(body)
        except ValueError:
            continue
        assert isinstance(message, protocol.Message)
        understood += 1
    assert understood > 0


@pytest.mark.timeout(0)
def test_a_damaged_frame_ends_the_link_and_nothing_else(chance: random.Random, times: int) -> None:
    for body in bodies(chance, 150 * times):
        ours, theirs = socket.socketpair()
        link = BlockingLink(ours)
        size = len(body) if chance.random() < 0.8 else chance.randrange(2**32)
        theirs.sendall(size.to_bytes(4, "big") + body)
        theirs.close()
        try:
            while link.receive() is not None:
                pass
        except LinkError:
            pass
        link.close()


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb", "\udfff\ud83d", "\U0010ffff", ""])
def test_any_text_arrives_as_it_was_sent(text: str) -> None:
    sent = protocol.Ask(id=1, request=protocol.Run(target=text, args=(text * 3, "ü")))
    assert protocol.decode(protocol.encode(sent)[4:]) == sent
    record = model.Error(message=text, traceback=text)
    told = protocol.decode(protocol.encode(protocol.Tell(record=record))[4:])
    assert told == protocol.Tell(record=record)
    assert msgspec.json.decode(model.to_json(record)) is not None


def test_a_long_text_is_cut_and_what_is_long_in_parts_is_told() -> None:
    long = protocol.Tell(record=model.Error(message="x" * 70_000_000, hint="short"))
    frame = protocol.encode(long)
    assert len(frame) < protocol.LARGE
    record = protocol.decode(frame[4:]).record
    assert record.message.endswith("… (70,000,000 characters in all)")
    assert record.hint == "short"
    many = model.Table(rows=tuple((f"{n:0100}",) for n in range(800_000)))
    frame = protocol.encode(protocol.Answer(id=9, record=many))
    assert protocol.decode(frame[4:]).record.message.startswith("this takes ")
