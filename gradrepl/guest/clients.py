"""The clients of one program, and where they come in: the first controls it, the others watch.

To the session they are the link: what it tells goes to all clients, an answer to the one that
asked. A client that comes late is told where we stand. Those of other terminals come through a
private socket; a file says where it is.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import secrets
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from gradrepl import endpoint, protocol
from gradrepl.errors import LinkError, StateError
from gradrepl.link import BlockingLink, leave_signals
from gradrepl.model import Notice, Stop

CHANGES = (*protocol.RUNS, protocol.SetBreakpoint, protocol.ChangeBreakpoint, protocol.Display)
"""Requests that only the client that controls the program may make."""

UNKNOWN = 16
"""Peers that may be about to show the token; if more come the oldest has to go."""
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED, errno.EPERM)
"""Errors of accept() after which the next client may well be taken."""

READ_ONLY = StateError(
    "Read-only: another client controls this program.",
    "Look with p, w, t, ops; when the other client leaves, this one steps.",
).record()


class Client:
    """One client as the program has it."""

    def __init__(self, link: BlockingLink, *, controls: bool) -> None:
        self.link = link
        self.controls = controls
        self.leaving = False
        """It goes by its own wish or by ours: no loss."""
        self.thread = threading.current_thread()

    def send(self, message: protocol.Message) -> None:
        """Send, unless the client is gone: its own thread sees that."""
        with suppress(LinkError):
            self.link.send(message)


class Clients:
    """All clients that there are, in the order in which they came."""

    def __init__(
        self,
        asked: Callable[[Client, protocol.Ask], None],
        gone: Callable[[Client, str], None],
    ) -> None:
        self._on_ask = asked
        self._on_gone = gone
        self._lock = threading.RLock()
        self._askers: dict[int, tuple[Client, int]] = {}
        self._last = 0
        self._stops: dict[int, protocol.Tell] = {}
        self._prompt: protocol.Prompt | None = None
        self.attached: list[Client] = []

    # -- what the session needs of a link ----------------------------------------------------

    def send(self, message: protocol.Message) -> None:
        """Send to whom it concerns."""
        with self._lock:
            if isinstance(message, protocol.Answer):
                client, number = self._askers.pop(message.id, (None, 0))
                if client is not None:
                    client.send(msgspec.structs.replace(message, id=number))
                return
            self._remember(message)
            for each in self.attached:
                each.send(message)

    def _remember(self, message: protocol.Message) -> None:
        match message:
            case protocol.Tell(record=Stop() as stop):
                self._stops[stop.depth] = message
            case protocol.Prompt(depth=depth):
                self._prompt = message
                self._stops = {at: told for at, told in self._stops.items() if at <= depth + 1}

    # -- clients -----------------------------------------------------------------------------

    def join(self, link: BlockingLink, ready: protocol.Ready | None) -> Client:
        """Take in a client, and tell it where we stand; its requests are heard from now on."""
        with self._lock:
            client = Client(link, controls=not any(each.controls for each in self.attached))
            self.attached.append(client)
            if not client.controls:
                client.send(protocol.Tell(record=Notice(message=READ_ONLY.message)))
            if ready is not None:
                client.send(ready)
            if self._prompt is not None:
                for message in (*self._stops.values(), self._prompt):
                    client.send(message)
        client.thread = threading.Thread(
            target=self._listen, args=(client,), name="gradrepl-client", daemon=True
        )
        client.thread.start()
        return client

    def resumed(self, by: Client | None = None) -> None:
        """The user's code continues."""
        with self._lock:
            if self._prompt is None:
                return
            self._prompt = None
            for each in self.attached:
                if each is not by:
                    each.send(protocol.Resumed())

    def part(self, client: Client) -> None:
        """Let ``client`` go: it hears all that was said, then the end."""
        client.leaving = True
        client.link.close()
        self._forget(client)

    def drop(self) -> None:
        """Forget all clients without a word to them: this is a forked child."""
        for each in self.attached:
            each.leaving = True
            each.link.drop()
        self.attached.clear()

    def _forget(self, client: Client) -> None:
        with self._lock:
            if client not in self.attached:
                return
            self.attached.remove(client)
            self._askers = {n: who for n, who in self._askers.items() if who[0] is not client}
            heir = self.attached[0] if self.attached and client.controls else None
            if heir is not None:
                heir.controls = True
                notice = Notice(message="the other client is gone: you control the program now.")
                heir.send(protocol.Tell(record=notice))

    # -- requests ----------------------------------------------------------------------------

    def _listen(self, client: Client) -> None:
        leave_signals()
        why = ""
        while True:
            try:
                message = client.link.receive()
            except LinkError as error:
                why, message = str(error), None
            if message is None:
                break
            if isinstance(message, protocol.Ask):
                self._take(client, message)
        client.link.close(0)
        self._forget(client)
        self._on_gone(client, why)

    def _take(self, client: Client, ask: protocol.Ask) -> None:
        if isinstance(ask.request, CHANGES) and not client.controls:
            client.send(protocol.Answer(id=ask.id, record=READ_ONLY))
            return
        with self._lock:
            self._last += 1
            self._askers[self._last] = client, ask.id
            numbered = msgspec.structs.replace(ask, id=self._last)
        if isinstance(ask.request, protocol.RUNS):
            self.resumed(client)
        self._on_ask(client, numbered)


