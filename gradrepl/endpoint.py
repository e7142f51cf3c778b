"""Where a program that runs already is to be met: told to a child, or written in a private file."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec

from gradrepl.errors import LinkError, TargetError

VARIABLE = "GRADREPL_ENDPOINT"
"""The environment variable that tells a child client where to meet us, as JSON."""
PATH_LIMIT = 100
"""Bytes in the path of a Unix socket that every system accepts."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a program is to be met."""

    pid: int = 0
    name: str = ""
    """'4711', or 'rank1' under torchrun."""
    address: str = ""
    """Path of a Unix socket, or 'tcp://HOST:PORT'."""
    token: str = ""
    script: str = ""
    link: int = -1
    """Descriptor of a socket that a child client has inherited; then there is no address."""
    screen: bool = False
    """The child draws the screen; else it is the line prompt."""
    outputs: tuple[int, ...] = ()
    """Descriptors from which the program's standard output and error are read, -1 for neither."""
    input: int = -1
    """Descriptor to which the program's standard input is written."""


# -- the folder of those who listen --------------------------------------------------------------


def folder() -> Path:
    """Return the private folder in which every listening program of this user has a file.

    Raises:
        LinkError: what is there belongs to somebody else.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = Path(runtime, "gradrepl") if runtime and os.path.isdir(runtime) else None
    path = own or Path(tempfile.gettempdir(), f"gradrepl-{os.getuid()}")
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    about = path.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise LinkError(
            f"{path} is not a private folder of yours.", "Remove it, or set XDG_RUNTIME_DIR."
        )
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read, whatever was there."""
    with suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def listening() -> list[Endpoint]:
    """Return who listens, in the order of their names; files of the dead are removed."""
    known = []
    for file in sorted(folder().glob("*.json")):
        try:
            endpoint = msgspec.json.decode(file.read_bytes(), type=Endpoint)
        except (OSError, msgspec.MsgspecError):
            continue
        if alive(endpoint.pid):
            known.append(endpoint)
            continue
        for left in (file, file.with_suffix(".sock")):
            with suppress(OSError):
                left.unlink()
    return known


def find(wanted: str) -> Endpoint:
    """Return the endpoint that a user means by a process id, a name, a path or an address.

    Raises:
        TargetError: there is none, or several.
    """
    known = listening()
    if not wanted and len(known) == 1:
        return known[0]
    names = ", ".join(each.name for each in known) or "none"
    if not wanted:
        raise TargetError("attach to which?", f"These listen: {names}.")
    for each in known:
        if wanted in (str(each.pid), each.name, each.address):
            return each
    token = os.environ.get("GRADREPL_TOKEN", "")
    beside = Path(f"{wanted}.token")
    if not token and beside.is_file():
        token = beside.read_text(encoding="utf-8").strip()
    if token:
        return Endpoint(name=wanted, address=wanted, token=token)
    raise TargetError(
        f"nothing listens at '{wanted}'.",
        f"These listen: {names}. For another machine set GRADREPL_TOKEN.",
    )


def alive(pid: int) -> bool:
    """Is there a process of this number?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def tcp(address: str) -> tuple[str, int] | None:
    """Return host and port of 'tcp://HOST:PORT', None for a path.

    >>> tcp("tcp://[::1]:5000"), tcp("/run/user/1000/socket")
    (('::1', 5000), None)

    Raises:
        TargetError: it is malformed.
    """
    if not address.startswith("tcp://"):
        return None
    host, colon, port = address[6:].rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise TargetError(f"'{address}' is not an address.", "Write tcp://127.0.0.1:0.")
    return host.strip("[]") or "127.0.0.1", int(port)


def connected(address: str) -> socket.socket:
    """Return a socket connected to ``address``.

    Raises:
        LinkError: nobody answers there.
    """
    at = tcp(address)
    try:
        if at is not None:
            return socket.create_connection(at, 10)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise LinkError(
            f"nobody answers at {address}: {error.strerror or error}.", "Has the program ended?"
        ) from None
    return sock
