"""A client on a terminal of its own, for tests that kill and interrupt it; and what it leaves."""

from __future__ import annotations

import os
import re
import shlex
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests")]

import terminal  # noqa: E402

terminal.SECONDS = 300
"""However busy the machine is."""

ON = re.compile(rb"\x1b\[\?(1049|1000|1002|1003|1006|1015|2004)([hl])|\x1b\[\?(25)([hl])")
OURS = re.compile(r'File "[^"]*/gradrepl/[^"]*", line|Internal error')


class Run(terminal.Terminal):
    """``gradrepl`` below a shell, in a folder that holds all that it may leave behind."""

    def __init__(self, folder: Path, words: list[str]) -> None:
        self.folder = folder
        (folder / "tmp").mkdir()
        environment = {
            **os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "HOME": str(folder),
            "XDG_STATE_HOME": str(folder), "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": str(ROOT), "PROMPT_TOOLKIT_NO_CPR": "1", "TEXTUAL_ANIMATIONS": "none",
        }  # fmt: skip
        command = shlex.join([sys.executable, "-m", "gradrepl", *words])
        # A shell between, which goes on: its end would hang up the terminal.
        program = f"trap '' INT HUP; (trap - INT HUP; exec {command}); echo $? > code; cat"
        self.raw = b""
        super().__init__(["-c", program], environment, 40, 120, program="/bin/sh")
        self.mode = termios.tcgetattr(self.child.child_fd)
        read = self.child.read_nonblocking

        def noted(*arguments: object, **more: object) -> bytes:
            data: bytes = read(*arguments, **more)
            self.raw += data
            return data

        self.child.read_nonblocking = noted

    def client(self) -> int:
        """Return the client's process, 0 while there is none."""
        for pid in children(self.child.pid):
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().startswith("python"):
                    return pid
        return 0

    @property
    def code(self) -> int | None:
        """What the shell saw of the client's end; None while it is there."""
        written = self.folder / "code"
        text = written.read_text() if written.exists() else ""
        return int(text) if text.endswith("\n") else None

    def over(self) -> bool:
        """Has the client ended?"""
        return self.code is not None

    def wait_for_stop(self) -> None:
        """Wait for the first stop, also by Ctrl-C in an import, or for the end."""
        stops = ("train.py:", "interrupt")
        self.draw_until(lambda: any(s in self.text for s in stops) or self.over(), "the first stop")

    def draw_for(self, seconds: float) -> None:
        """Draw for a while."""
        end = time.monotonic() + seconds
        self.draw_until(lambda: time.monotonic() > end, "a moment")

    def sees(self, text: str, seconds: float) -> bool:
        """Draw until ``text`` is on the screen, or for so long."""
        end = time.monotonic() + seconds
        self.draw_until(lambda: text in self.text or time.monotonic() > end, text)
        return text in self.text

    def check_nothing_left(self) -> None:
        """The terminal is as it was, and there are no processes and no files of the run."""
        self.draw_until(lambda: not self.alive(), "the end of all processes")
        self.draw_until(lambda: termios.tcgetattr(self.child.child_fd) == self.mode, "the terminal")
        self.draw_for(0.2)
        left = {}
        for match in ON.finditer(self.raw):
            left[match[1] or match[3]] = match[2] or match[4]
        assert left.pop(b"25", b"h") == b"h", "the cursor is hidden"
        assert set(left.values()) <= {b"l"}, left
        assert list((self.folder / "tmp").iterdir()) == []
        self.check_words()

    def check_words(self) -> None:
        """No traceback of ours was seen."""
        said = self.text + self.raw.decode(errors="replace")
        ours = OURS.search(said)
        assert ours is None, said[max(0, ours.start() - 3000) : ours.end() + 1500]

    def alive(self) -> list[int]:
        """Return the processes of the run, but for the shell and its ``cat``."""
        mark = f"TMPDIR={self.folder}/tmp".encode()
        found = []
        for each in Path("/proc").iterdir():
            with suppress(OSError):
                ours = each.name.isdigit() and mark in (each / "environ").read_bytes()
                if ours and (each / "comm").read_text().strip() not in ("sh", "dash", "cat"):
                    found.append(int(each.name))
        return found

    def close(self) -> None:
        """End all of it."""
        self.child.close(force=True)
        for pid in self.alive():
            with suppress(OSError):
                os.kill(pid, 9)


@contextmanager
def running(folder: Path, script: str, words: list[str]) -> Iterator[Run]:
    """Start ``gradrepl`` with a script; what went wrong is printed, and all of it is ended."""
    folder.mkdir()
    (folder / "train.py").write_text(script)
    run = Run(folder, [*words, "train.py"])
    try:
        yield run
    except BaseException:
        print(folder, words, run.text, run.raw[-2000:], sep="\n")
        raise
    finally:
        run.close()


def children(pid: int) -> Iterator[int]:
    """Yield the processes below one."""
    with suppress(OSError):
        for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(word)
