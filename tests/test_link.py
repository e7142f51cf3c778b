"""The socket: who may speak, and what a malformed peer cannot do."""

import asyncio
import os
import signal
import socket
import threading

import pytest

from gradrepl import model, protocol
from gradrepl.errors import LinkError, RefusedError
from gradrepl.link import BlockingLink, Link

SECONDS = 5


@pytest.fixture
def pair():
    """Return an engine's end and the bare socket of its peer."""
    ours, theirs = socket.socketpair()
    link = BlockingLink(ours)
    yield link, theirs
    link.close()
    theirs.close()


def test_messages_arrive_whole_and_in_order(pair):
    link, theirs = pair
    peer = BlockingLink(theirs)
    sent = [protocol.Prompt(state="idle", depth=n) for n in range(50)]
    for message in sent:
        link.send(message)
    assert [peer.receive() for _ in sent] == sent


def test_a_record_larger_than_the_socket_buffer_arrives(pair):
    link, theirs = pair
    peer = BlockingLink(theirs)
    tell = protocol.Tell(record=model.Text(title="t", body="x" * 5_000_000))
    link.send(tell)
    assert peer.receive() == tell


def test_many_threads_may_send(pair):
    link, theirs = pair
    peer = BlockingLink(theirs)
    threads = [
        threading.Thread(target=lambda: [link.send(protocol.Input()) for _ in range(100)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert all(peer.receive() == protocol.Input() for _ in range(400))
    for thread in threads:
        thread.join()


def test_close_writes_what_was_sent(pair):
    link, theirs = pair
    link.send(protocol.Tell(record=model.Text(title="t", body="x" * 100_000)))
    link.close()
    peer = BlockingLink(theirs)
    assert isinstance(peer.receive(), protocol.Tell)
    assert peer.receive() is None
    with pytest.raises(LinkError):
        link.send(protocol.Input())


def test_a_peer_that_goes_away_is_the_end_of_the_stream(pair):
    link, theirs = pair
    theirs.close()
    assert link.receive() is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xff\xff\xff", "longer than"),
        (b"\x00\x00\x00\x02\xc1\xc1", "malformed"),
        (b"\x00\x00\x00\x01\x05", "malformed"),
        (b"\x00\x00", "middle of a message"),
        (b"\x00\x00\x00\x09abc", "middle of a message"),
    ],
)
def test_the_engine_refuses_bad_frames(pair, data, words):
    link, theirs = pair
    theirs.sendall(data)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(LinkError, match=words):
        link.receive()


def test_a_signal_handler_that_raises_does_not_break_a_frame(pair):
    link, theirs = pair
    peer = BlockingLink(theirs)

    def raise_it(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, raise_it)
    big = protocol.Tell(record=model.Text(title="t", body="x" * 3_000_000))

    def send_and_signal():
        while True:
            link.send(big)
            os.kill(os.getpid(), signal.SIGUSR1)

    try:
        with pytest.raises(KeyboardInterrupt):
            send_and_signal()
    finally:
        signal.signal(signal.SIGUSR1, before)
    link.send(protocol.Input())
    assert peer.receive() == big
    while (message := peer.receive()) == big:
        pass
    assert message == protocol.Input()


# -- the face's end ----------------------------------------------------------------------------


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, SECONDS))


def hello(**about):
    return protocol.encode(protocol.Hello(**{"token": "0" * 32} | about))


BAD = {
    "no token": hello(token=""),
    "wrong token": hello(token="1" * 32),
    "not ascii": hello(token="ü"),
    "another version": hello(version=protocol.VERSION + 1),
    "not a hello": protocol.encode(protocol.Input()),
    "garbage": b"GET / HTTP/1.1\r\n\r\n",
    "oversized": b"\x00\x10\x00\x00" + b"x" * 10_000,
    "truncated": b"\x00\x00\x00\x50abc",
    "nothing": b"",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_bad_peer_gets_no_link(data):
    ours, theirs = socket.socketpair()
    theirs.sendall(data)
    theirs.shutdown(socket.SHUT_WR)
    with ours, theirs, pytest.raises(LinkError):
        BlockingLink.accepted(ours, "0" * 32)


def test_a_client_that_shows_the_token_is_welcome():
    async def scene():
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        accepting = asyncio.create_task(asyncio.to_thread(BlockingLink.accepted, ours, "0" * 32))
        link = await Link.connect(theirs, "0" * 32)
        engine = await accepting
        engine.send(protocol.Input())
        first = await link.receive()
        engine.close()
        last = await link.receive()
        link.close()
        return first, last

    assert run(scene()) == (protocol.Input(), None)


def test_a_client_says_that_it_was_refused():
    async def scene():
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        accepting = asyncio.create_task(asyncio.to_thread(BlockingLink.accepted, ours, "0" * 32))
        with pytest.raises(RefusedError, match="did not show the token"):
            await Link.connect(theirs, "no")
        with pytest.raises(RefusedError):
            await accepting
        ours.close()

    run(scene())


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x00\x00", b"\x00\x00\x00\x01\xc1"])
def test_a_face_refuses_bad_frames(data):
    async def scene():
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        link = Link(reader, None)
        with pytest.raises(LinkError):
            await link.receive()

    run(scene())
