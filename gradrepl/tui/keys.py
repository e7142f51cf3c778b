"""The keys of the pane state as data: every key has an id and a word that does the same.

Those that do a command are on the command (``@command(key=...)``); those of the screen stand here,
each with a word of its own that is typed as ``:word``, which the app understands before the
conversation does. Footer, help, palette and the README read the one table of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding

from gradrepl.tui.key import (
    BREAK,
    COMMAND,
    COPY,
    FIND,
    HELP,
    LEAVE,
    LIVE,
    QUIT,
    STEP,
    TO_CURSOR,
    TYPE,
    Foot,
    Key,
    key_name,
)
from gradrepl.tui.views import VIEWS, View

if TYPE_CHECKING:
    from gradrepl.commands.registry import Command

INSTEAD = {"restart": "restart", "quit": "ask_quit"}
"""Actions that ask before they do a command."""


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
            ",".join(key_name(key) for key in each.key.keys.split(",")),
            action_of(each),
            each.name,
            each.key.help,
            "Step" if each.group == "Stepping" else "Look",
        )
        for each in COMMANDS.values()
        if each.key is not None
    ]


OWN = (
    Key("step.cursor", "t", "run_to_cursor", "until", "Run to this node, or this op again", "Step"),
    Key("step.breakpoint", "b,f9", "breakpoint", "break", "Set or clear a breakpoint here", "Step"),
    Key("look.chain", "H", "chain", "chain", "How: every path from the loss to here", "Look"),
    Key(
        "look.verify",
        "V",
        "verify_here",
        "verify-here",
        "Verify: compare this derivative with finite differences",
        "Look",
    ),
    Key(
        "look.versions",
        "v",
        "versions_here",
        "versions-here",
        "Versions: who wrote to this tensor, who saved it",
        "Look",
    ),
    Key("look.find", "slash", "find", "find", "Find in the list", "Look"),
    Key("look.hit", "full_stop", "hit(1)", "hit +1", "Next hit", "Look"),
    Key("look.hit_back", "comma", "hit(-1)", "hit -1", "Previous hit", "Look"),
    Key("look.keep", "K", "keep", "keep", "Keep the gradient of what this op made", "Look"),
    Key(
        "look.change", "e", "change", "change", "Change a gradient or a value, for this run", "Look"
    ),
    Key("look.edit", "E", "edit", "editor", "Open $EDITOR at the line", "Look"),
    Key("look.copy", "y", "copy_pane", "copy", "Copy the text of the pane", "Look"),
    Key("look.copy_python", "Y", "copy_python", "copy python", "Copy the pane as Python", "Look"),
    Key("move.down", "j,down", "move(1)", "row +1", "Down a row", "Move"),
    Key("move.up", "k,up", "move(-1)", "row -1", "Up a row", "Move"),
    Key("move.page_down", "pagedown,ctrl+f", "page(1.0)", "page +1", "Down a page", "Move"),
    Key("move.page_up", "pageup,ctrl+b", "page(-1.0)", "page -1", "Up a page", "Move"),
    Key("move.half_down", "ctrl+d", "page(0.5)", "page +0.5", "Down half a page", "Move"),
    Key("move.half_up", "ctrl+u", "page(-0.5)", "page -0.5", "Up half a page", "Move"),
    Key("move.top", "g,home", "edge(0)", "top", "First row", "Move"),
    Key("move.bottom", "G,end", "edge(-1)", "bottom", "Last row", "Move"),
    Key(
        "move.earlier",
        "left_square_bracket",
        "history(-1)",
        "earlier",
        "Earlier op or node",
        "Move",
    ),
    Key("move.later", "right_square_bracket", "history(1)", "later", "Later op or node", "Move"),
    Key(
        "move.module_back", "left_curly_bracket", "module(-1)", "module -1", "Module before", "Move"
    ),
    Key("move.module", "right_curly_bracket", "module(1)", "module +1", "Module after", "Move"),
    Key("move.live", "L", "live", "live", "Back to where we stand", "Move"),
    Key("move.right", "l,right", "sideways(8)", "side +8", "Right", "Move"),
    Key("move.left", "h,left", "sideways(-8)", "side -8", "Left", "Move"),
    *(view.key for view in VIEWS),
    Key("screen.output", "o", "output", "output", "Program output and back", "Screen"),
    Key("screen.type", "i", "type('')", "type", "Type in the REPL", "Screen"),
    Key("screen.command", "colon", "type(':')", "type :", "Type a command", "Screen"),
    Key("screen.python", "exclamation_mark", "type('!')", "type !", "Type Python", "Screen"),
    Key("screen.leave", "escape", "leave", "leave", "Leave typing, restore the pane", "Screen"),
    Key("screen.maximise", "m", "maximise", "maximise", "Maximise the pane", "Screen"),
    Key("screen.dock", "f2", "dock", "dock", "Show or hide the REPL", "Screen"),
    Key("screen.editor", "ctrl+o", "large", "large", "REPL in full height", "Screen"),
    Key("screen.keys", "question_mark,f1", "keys", "keys", "All keys and commands", "Screen"),
    Key("screen.redraw", "ctrl+l", "redraw", "redraw", "Redraw the screen", "Screen"),
    Key("screen.suspend", "ctrl+z", "suspend_process", "suspend", "Suspend gradrepl", "Screen"),
    Key("screen.theme", "T", "next_theme", "theme", "Dark or light", "Screen"),
    Key("screen.quit", "q", "ask_quit", "quit", "Quit", "Screen"),
)
"""The keys of the screen itself."""
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
    Binding(
        "ctrl+c", "break_in", "Interrupt, copy, clear", show=False, priority=True, id="app.break"
    ),
    Binding("ctrl+q", "ask_quit", "Quit", show=False, priority=True, id="app.quit"),
)
"""Keys that come before a focused widget."""
BY_WORD = {key.word: key for key in reversed(OWN)}
"""The keys of the screen by the word that does the same."""
PLUGGED: list[Key] = []
"""Keys of the screens that plugins bring."""


def everywhere() -> list[Key]:
    """Return all keys that are there on every page: those of commands first."""
    return [*of_commands(), *OWN, *PLUGGED]


def table() -> dict[str, list[Key]]:
    """Return the same by group."""
    groups: dict[str, list[Key]] = {"Step": [], "Look": [], "Move": [], "Screen": []}
    for key in everywhere():
        groups[key.group].append(key)
    return groups


RESTART = Foot("Restart", ("command.restart",))
FEET: dict[str, tuple[Foot, ...]] = {
    **{view.name: view.feet for view in VIEWS},
    "away": (LIVE, STEP, BREAK, TO_CURSOR, FIND, COMMAND, HELP, QUIT),
    "reading": (
        Foot("Back", ("screen.leave",), "esc"),
        Foot("Move", ("move.down", "move.up"), "j k"),
        FIND,
        COPY,
        TYPE,
    ),
    "idle": (TYPE, COMMAND, BREAK, FIND, HELP, QUIT),
    "exception": (
        Foot("Frames", ("command.up", "command.down")),
        Foot("Print", ("command.print",)),
        Foot("Where", ("command.where",)),
        RESTART,
        FIND,
        COMMAND,
        HELP,
        QUIT,
    ),
    "running": (
        Foot("Pause", keys="^c", does="break_in"),
        Foot("Output", ("screen.output",)),
        HELP,
        QUIT,
    ),
    "typing": (
        Foot("Run", keys="enter"),
        Foot("Complete", keys="tab"),
        Foot("History", keys="↑↓"),
        Foot("Search", keys="^r"),
        Foot("New line", keys="^j"),
        LEAVE,
    ),
    "input": (Foot("Give the line", keys="enter"), Foot("End", keys="^d"), LEAVE),
    "finding": (Foot("Find", keys="enter"), Foot("Next, previous", keys=". ,"), LEAVE),
    "help": (Foot("Scroll", keys="jk"), Foot("Close", keys="esc", does="dismiss")),
    "asked": (
        Foot("Yes", keys="y", does="answer(True)"),
        Foot("No", keys="n", does="answer(False)"),
    ),
    "gone": (RESTART, FIND, COMMAND, HELP, QUIT),
}
"""Entries of the footer by state; the important ones first to go last where it is narrow."""
FIRST = ("Quit", "Help", "Cmd", "step", "Leave", "Run", "Type", "Pause", "Live", "Break")
"""Labels that stay longest when there is no room."""


def take_in(view: View) -> None:
    """Take in the key and the footer of a screen that a plugin brings."""
    PLUGGED.append(view.key)
    BY_WORD[view.word] = view.key
    FEET[view.name] = view.feet
