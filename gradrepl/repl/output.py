"""Where the line clients write: Rich on standard output, or one JSON object per record.

The text of a drawing is taken as it is: a user's ``[/b]`` is never markup.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.style import Style
from rich.text import Text

from gradrepl import draw, model
from gradrepl.draw import ink
from gradrepl.draw.answers import progress
from gradrepl.draw.ink import Line, Role
from gradrepl.launch import Options

STYLES = {
    **dict.fromkeys(("dim", "ahead", "comment"), "dim"),
    **dict.fromkeys(("title", "here", "key"), "bold"),
    **dict.fromkeys(("name", "done", "good", "string"), "green"),
    **dict.fromkeys(("module", "keyword"), "blue"),
    **{"number": "cyan", "leaf": "magenta", "warn": "yellow", "bad": "red"},
}
"""The style of each role at the prompt."""


def painted(lines: Iterable[Line], colour: bool = True) -> Text:
    """Return ``lines`` as one text; without ``colour`` only their characters."""
    text = Text(no_wrap=True, end="")
    for line in lines:
        for part, role in line:
            text.append(part, _style(role) if colour else "")
        text.rstrip()
        text.append("\n")
    return text


def _style(role: Role) -> str | Style:
    if isinstance(role, tuple):  # the brightness of the upper and the lower half of a cell
        upper, lower = (f"rgb({level},{level},{level})" for level in role)
        return Style(color=upper, bgcolor=lower)
    return STYLES.get(role, "") if isinstance(role, str) else ""


def fresh_line() -> str:
    """Return what begins a line on a terminal where the program may have left one unfinished.

    A full line of blanks wraps exactly then, and the return takes back the rest.
    """
    return " " * shutil.get_terminal_size().columns + "\r" if sys.stdout.isatty() else ""


class Output:
    """Shows records on standard output, each one whole and at once."""

    def __init__(self, options: Options) -> None:
        if sys.stdout is None:  # it was closed
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # whatever its encoding lacks
        self._json = options.json
        self._look = draw.Look(plain=options.plain, ascii=options.ascii)
        self._unfinished = False
        """The program's output has ended within a line."""
        self._drawn = False
        """The cursor is at the end of a line about progress."""
        forced = bool(os.environ.get("FORCE_COLOR")) and options.color
        self._console = Console(
            markup=False,
            emoji=False,
            highlight=False,
            no_color=not options.color,
            color_system="auto" if options.color else None,
            force_terminal=True if forced else None,
        )

    @property
    def _moves(self) -> bool:
        """Is this a terminal on which a line can be replaced?"""
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def show(self, record: model.Record) -> None:
        """Print one record. What cannot be written is no error of ours: the program goes on."""
        with self._guarded():
            if isinstance(record, model.Progress):
                self._progress(record)
            else:
                self._wipe()
                self._write(record)
            sys.stdout.flush()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # The rest has no reader either; keep Python from complaining when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError):
                with suppress(OSError):
                    os.write(2, f"gradrepl: nothing can be written: {error.strerror}.\n".encode())

    def printed(self, stream: str, data: bytes) -> None:
        """Pass on what the program printed, where it comes through us."""
        self._unfinished = not data.endswith(b"\n")
        with self._guarded():
            sys.stdout.buffer.write(data)
            sys.stdout.flush()

    def _write(self, record: model.Record) -> None:
        """Print it; long lines are left to the terminal, so that they can be copied."""
        start, self._unfinished = "\n" if self._unfinished else "", False
        if self._json:  # in one piece: the debuggee may be writing to the same terminal
            sys.stdout.write(f"{start or fresh_line()}{model.to_json(record)}\n")
            return
        sys.stdout.write(start)
        text = painted(draw.lines(record, self._look), colour=not self._look.plain)
        self._console.print(text, soft_wrap=True, end="")

    def _progress(self, record: model.Progress) -> None:
        """Draw one line that the next one replaces; where there is no terminal, nothing.

        A screen reader gets the last one only.
        """
        if self._json:
            return
        if self._look.plain:
            if record.over:
                self._write(record)
        elif self._moves:
            self._wipe()
            if not record.over:
                room = draw.Look(width=self._console.width - 3, ascii=self._look.ascii)
                sys.stdout.write(ink.plain(progress(record, room)))
                self._drawn = True

    def _wipe(self) -> None:
        """Take away the line about progress."""
        if self._drawn:
            self._drawn = False
            sys.stdout.write("\r\x1b[K")
