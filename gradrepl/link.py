"""The socket between a client and a program: frames of messages, and who may speak.

The engine holds a :class:`BlockingLink`, a client a :class:`Link`. A program that a client starts,
and a client that a program starts, inherit their end; whoever connects shows the program's token.

asyncio is imported by a client only: the engine's end must not load it into a user's program.
"""

from __future__ import annotations

import errno
import fcntl
import hmac
import os
import queue
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from gradrepl import protocol
from gradrepl.errors import LinkError, RefusedError

if TYPE_CHECKING:
    import asyncio

HELLO_LIMIT = 4096
"""Bytes that a peer may send before it has shown the token."""
HELLO_SECONDS = 10.0
"""How long a peer may take for its first frame."""
HIGH = 800
"""Number from which on the engine's end looks for a free descriptor."""


def _length(header: bytes, limit: int) -> int:
    length = int.from_bytes(header, "big")
    if length > limit:
        raise LinkError(f"a frame of {length} bytes is longer than the {limit} that are allowed.")
    return length


def _message(body: bytes) -> protocol.Messages:
    try:
        return protocol.decode(body)
    except ValueError as error:  # msgspec's errors are some, too
        raise LinkError(f"a malformed message came over the link: {error}.") from None


def _check(hello: protocol.Messages | None, token: str) -> None:
    if not isinstance(hello, protocol.Hello):
        raise RefusedError("the peer did not begin with Hello.")
    if not hmac.compare_digest(hello.token.encode(), token.encode()):
        raise RefusedError("the peer did not show the token of this session.")
    if hello.version != protocol.VERSION:
        raise RefusedError(f"the peer speaks version {hello.version} of the protocol.")


def _received(sock: socket.socket, count: int, deadline: float) -> bytes:
    """Return exactly ``count`` bytes, got before ``deadline`` on the monotonic clock."""
    data = b""
    while len(data) < count:
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        piece = sock.recv(count - len(data))
        if not piece:
            raise LinkError("the link ended in the middle of a message.")
        data += piece
    return data


def _out_of_the_way(sock: socket.socket) -> socket.socket:
    """Move a socket to a high number, where code that closes "all" low descriptors leaves it."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = max(3, min(HIGH, soft - 16))
    try:
        number = fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, lowest)
    except OSError:
        return sock
    moved = socket.socket(fileno=number)
    moved.settimeout(sock.gettimeout())
    sock.close()
    return moved


def _identity(sock: socket.socket) -> tuple[int, int]:
    """Tell this socket from a file of the user's that came to have its number."""
    about = os.fstat(sock.fileno())
    return about.st_dev, about.st_ino


