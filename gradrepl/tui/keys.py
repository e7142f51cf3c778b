"""The keys of the pane state as data: every key has an id and a word that does the same.

Those that do a command are on the command (``@command(key=...)``); those of the screen stand here,
each with a word of its own that is typed as ``:word``, which the app understands before the
conversation does; those of one page are in its row of :mod:`gradrepl.tui.views`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.binding import Binding, BindingsMap
from textual.dom import DOMNode
from textual.keys import _character_to_key, key_to_character

if TYPE_CHECKING:
    from gradrepl.commands.registry import Command

NOW: dict[str, str] = {}
"""By id: keys that are others than those in the tables, by a preset or the user's own."""
BY_ID: dict[str, Key] = {}
"""Every key that there is: those of commands, of the screen, of single pages."""
OPENING = ("type", "prefill", "find", "keep", "change")
"""Actions that may begin a text: they must be done before the next key is given out, and while one
is being typed their keys are its letters."""
INSTEAD = {"restart": "restart", "quit": "ask_quit"}
"""Actions that ask before they do a command."""


@dataclass(frozen=True)
class Key:
    """One key, or several for the same."""

    id: str
    """'step.cursor': its group in the help, and its name in it."""
    keys: str
    action: str
    word: str
    """What is typed for the same, without the colon."""
    help: str
    group: str = ""
    """Where it is listed, unless its id says that."""

    def __post_init__(self) -> None:
        BY_ID[self.id] = self

    @property
    def binding(self) -> Binding:
        """Return it as Textual wants it."""
        first = self.action.partition("(")[0] in OPENING or self in PRIORITY
        return Binding(self.keys, self.action, self.help, show=False, id=self.id, priority=first)

    @property
    def now(self) -> str:
        """Its keys, after the user's own."""
        return NOW.get(self.id, self.keys)

    @property
    def shown(self) -> str:
        """Return its keys as a person writes them."""
        return " ".join(pretty(key) for key in self.now.split(","))


def bind(node: DOMNode, keys: Iterable[Key]) -> None:
    """Bind keys on the app or a page that exists."""
    fresh = BindingsMap(key.binding for key in keys)
    node._bindings = BindingsMap.merge([node._bindings, fresh])


_NAMES = {
    "slash": "/",
    "space": "Space",
    "escape": "Esc",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
}


def pretty(key: str) -> str:
    """Return a key as a person writes it.

    >>> [pretty(key) for key in ("ctrl+p", "question_mark", "shift+f3", "home", "pageup")]
    ['^p', '?', 'Shift+F3', 'Home', 'PgUp']
    """
    if key.startswith("ctrl+"):
        return "^" + key.removeprefix("ctrl+")
    if key.startswith("shift+"):
        return "Shift+" + pretty(key.removeprefix("shift+"))
    return _NAMES.get(key) or key_to_character(key) or key.capitalize()


def names_of(keys: str) -> str:
    """Return Textual's names of keys that are written as one character, which commas part."""
    return ",".join(_character_to_key(key) if len(key) == 1 else key for key in keys.split(","))


@dataclass(frozen=True)
class Foot:
    """One entry of the footer: keys of the table, by id, or one that is in no table."""

    label: str
    ids: tuple[str, ...] = ()
    keys: str = ""
    """What is shown while they are bound as in the table, or where they are in none."""
    does: str = ""
    """The action of a key that is in no table."""

    @property
    def rows(self) -> list[Key]:
        """The keys that it names."""
        return [BY_ID[id] for id in self.ids]

    @property
    def action(self) -> str:
        """What a click on it does."""
        return self.rows[0].action if self.ids else self.does

    @property
    def shown(self) -> str:
        """Its keys as they are bound now."""
        if self.keys and not any(id in NOW for id in self.ids):
            return self.keys
        shown = [pretty(key.now.partition(",")[0]) for key in self.rows]
        return ("" if all(len(key) == 1 for key in shown) else " ").join(shown)


STEP = Foot("step", ("command.step", "command.next", "command.return", "command.continue"))
MOVE = Foot("Move", ("command.up", "command.down"))
BREAK = Foot("Break", ("step.breakpoint",))
DISPLAY = Foot("Display", ("command.display",))
FINISH = Foot("Finish", ("command.finish",))
FIND = Foot("Find", ("look.find",))
COMMAND = Foot("Cmd", ("screen.command",))
HELP = Foot("Help", ("screen.keys",))
QUIT = Foot("Quit", ("screen.quit",))
TYPE = Foot("Type", ("screen.type",))
MAXIMISE = Foot("Maximise", ("screen.maximise",))
COPY = Foot("Copy", ("look.copy",))
PALETTE = Foot("palette", keys="^p", does="command_palette")
VERSIONS = Foot("Versions", ("look.versions",))
LEAVE = Foot("Leave", ("screen.leave",), "esc")
LIVE = Foot("Live", ("move.live",))
KEEP = Foot("Keep", ("look.keep",))
TO_CURSOR = Foot("Run to it", ("step.cursor",))

