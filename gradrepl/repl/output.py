"""Where the line faces write: Rich on standard output, or one JSON object per record."""

from __future__ import annotations

import os
import sys

from rich.console import Console

from gradrepl import model
from gradrepl.launch import Options
from gradrepl.render import Look, show


class Output:
    """Shows records on standard output, each one whole and at once."""

    def __init__(self, options: Options) -> None:
        self._json = options.json
        self._look = Look(plain=options.plain, ascii=options.ascii)
        forced = bool(os.environ.get("FORCE_COLOR")) and options.color
        self._console = Console(
            markup=False,
            emoji=False,
            highlight=False,
            no_color=not options.color,
            color_system="auto" if options.color else None,
            force_terminal=True if forced else None,
        )

    def show(self, record: model.Record) -> None:
        """Print one record. A reader that has gone away is no error of ours."""
        try:
            if self._json:
                # In one piece: the debuggee may be writing to the same pipe.
                sys.stdout.write(model.to_json(record) + "\n")
                sys.stdout.flush()
            else:
                show(self._console, record, self._look)
                sys.stdout.flush()
        except BrokenPipeError:
            # The rest has no reader either; keep Python from complaining when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
