"""The user's terminal, lent to a face that is a child of this process.

It is reached as ``/dev/tty``, so that redirected streams do not matter, and it comes back as it
was, whatever becomes of the child.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gradrepl import guest, meeting, screen
from gradrepl.errors import LinkError
from gradrepl.guest.redirection import Redirection, flush

PATIENCE = 5.0
"""Seconds that a face gets to leave the terminal."""
_MODES = (1049, 1000, 1002, 1003, 1004, 1006, 1015, 1016, 2004, 2026, 2048)
SANE = (
    b"\x18"  # CAN: the killed screen may have been in the middle of a control sequence
    + b"".join(b"\x1b[?%dl" % mode for mode in _MODES)
    + b"\x1b[<u\x1b[?7h\x1b[?25h\x1b[0m"
)
"""Out of what a killed screen leaves on: its page, the mouse, keys, no line wrap, colours."""
CHILD = "import sys; sys.path.append({root!r}); from gradrepl.visit import main; sys.exit(main())"


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
    """One lending of the terminal: from a stop to where the program runs on."""

    def __init__(self, name: str, reads_input: Callable[[], None]) -> None:
        self._lock = -1
        self._redirection: Redirection | None = None
        self._tty = os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        for call in guest.before_lending:
            call()
        try:
            self._await_turn()
            flush()
            self._mode = termios.tcgetattr(self._tty)
            self.is_screen = self._wants_screen()
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
        """Wait for the face to go, make it go, and have the terminal as it was.

        Returns its exit status.
        """
        for number in (0, signal.SIGTERM, signal.SIGKILL):
            self._child.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(PATIENCE)
                break
        if self._child.returncode:
            with suppress(OSError):
                os.write(self._tty, SANE if self.is_screen else b"\x1b[?2004l\x1b[?25h\x1b[0m")
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
        """One process at a time has a face on a terminal: ranks share one."""
        try:
            place = meeting.folder() / f"terminal-{os.getsid(0)}"
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

    def _wants_screen(self) -> bool:
        face = os.environ.get("GRADREPL_FACE", "")
        return face != "repl" and screen.has_screen(self._tty)

    def _start(self, link: int) -> subprocess.Popen[bytes]:
        pipes = self._redirection
        about = meeting.Meeting(
            pid=os.getpid(),
            link=link,
            outputs=pipes.outputs if pipes else (),
            input=pipes.input if pipes else -1,
        )
        root = str(Path(__file__).resolve().parent.parent.parent)
        face = "tui" if self.is_screen else "repl"
        kept = (link, *(pipes.shared if pipes else ()))
        return subprocess.Popen(
            [sys.executable, "-P", "-c", CHILD.format(root=root)],
            stdin=self._tty, stdout=self._tty, stderr=self._tty, pass_fds=kept,
            env={**os.environ, meeting.VARIABLE: meeting.encoded(about), "GRADREPL_FACE": face},
        )  # fmt: skip