OWN = (
    Key("step.cursor", "t", "run_to_cursor", "until", "Run to this node, or this op again"),
    Key("step.breakpoint", "b,f9", "breakpoint", "break", "Set or clear a breakpoint here"),
    Key("look.chain", "H", "chain", "chain", "How: every path from the loss to here"),
    Key(
        "look.verify",
        "V",
        "verify_here",
        "verify-here",
        "Verify: compare this derivative with finite differences",
    ),
    Key(
        "look.versions",
        "v",
        "versions_here",
        "versions-here",
        "Versions: who wrote to this tensor, who saved it",
    ),
    Key("look.find", "slash", "find", "find", "Find in the list"),
    Key("look.hit", "full_stop", "hit(1)", "hit +1", "Next hit"),
    Key("look.hit_back", "comma", "hit(-1)", "hit -1", "Previous hit"),
    Key("look.keep", "K", "keep", "keep", "Keep the gradient of what this op made"),
    Key("look.change", "e", "change", "change", "Change a gradient or a value, for this run"),
    Key("look.edit", "E", "edit", "editor", "Open $EDITOR at the line"),
    Key("look.copy", "y", "copy_pane", "copy", "Copy the text of the pane"),
    Key("look.copy_python", "Y", "copy_python", "copy python", "Copy the pane as Python"),
    Key("move.down", "j,down", "move(1)", "row +1", "Down a row"),
    Key("move.up", "k,up", "move(-1)", "row -1", "Up a row"),
    Key("move.page_down", "pagedown,ctrl+f", "page(1.0)", "page +1", "Down a page"),
    Key("move.page_up", "pageup,ctrl+b", "page(-1.0)", "page -1", "Up a page"),
    Key("move.half_down", "ctrl+d", "page(0.5)", "page +0.5", "Down half a page"),
    Key("move.half_up", "ctrl+u", "page(-0.5)", "page -0.5", "Up half a page"),
    Key("move.top", "g,home", "edge(0)", "top", "First row"),
    Key("move.bottom", "G,end", "edge(-1)", "bottom", "Last row"),
    Key("move.earlier", "left_square_bracket", "history(-1)", "earlier", "Earlier op or node"),
    Key("move.later", "right_square_bracket", "history(1)", "later", "Later op or node"),
    Key("move.module_back", "left_curly_bracket", "module(-1)", "module -1", "Module before"),
    Key("move.module", "right_curly_bracket", "module(1)", "module +1", "Module after"),
    Key("move.live", "L", "live", "live", "Back to where we stand"),
    Key("move.right", "l,right", "sideways(8)", "side +8", "Right"),
    Key("move.left", "h,left", "sideways(-8)", "side -8", "Left"),
)
"""The keys that do something with the selection, or move about."""
SCREEN = (
    Key("screen.output", "o", "output", "output", "Program output and back"),
    Key("screen.type", "i", "type('')", "type", "Type in the REPL"),
    Key("screen.command", "colon", "type(':')", "type :", "Type a command"),
    Key("screen.python", "exclamation_mark", "type('!')", "type !", "Type Python"),
    Key("screen.leave", "escape", "leave", "leave", "Leave typing, restore the pane"),
    Key("screen.maximise", "m", "maximise", "maximise", "Maximise the pane"),
    Key("screen.dock", "f2", "dock", "dock", "Show or hide the REPL"),
    Key("screen.editor", "ctrl+o", "large", "large", "REPL in full height"),
    Key("screen.keys", "question_mark,f1", "keys", "keys", "All keys and commands"),
    Key("screen.redraw", "ctrl+l", "redraw", "redraw", "Redraw the screen"),
    Key("screen.suspend", "ctrl+z", "suspend_process", "suspend", "Suspend gradrepl"),
    Key("screen.theme", "T", "next_theme", "theme", "Dark or light"),
    Key("screen.quit", "q", "ask_quit", "quit", "Quit"),
)
"""The keys of the screen itself, but for those that open a page."""
TYPING = (
    ("Enter", "run the entry when it is complete, else a new line"),
    ("^j Alt+Enter", "a new line"),
    ("Tab", "complete"),
    ("↑ ↓ ^p ^n", "earlier and later entries"),
    ("^r", "search the history"),
    ("→", "take the suggestion"),
    ("^a ^e ^k ^u ^w", "as in a shell"),
    ("^c", "interrupt; copy the selection; clear the line"),
    ("^d", "quit, on an empty line"),
    ("Esc", "back to the panes"),
)
"""Keys of the typing state, for the help."""
PRIORITY = (
    Key("app.break", "ctrl+c", "break_in", "", "Interrupt, copy, clear"),
    Key("app.quit", "ctrl+q", "ask_quit", "", "Quit"),
)
"""Keys that come before a focused widget."""
RESTART = Foot("Restart", ("command.restart",))
BACK = Foot("Back", ("screen.leave",), "esc")
PAUSE = Foot("Pause", keys="^c", does="break_in")
ENDS = (FIND, COMMAND, HELP, QUIT)
"""What most footers end with."""


