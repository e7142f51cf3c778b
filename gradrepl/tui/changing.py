"""Changing a value of this run: asked for, shown with the old value, and only then done.

No letter and no single Enter writes: what was meant for the prompt, typed while a pane had the
focus, must not end in a tensor.
"""

from __future__ import annotations

import ast
import copy
from typing import ClassVar, NamedTuple

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from gradrepl import model
from gradrepl.draw import ink
from gradrepl.tui.entries import Ask
from gradrepl.tui.panels.bars import dialog_foot

ROOM = 64
"""Cells for each of the two values."""
RUNS = (ast.Call, ast.Await, ast.NamedExpr)
"""What does more than look."""
HOW = "Enter shows the old and the new value; nothing is written before you say so."


class Assignment(NamedTuple):
    """What was typed, taken apart; old and new are expressions, as ``+=`` has them."""

    name: str
    """What is written to, without how."""
    old: ast.expr
    new: ast.expr


def assignment(text: str) -> Assignment | None:
    """Return the one assignment that ``text`` is; None where it is none, or several.

    >>> made = assignment("w.data[...] += 1")
    >>> made.name, ast.unparse(made.new)
    ('w', 'w.data[...] + 1')
    """
    try:
        (statement,) = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    match statement:
        case ast.Assign(targets=[to], value=new) if not isinstance(to, ast.Tuple | ast.List):
            pass
        case ast.AugAssign(target=to, op=op, value=value):
            new = ast.BinOp(copy.copy(to), op, value)
        case _:
            return None
    name = ast.unparse(to).removesuffix("[...]").removesuffix(".data")
    return Assignment(name, ast.parse(ast.unparse(to), mode="eval").body, new)


class Change(ModalScreen[str]):
    """Asks for an assignment, and gives it back when it is really meant; else nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", "Cancel", show=False, id="change.no")
    ]

    def __init__(self, text: str, ask: Ask) -> None:
        super().__init__()
        self._ask = ask
        self._typed = Input(text, id="change", compact=True, select_on_focus=False)
        self._shown = Static(Content(HOW), id="shown")
        self._answers = Static(id="answers")
        self._statement = ""
        """What is asked about; nothing while it is typed."""
        self._write = False
        """Which answer Enter gives."""

    def compose(self) -> ComposeResult:
        """What is typed, what it does, and the answers."""
        yield dialog_foot("changing")
        with Vertical(id="question"):
            yield Static(Content("Change a value of this run:  NAME = VALUE"))
            yield self._typed
            yield self._shown
            yield self._answers

    def on_mount(self) -> None:
        """Begin to type."""
        self._typed.focus()

    @on(Input.Submitted)
    async def _enter(self, message: Input.Submitted) -> None:
        message.stop()
        made = assignment(message.value)
        if made is None:
            self._shown.update(Content("Write one assignment: w[0, 1] = 7"))
            return
        self._statement = message.value.strip()
        self.set_focus(None)
        self._typed.disabled = True
        old, new = await self._value(made.old), await self._value(made.new)
        self._shown.update(Content(f"{made.name}: {old} -> {new}"))
        self._choose(write=False)

    async def _value(self, expression: ast.expr) -> str:
        """Return a value as text; what calls something is run once only, when it is written."""
        from gradrepl import protocol

        source = ast.unparse(expression)
        if any(isinstance(node, RUNS) for node in ast.walk(expression)):
            return ink.clip(source, ROOM)
        record = await self._ask(protocol.Print(expression=source))
        if not isinstance(record, model.Value):
            return "?"
        text = (record.tensor.values if record.tensor is not None else "") or record.text
        return ink.clip(" ".join(text.split()), ROOM)

    def _choose(self, write: bool) -> None:
        self._write = write
        marks = ("bold reverse", "dim") if not write else ("dim", "bold reverse")
        answers = ((" Cancel ", marks[0]), "  ", (" Write ", marks[1]))
        self._answers.update(Content.assemble(*answers))

    def on_key(self, event: events.Key) -> None:
        """Choose an answer; a letter cancels, as it was meant for something else."""
        if not self._statement:
            return
        event.stop()
        if event.key in ("left", "right", "tab", "shift+tab"):
            self._choose(not self._write)
        elif event.key in ("enter", "escape") or event.is_printable:
            self.dismiss(self._statement if self._write and event.key == "enter" else "")
