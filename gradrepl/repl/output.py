"""Where the line clients write: Rich on standard output, or one JSON object per record."""

from __future__ import annotations

import os
import sys

from rich.console import Console

from gradrepl import draw, model
from gradrepl.draw import ink
from gradrepl.draw.answers import progress
from gradrepl.launch import Options
from gradrepl.repl.paint import painted


class Output:
    """Shows records on standard output, each one whole and at once."""

    def __init__(self, options: Options) -> None:
        self._json = options.json
        self._look = draw.Look(plain=options.plain, ascii=options.ascii)
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
        """Print one record. A reader that has gone away is no error of ours."""
        if isinstance(record, model.Progress):
            self._progress(record)
            return
        try:
            self._wipe()
            if self._json:
                # In one piece: the debuggee may be writing to the same pipe.
                sys.stdout.write(model.to_json(record) + "\n")
                sys.stdout.flush()
            else:
                self._draw(record)
                sys.stdout.flush()
        except BrokenPipeError:
            self._end()

    def _draw(self, record: model.Record) -> None:
        """Print its lines; long ones are left to the terminal, so that they can be copied."""
        text = painted(draw.lines(record, self._look), colour=not self._look.plain)
        self._console.print(text, soft_wrap=True, end="")

    def _progress(self, record: model.Progress) -> None:
        """Draw one line that the next one replaces; where there is no terminal, nothing.

        A screen reader gets the last one only.
        """
        try:
            if self._look.plain and not self._json:
                if record.over:
                    self._draw(record)
            elif self._moves and not self._json:
                self._wipe()
                if not record.over:
                    room = draw.Look(width=self._console.width - 3, ascii=self._look.ascii)
                    sys.stdout.write(ink.plain(progress(record, room)))
                    self._drawn = True
            sys.stdout.flush()
        except BrokenPipeError:
            self._end()

    def _wipe(self) -> None:
        """Take away the line about progress."""
        if self._drawn:
            self._drawn = False
            sys.stdout.write("\r\x1b[K")

    def _end(self) -> None:
        # The rest has no reader either; keep Python from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
