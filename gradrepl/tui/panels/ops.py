"""The list of forward ops: what ran, what it made, in which module."""

from __future__ import annotations

from typing import ClassVar

from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.model import OpRow
from gradrepl.tui import figures
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


def columns(width: int, digits: int = 3) -> tuple[int, int, int, int, int]:
    """Return the cells of op, out, dtype, module and line for a list this wide."""
    dtype, line = (5 if width >= 60 else 0), (6 if width >= 52 else 0)
    rest = max(20, width - digits - 3 - dtype - line)
    op, out = max(8, rest * 34 // 100), max(9, rest * 34 // 100)
    op, out = min(op, 24), min(out, 20)
    return op, out, dtype, max(4, rest - op - out), line


def head(width: int, digits: int = 3) -> Line:
    """Return the titles of the columns."""
    op, out, dtype, module, line = columns(width, digits)
    text = f" {ink.right('#', digits + 1)} {ink.pad('op', op)}{ink.pad('out', out)}"
    text += ink.pad("dt", dtype) + ink.pad("module", module) + ink.right("line", line)
    return [(text, "title")]


def draw(row: OpRow, here: bool, when: str, width: int, digits: int = 3) -> Line:
    """Return one op as a row; ``when`` is 'before' while the op here has not run."""
    op, out, dtype, module, line = columns(width, digits)
    mark, role = ("●", "here") if here else ("✓", "done")
    name = "  " * row.depth + row.name
    shape = figures.shape(row.shape)
    if len(shape) >= out:
        shape = figures.tight(row.shape)
    if here and when == "before":
        shape = "about to run" if out > 12 else "next"
    where = f"{row.module} {row.note}".strip()
    if ink.width([(where, "")]) >= module:
        where = row.module or row.note
    return [
        (mark, role),
        (ink.right(str(row.id), digits + 1) + " ", "dim"),
        (ink.pad(ink.clip(name, op - 1), op), "here" if here else "name"),
        (ink.pad(ink.clip(shape, out - 1), out), "dim" if here and when == "before" else ""),
        (ink.pad(figures.dtype(row.dtype), dtype), "dim"),
        (ink.pad(ink.tail(where, module - 1), module), "bad" if "!" in row.note else "module"),
        (ink.right(str(row.line or ""), line), "dim"),
    ]


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
        return head(width, self.digits)

    def draw_row(self, row: OpRow, index: int, width: int) -> Line:
        """Return one op."""
        return draw(row, index == self.here, self.when, width, self.digits)

    def draw_empty(self, width: int) -> list[Line]:
        """Say how to begin."""
        texts = {"starting": STARTING, "running": RUNNING, "stopped": STOPPED}.get(
            self.doing, WELCOME
        )
        return [ink.fit([span(" " + text, role)], width) for text, role in texts]
