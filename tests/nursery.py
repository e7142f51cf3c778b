"""Programs and debuggees that start in milliseconds: forked from a process that has torch."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from debuggee import ROOT, SECONDS, Debuggee, debuggee

from gradrepl.launch import large_stack

SERVER = ROOT / "tests" / "_fork_server.py"


class Outcome(NamedTuple):
    """What can be seen of a program from outside."""

    stdout: str
    stderr: str
    code: int


class Child:
    """A process of the nursery's; the part of ``Popen`` that tests use."""

    stdin = stdout = stderr = None

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery, self.pid = nursery, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status if it has ended; negative for a signal."""
        return self._status(wait=False)

    def wait(self, timeout: float = SECONDS) -> int:
        """Return the exit status at its end."""
        code = self._status(wait=True)
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def _status(self, wait: bool) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.ask({"child": self.pid, "wait": wait})
        return self.returncode


class Nursery:
    """A process that forks one for each program, and what those have left behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = 0
        self._bare: dict[tuple[str, ...], tuple[Child, Path]] = {}
        self._outcomes: dict[tuple[str, ...], Outcome] = {}
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        with large_stack():
            self._commands, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._server = subprocess.Popen(
                    [sys.executable, SERVER], env=environment, stdin=theirs,
                    stdout=subprocess.PIPE,
                )  # fmt: skip

    def ask(self, command: dict[str, Any], *descriptors: int) -> Any:
        """Return the server's answer; ``descriptors`` go with the command."""
        assert self._server.stdout is not None
        socket.send_fds(self._commands, [json.dumps(command).encode()], descriptors)
        ready, _, _ = select.select([self._server.stdout], [], [], SECONDS)
        if not ready and "child" in command:
            os.kill(command["child"], signal.SIGKILL)
        return json.loads(self._server.stdout.readline())

    def fork(
        self, name: str, argv: tuple[str, ...] = (), about: Any = None, **environment: str
    ) -> tuple[Child, Path]:
        """Start a script, or a debuggee, told ``about``; what it prints goes below the path."""
        self._started += 1
        path = self._folder / f"{self._started}-{name}"
        path.mkdir()
        command = {
            "argv": argv, "about": about, "environment": environment, "stdin": "/dev/null",
            "stdout": str(path / "out"), "stderr": str(path / "err"),
        }  # fmt: skip
        return Child(self, self.ask(command, *([about["link"]] if about else []))), path

    def start(self, *argv: str) -> None:
        """Start a script alone, once; it runs beside what else is done."""
        if argv not in self._bare:
            self._bare[argv] = self.fork(f"bare-{Path(argv[-1]).stem}", argv)

    def outcome(self, *argv: str) -> Outcome:
        """Return what the script does alone."""
        if argv not in self._outcomes:
            self.start(*argv)
            self._outcomes[argv] = _outcome(*self._bare[argv])
        return self._outcomes[argv]

    def debugged(
        self, *argv: str, go: Callable[[Debuggee], object], reads: str = "tty", **environment: str
    ) -> tuple[Outcome, Debuggee]:  # fmt: skip
        """Run a script in a debuggee, from its first stop on with ``go``."""

        def load(d: Debuggee) -> None:
            d.load(*argv)
            go(d)

        return self.inside(Path(argv[-1]).stem, load, reads, **environment)

    def inside(
        self, name: str, go: Callable[[Debuggee], object], reads: str = "tty", **environment: str
    ) -> tuple[Outcome, Debuggee]:  # fmt: skip
        """Do ``go`` in a debuggee in which nothing has run yet."""
        found: list[tuple[Child, Path]] = []

        def begin(about: dict[str, Any]) -> Child:
            found.append(self.fork(f"debugged-{name}", about=about, **environment))
            return found[0][0]

        with debuggee(warm=False, start=begin, reads=reads) as d:
            go(d)
            d.quit()
        return _outcome(*found[0]), d

    def close(self) -> None:
        """End it."""
        assert self._server.stdout is not None
        self._commands.close()
        self._server.wait(SECONDS)
        self._server.stdout.close()


def _outcome(child: Child, path: Path) -> Outcome:
    code = child.wait()
    texts = ((path / kind).read_bytes().decode() for kind in ("out", "err"))
    return Outcome(*texts, code)


@contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    """Have one, with its files in ``folder``."""
    found = Nursery(folder)
    try:
        yield found
    finally:
        found.close()