def _editing(labels: dict[str, str]) -> tuple[Foot, ...]:
    """Return entries for keys of a text that is being typed, by what is shown of them."""
    return tuple(Foot(label, keys=shown) for shown, label in labels.items())


def _enter(label: str) -> Foot:
    return Foot(label, keys="enter", does="open_here")


FEET: dict[str, tuple[Foot, ...]] = {
    "fwd": (STEP, BREAK, DISPLAY, KEEP, *ENDS),
    "bwd": (STEP, MOVE, BREAK, FINISH, *ENDS),
    "mem": (_enter("Map"), VERSIONS, FIND, MAXIMISE, STEP, COMMAND, HELP, QUIT),
    "data": (
        Foot("Next batch", ("data.next",)),
        _enter("Sample"),
        Foot("Fetch here", ("data.fetch",)),
        Foot("Classes", ("data.classes",)),
        Foot("Again", ("data.again",)),
        *ENDS,
    ),
    "health": (
        _enter("Open"),
        Foot("Why", ("health.why",)),
        BREAK,
        Foot("Watch", ("health.grads",)),
        Foot("Picture", ("health.turn",)),
        *ENDS,
    ),
    "log": (Foot("Back", ("screen.output",)), FIND, COPY, COMMAND, HELP, QUIT),
    "away": (LIVE, STEP, BREAK, TO_CURSOR, *ENDS),
    "reading": (BACK, Foot("Move", ("move.down", "move.up"), "j k"), FIND, COPY, TYPE),
    "idle": (TYPE, COMMAND, BREAK, FIND, HELP, QUIT),
    "exception": (
        Foot("Frames", ("command.up", "command.down")),
        Foot("Print", ("command.print",)),
        Foot("Where", ("command.where",)),
        RESTART,
        *ENDS,
    ),
    "running": (PAUSE, Foot("Output", ("screen.output",)), HELP, QUIT),
    "typing": (
        *_editing({"enter": "Run", "tab": "Complete", "↑↓": "History"}),
        *_editing({"^r": "Search", "^j": "New line"}),
        LEAVE,
    ),
    "input": (*_editing({"enter": "Give the line", "^d": "End"}), LEAVE),
    "finding": (*_editing({"enter": "Find", ". ,": "Next, previous"}), LEAVE),
    "help": (Foot("Scroll", keys="jk"), Foot("Close", keys="esc", does="screen.dismiss")),
    "asked": (
        Foot("Yes", keys="y", does="screen.answer(True)"),
        Foot("No", keys="n", does="screen.answer(False)"),
    ),
    "changing": (*_editing({"enter": "Next", "tab": "Cancel or write", "esc": "Cancel"}),),
    "gone": (RESTART, *ENDS),
}
"""Entries of the footer by page or state; the important ones come first and go last."""
FIRST = ("Quit", "Help", "Cmd", "step", "Leave", "Run", "Type", "Pause", "Live", "Break")
"""Labels that stay longest when there is no room."""


def action_of(command: Command) -> str:
    """Return what a key, or a row of the palette, does for a command."""
    if command.name in INSTEAD:
        return INSTEAD[command.name]
    return f"{'prefill' if command.begins else 'send'}('{command.name}')"


def of_commands() -> list[Key]:
    """Return the keys that do commands. They are not there for the first frame: it loads none."""
    from gradrepl.commands.table import COMMANDS

    return [
        Key(
            f"command.{each.name}",
            names_of(each.key.keys),
            action_of(each),
            each.name,
            each.key.help,
            "Step" if each.group == "Stepping" else "Look",
        )
        for each in COMMANDS.values()
        if each.key is not None and not each.key.page
    ]