def leave_signals() -> None:
    """Keep signals out of this thread of ours: the user's main thread would sleep on."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


class BlockingLink:
    """The engine's end. ``send`` may be called in any thread, ``receive`` in one.

    Frames are written by a thread of our own: an exception that a signal handler raises in the
    middle of a write would leave half a frame on the wire, and handing over to a queue cannot be
    interrupted.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = _out_of_the_way(sock)
        self._identity = _identity(self._sock)
        self.on_broken: Callable[[], None] = lambda: None
        """Called, in the writing thread, when nothing can be written any more."""
        self._frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._broken = False
        self._writer = threading.Thread(target=self._write, name="gradrepl-link", daemon=True)
        self._writer.start()

    @classmethod
    def accepted(cls, sock: socket.socket, token: str) -> BlockingLink:
        """Return the link to a client that connected to us, once it has shown ``token``.

        Raises:
            LinkError: it talks nonsense, or nothing at all.
            RefusedError: it did not show the token; it is told so.
        """
        deadline = time.monotonic() + HELLO_SECONDS
        length = _length(_received(sock, 4, deadline), HELLO_LIMIT)
        hello = _message(_received(sock, length, deadline))
        try:
            _check(hello, token)
        except RefusedError as error:
            sock.sendall(protocol.encode(protocol.Refused(why=str(error))))
            raise
        sock.settimeout(None)
        link = cls(sock)
        link.send(protocol.Welcome())
        return link

    def fileno(self) -> int:
        """Return the descriptor that can be waited at."""
        return self._sock.fileno()

    def send(self, message: protocol.Message) -> None:
        """Hand ``message`` over to be written; returns at once.

        Raises:
            LinkError: the peer is known to be gone.
        """
        if self._broken:
            raise LinkError("the client is gone.")
        self._frames.put(protocol.encode(message))

    def receive(self) -> protocol.Messages | None:
        """Wait for the next message; None at the end of the stream.

        Raises:
            LinkError: a malformed, oversized or truncated frame.
        """
        header = self._exactly(4)
        if not header:
            return None
        length = _length(header, protocol.LIMIT)
        body = self._exactly(length)
        if len(body) < length:
            raise LinkError("the link ended in the middle of a message.")
        return _message(body)

    def close(self, seconds: float = 2.0) -> None:
        """Write what is still queued, for at most ``seconds``, and close."""
        self._frames.put(None)
        if threading.current_thread() is not self._writer:
            self._writer.join(seconds)
        self._shut()

    def drop(self) -> None:
        """Close this process's copy without a word to the peer: for the child after a fork."""
        self._broken = True
        self._let_go()

    def _write(self) -> None:
        leave_signals()
        while (frame := self._frames.get()) is not None:
            try:
                if not self._is_ours():
                    raise OSError(errno.EBADF, "the descriptor was closed behind our back")
                self._sock.sendall(frame)
            except OSError:
                self._broken = True
                self.on_broken()
                return

    def _exactly(self, count: int) -> bytes:
        """Return ``count`` bytes, or what there was before the end."""
        data = bytearray()
        while len(data) < count:
            try:
                piece = self._sock.recv(min(count - len(data), 1 << 20))
            except OSError:
                piece = b""
            if not piece:
                if 0 < len(data) < 4 and count == 4:
                    raise LinkError("the link ended in the middle of a message.")
                break
            data += piece
        return bytes(data)

    def _shut(self) -> None:
        self._broken = True
        with suppress(OSError):  # the peer was faster
            if self._is_ours():
                self._sock.shutdown(socket.SHUT_RDWR)
        self._let_go()

    def _let_go(self) -> None:
        """Close the descriptor, unless the program has: its number may be another file's now."""
        if self._is_ours():
            self._sock.close()
        else:
            self._sock.detach()

    def _is_ours(self) -> bool:
        try:
            return _identity(self._sock) == self._identity
        except OSError:
            return False


class Link:
    """A client's end, on asyncio streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, message: protocol.Message) -> None:
        """Queue ``message``; asyncio writes it.

        Raises:
            LinkError: the link is closed.
        """
        if self._writer.is_closing():
            raise LinkError("the program is gone.", "':restart' starts a new one.")
        self._writer.write(protocol.encode(message))

    @classmethod
    async def connect(cls, sock: socket.socket, token: str = "") -> Link:
        """Return the link over ``sock``; with a ``token``, show it and wait for the welcome.

        Raises:
            RefusedError: the program did not take the token.
            LinkError: it answers nonsense, or nothing.
        """
        import asyncio

        link = cls(*await asyncio.open_connection(sock=sock))
        if not token:
            return link
        link.send(protocol.Hello(token=token))
        try:
            answer = await asyncio.wait_for(link.receive(), HELLO_SECONDS)
        except TimeoutError:
            answer = None
        if isinstance(answer, protocol.Welcome):
            return link
        link.close()
        if isinstance(answer, protocol.Refused):
            raise RefusedError(answer.why, "Is it the right process, and a token of today?")
        raise LinkError("the program does not answer.", "Has the program ended?")

    async def receive(self) -> protocol.Messages | None:
        """Wait for the next message; None at the end of the stream.

        Raises:
            LinkError: a malformed, oversized or truncated frame.
        """
        begun = False
        try:
            length = _length(await self._reader.readexactly(4), protocol.LIMIT)
            begun = True
            return _message(await self._reader.readexactly(length))
        except EOFError as error:  # asyncio's kind of it knows what came before the end
            partial: bytes = getattr(error, "partial", b"")
            if begun or partial:
                raise LinkError("the link ended in the middle of a message.") from None
            return None
        except OSError:
            return None

    def close(self) -> None:
        """Close; a waiting ``receive`` returns None."""
        self._writer.close()
