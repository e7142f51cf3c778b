"""Where a stopped program shows its client: the user's terminal, or a notebook's cell.

The terminal is lent to a child of this process. It is reached as ``/dev/tty``, so that redirected
streams do not matter, and it comes back as it was, whatever becomes of the child; the program's own
streams are pipes meanwhile, if a screen is drawn on it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec

from gradrepl import client, endpoint, guest
from gradrepl.engine.code import script
from gradrepl.errors import LinkError
from gradrepl.guard import LINE, SANE
from gradrepl.link import leave_signals

PATIENCE = 5.0
"""Seconds that a client gets to leave the terminal."""
HIGH = 700
"""Number from which on the terminal's own descriptors are kept meanwhile."""
CHILD = "import sys; sys.path.append({root!r}); from gradrepl.client import main; sys.exit(main())"


class Lent(Protocol):
    """What a client has for a while: the terminal, or a notebook's cell."""

    link: socket.socket

    def take_back(self) -> int:
        """Have it back; return how the client ended."""

    def abandon(self) -> None:
        """Forget it: this is a forked child."""


def cell_can_ask() -> bool:
    """Is this a notebook's kernel, in the thread that runs its cells, and can its user answer?"""
    find: Any = getattr(sys.modules.get("IPython"), "get_ipython", None)
    kernel = getattr(find(), "kernel", None) if find is not None else None
    if kernel is None or threading.current_thread() is not threading.main_thread():
        return False
    return bool(getattr(kernel, "_allow_stdin", True))


def path() -> str:
    """Return the name of the terminal of this process, or nothing."""
    for name in ("/dev/tty", *(_name(number) for number in (0, 1, 2))):
        if not name:
            continue
        try:
            os.close(os.open(name, os.O_RDWR | os.O_NOCTTY))
        except OSError:
            continue
        return name
    return ""


def _name(number: int) -> str:
    try:
        return os.ttyname(number)
    except OSError:
        return ""


class Terminal:
    """One lending of the terminal: from a stop to where the program continues."""

    def __init__(self, name: str, reads_input: Callable[[], None]) -> None:
        self._lock = -1
        self._redirection: Redirection | None = None
        self._tty = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        for call in guest.before_lending:
            call()
        try:
            self._await_turn()
            script.flush()
            self._mode = termios.tcgetattr(self._tty)
            wanted = map(os.environ.get, ("GRADREPL_CLIENT", "GRADREPL_FACE"))
            self.is_screen = "repl" not in wanted and client.has_screen(self._tty)
            if self.is_screen:
                self._redirection = Redirection(reads_input)
            self.link, theirs = socket.socketpair()
            with theirs:
                self._child = self._start(theirs.fileno())
        except BaseException:
            self._undo()
            raise
        if self._redirection is not None:
            self._redirection.handed_over()

    def take_back(self) -> int:
        """Wait for the client to go, make it go, and have the terminal as it was.

        Returns its exit status.
        """
        for number in (0, signal.SIGTERM, signal.SIGKILL):
            self._child.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(PATIENCE)
                break
        if self._child.returncode:
            with suppress(OSError):
                os.write(self._tty, SANE if self.is_screen else LINE)
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self._tty, termios.TCSADRAIN, self._mode)
        self._undo()
        return self._child.returncode or 0

    def abandon(self) -> None:
        """Forget it: this is a forked child, and the terminal is the parent's to restore."""
        for number in (self._tty, self._lock):
            if number >= 0:
                os.close(number)

    def _undo(self) -> None:
        if self._redirection is not None:
            self._redirection.undo()
        for call in guest.after_lending:
            call()
        for number in (self._tty, self._lock):
            if number >= 0:
                os.close(number)

    def _await_turn(self) -> None:
        """One process at a time has a client on a terminal: ranks share one."""
        try:
            place = endpoint.folder() / f"terminal-{os.getsid(0)}"
            self._lock = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (LinkError, OSError):
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(
                f"gradrepl: process {os.getpid()} stops, and waits for the terminal that another"
                " stopped process has.",
                file=sys.stderr,
            )
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def _start(self, link: int) -> subprocess.Popen[bytes]:
        pipes = self._redirection
        here = endpoint.Endpoint(
            pid=os.getpid(),
            link=link,
            screen=self.is_screen,
            outputs=pipes.outputs if pipes else (),
            input=pipes.input if pipes else -1,
        )
        root = str(Path(__file__).resolve().parent.parent.parent)
        return subprocess.Popen(
            [sys.executable, "-P", "-c", CHILD.format(root=root)],
            stdin=self._tty,
            stdout=self._tty,
            stderr=self._tty,
            pass_fds=(link, *(pipes.shared if pipes else ())),
            env={**os.environ, endpoint.VARIABLE: msgspec.json.encode(here).decode()},
        )


class Redirection:
    """Standard streams that are the terminal become pipes; others stay as they are."""

    def __init__(self, reads_input: Callable[[], None]) -> None:
        self.outputs: tuple[int, ...] = ()
        """For descriptor 1 and 2 the read end of its pipe, -1 where it is no terminal."""
        self.input = -1
        """The write end of standard input's pipe, -1 if that is no terminal."""
        self._kept: dict[int, int] = {}
        script.flush()
        self.outputs = tuple(self._pipe(number) for number in (1, 2))
        self._stdin = sys.stdin
        if os.isatty(0):
            self._keep(0)
            read, self.input = os.pipe()
            os.dup2(read, 0)
            os.close(read)
            script.share_input(reads_input)
        self._ours = sys.stdin

    @property
    def shared(self) -> tuple[int, ...]:
        """The pipes' ends that the client gets."""
        return tuple(number for number in (*self.outputs, self.input) if number >= 0)

    def handed_over(self) -> None:
        """The client has its copies: its end of the input is its own."""
        if self.input >= 0:
            os.close(self.input)
            self.input = -1

    def undo(self) -> None:
        """Put everything back; what nobody has read goes to the terminal."""
        self.handed_over()
        if sys.stdin is self._ours:
            sys.stdin = self._stdin
        script.flush()
        for number, kept in self._kept.items():
            os.dup2(kept, number)
            os.close(kept)
        for pipe, number in zip(self.outputs, (1, 2), strict=True):
            if pipe >= 0 and not _copy(pipe, number):
                # A process that was started meanwhile still writes into the pipe.
                threading.Thread(
                    target=_copy, args=(pipe, number, True), name="gradrepl-output", daemon=True
                ).start()
        self._kept.clear()
        self.outputs = (-1, -1)

    def _pipe(self, number: int) -> int:
        if not os.isatty(number):
            return -1
        self._keep(number)
        read, write = os.pipe()
        os.dup2(write, number)
        os.close(write)
        return read

    def _keep(self, number: int) -> None:
        try:
            self._kept[number] = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, HIGH)
        except OSError:
            self._kept[number] = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)


def _copy(pipe: int, number: int, wait: bool = False) -> bool:
    """Write what is in ``pipe`` to ``number``; True, and it is closed, if nobody else writes.

    With ``wait``, in a thread of its own: until nobody does.
    """
    if wait:
        leave_signals()
    os.set_blocking(pipe, wait)
    try:
        while data := os.read(pipe, 1 << 16):
            os.write(number, data)
    except BlockingIOError:
        return False
    except OSError:
        pass  # the terminal is gone
    os.close(pipe)
    return True
