"""Listens for clients of other terminals: a private socket, and a file that says where it is."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gradrepl import endpoint
from gradrepl.errors import LinkError
from gradrepl.link import BlockingLink, leave_signals


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
        self.token = secrets.token_hex(16)
        self._file = endpoint.folder() / f"{os.getpid()}.json"
        try:
            self._socket, self.address = self._bound(address)
        except OSError as error:
            self._clean()
            raise LinkError(
                f"nobody can listen at '{address}': {error.strerror or error}.",
                "Leave the address away for a private one.",
            ) from None
        here = endpoint.Endpoint(
            pid=os.getpid(),
            name=own_name(),
            address=self.address,
            token=self.token,
            script=script or sys.argv[0],
        )
        endpoint.write_private(self._file, endpoint.encoded(here))
        self._made.append(self._file)
        threading.Thread(target=self._accept, name="gradrepl-listener", daemon=True).start()

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
            except OSError:
                return
            threading.Thread(
                target=self._meet, args=(sock,), name="gradrepl-meet", daemon=True
            ).start()

    def _meet(self, sock: socket.socket) -> None:
        try:
            link = BlockingLink.accepted(sock, self.token)
        except (LinkError, OSError):
            sock.close()
            return
        self._came(link)