# -- where they come in ---------------------------------------------------------------------------


def own_name() -> str:
    """Return the name that this process listens under: its rank's, or its number."""
    rank = os.environ.get("RANK", "")
    return f"rank{rank}" if rank.isdecimal() else str(os.getpid())


class Listener:
    """Listens, and hands every client that shows the token to ``came``, in a thread of its own."""

    def __init__(self, address: str, script: str, came: Callable[[BlockingLink], None]) -> None:
        """Listen at ``address``; a fresh private path, if it is empty.

        Raises:
            LinkError: nobody can listen there.
            TargetError: the address is malformed.
        """
        self._came = came
        self._made: list[Path] = []
        self._unknown: list[socket.socket] = []
        """Peers that have not shown the token yet, oldest first."""
        self.token = secrets.token_hex(16)
        self.public = False
        """Can it be reached from other machines?"""
        try:
            self._file = endpoint.folder() / f"{os.getpid()}.json"
            self._socket, self.address = self._bound(address)
            self._made.append(self._file)
            endpoint.write_private(self._file, self._endpoint(script or sys.argv[0]))
        except OSError as error:
            self._clean()
            raise LinkError(
                f"nobody can listen at '{address or 'a private place'}': "
                f"{error.strerror or error}.",
                "Leave the address away for a private one." if address else "Set XDG_RUNTIME_DIR.",
            ) from None
        threading.Thread(target=self._accept, name="gradrepl-listener", daemon=True).start()

    def _endpoint(self, script: str) -> str:
        here = endpoint.Endpoint(
            pid=os.getpid(),
            name=own_name(),
            address=self.address,
            token=self.token,
            script=script.encode(errors="replace").decode(),
        )
        return msgspec.json.encode(here).decode()

    def close(self) -> None:
        """Listen no more, and leave no file behind."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._socket.close()
        self._clean()

    def abandon(self) -> None:
        """Close this process's copy: this is a forked child."""
        self._socket.close()

    def _clean(self) -> None:
        for path in self._made:
            with suppress(OSError):
                path.unlink() if not path.is_dir() else path.rmdir()

    def _bound(self, address: str) -> tuple[socket.socket, str]:
        at = endpoint.tcp(address)
        if at is not None:
            sock = socket.create_server(at, backlog=8)
            host, port = sock.getsockname()[:2]
            self.public = not ipaddress.ip_address(host.partition("%")[0]).is_loopback
            return sock, f"tcp://{host}:{port}"
        path = Path(address).absolute() if address else self._fresh()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)  # the socket is never anybody else's, not even for a moment
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
        sock.listen(8)
        self._made.insert(0, path)
        if address:
            beside = Path(f"{path}.token")
            endpoint.write_private(beside, self.token)
            self._made.insert(0, beside)
        return sock, str(path)

    def _fresh(self) -> Path:
        path = self._file.with_suffix(".sock")
        if len(os.fsencode(path)) > endpoint.PATH_LIMIT:
            folder = Path(tempfile.mkdtemp(prefix="gradrepl-", dir="/tmp"))
            self._made.append(folder)
            return folder / "s"
        with suppress(FileNotFoundError):
            path.unlink()  # of a dead process that had our number
        return path

    def _accept(self) -> None:
        leave_signals()
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError as error:
                if error.errno not in PASSING:
                    return
                time.sleep(0.1)
                continue
            self._unknown.append(sock)
            if len(self._unknown) > UNKNOWN:
                with suppress(OSError):
                    self._unknown.pop(0).shutdown(socket.SHUT_RDWR)
            threading.Thread(
                target=self._meet, args=(sock,), name="gradrepl-meet", daemon=True
            ).start()

    def _meet(self, sock: socket.socket) -> None:
        try:
            link = BlockingLink.accepted(sock, self.token)
        except (LinkError, OSError):
            sock.close()
            return
        finally:
            with suppress(ValueError):
                self._unknown.remove(sock)
        self._came(link)
