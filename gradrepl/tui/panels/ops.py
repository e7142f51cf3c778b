"""The list of forward ops: what ran, what it made, in which module."""

from __future__ import annotations

from typing import ClassVar

from gradrepl.draw import ink, lists
from gradrepl.draw.ink import Line, span
from gradrepl.model import OpRow
from gradrepl.tui.panels.rows import RowList

WELCOME = (
    ("Nothing has run here yet.", ""),
    ("", ""),
    ("  i          type Python below, as loss.backward()", "dim"),
    ("  :load F    run a script, stopped before its first op", "dim"),
    ("  :examples  short scripts that each teach one thing", "dim"),
    ("  :tour      three minutes that show how it works", "dim"),
    ("  ?          what is seen here, keys and commands", "dim"),
)
STARTING = (("torch is being imported.", ""),)
STOPPED = (
    ("No op is recorded yet: that begins with", ""),
    ("", ""),
    ("  s          the next op of your code; n goes over modules", "dim"),
    ("  :b nan     and c: to where the first nan is born", "dim"),
)
RUNNING = (
    ("Your code runs.", ""),
    ("", ""),
    ("  ^c         pause it at its next op", "dim"),
    ("  o          what it prints", "dim"),
)


class OpList(RowList[OpRow]):
    """The recorded forward ops, the newest at the end."""

    NAME: ClassVar[str] = "Ops"
    HELP: ClassVar[str] = (
        "The calls of torch's API that your code made, oldest first. ✓ has run; ● is where the "
        "program stands: its result is in 'out' (or 'about to run' says that it comes next). "
        "Indented rows ran inside the one above; 'module' is the path in your model, and 'line' "
        "the line of your file."
    )
    when = "after"
    doing = ""
    """Why there may be no row yet: 'starting', 'running', 'stopped', or nothing."""

    def do(self, doing: str) -> None:
        """Say what goes on while the list is empty."""
        if doing != self.doing:
            self.doing = doing
            if not self.total:
                self.refresh()

    def draw_head(self, width: int) -> Line:
        """Return the column titles."""
        return lists.op_head(width, self.digits)

    def draw_row(self, row: OpRow, index: int, width: int) -> Line:
        """Return one op."""
        return lists.op_row(row, index == self.here, self.when, width, self.digits)

    def draw_empty(self, width: int) -> list[Line]:
        """Say how to begin."""
        texts = {"starting": STARTING, "running": RUNNING, "stopped": STOPPED}.get(
            self.doing, WELCOME
        )
        return [ink.fit([span(" " + text, role)], width) for text, role in texts]
