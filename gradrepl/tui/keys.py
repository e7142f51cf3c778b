"""The keys of the pane state as data: every key has an id and a word that does the same.

Keys of commands send the command; keys of the screen have a word of their own, typed as
``:word``, which the app understands before the conversation does. Footer, help, palette and the
README read these tables.
"""

from __future__ import annotations

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
)  # fmt: skip
from gradrepl.tui.views import VIEWS, View


def _send(name: str, keys: str, help: str) -> Key:
    return Key(f"command.{name}", keys, f"send('{name}')", name, help, "Step")


def _ask(name: str, keys: str, help: str) -> Key:
    return Key(f"command.{name}", keys, f"prefill('{name}')", name, help, "Look")


STEPPING = (
    _send("step", "s,f11", "Step: the next op or node"),
    _send("next", "n,f10", "Next: over child modules; over leaves and views"),
    _send("return", "r,shift+f11", "Return: to the end of the module"),
    _send("continue", "c,f5", "Continue: to a breakpoint or the end"),
    _send("into", "I", "Into: the calls inside the next op"),
    _send("finish", "f", "Finish: let this node run, see what it made"),
    _send("up", "u", "Up: the caller's frame; toward the loss"),
    _send("down", "d", "Down: the callee's frame; toward the leaves"),
    Key("step.cursor", "t", "run_to_cursor", "until", "Run to this node, or this op again", "Step"),
    Key("step.breakpoint", "b,f9", "breakpoint", "break", "Set or clear a breakpoint here", "Step"),
    _send("abort", "A", "Abort: raise out of this backward or op"),
    Key(
        "command.restart",
        "R",
        "restart",
        "restart",
        "Restart; with new arguments: ':restart ARGS'",
        "Look",
    ),
)
LOOKING = (
    _send("where", "w", "Where: frames, or the path from the loss"),
    _ask("print", "p", "Print an expression"),
    _ask("pp", "P", "Print all of a value"),
    _ask("display", "D", "Watch an expression at every stop"),
    _ask("undisplay", "X", "Stop watching"),
    _ask("compare", "equals_sign", "Compare two tensors"),
    _ask("export", "x", "Export the graph, a pass, times, the screen to a file"),
    _send("breakpoints", "B", "List the breakpoints"),
    _send("longlist", "S", "Source of the whole function"),
    Key("look.chain", "H", "chain", "chain", "How: every path from the loss to here", "Look"),
    Key("look.verify", "V", "verify_here", "verify-here",
        "Verify: compare this derivative with finite differences", "Look"),
    Key("look.versions", "v", "versions_here", "versions-here",
        "Versions: who wrote to this tensor, who saved it", "Look"),
    _send("mods", "M", "Modules: parameters, gradients, hooks, ties"),
    Key("look.find", "slash", "find", "find", "Find in the list", "Look"),
    Key("look.hit", "full_stop", "hit(1)", "hit +1", "Next hit", "Look"),
    Key("look.hit_back", "comma", "hit(-1)", "hit -1", "Previous hit", "Look"),
    Key("look.keep", "K", "keep", "keep", "Keep the gradient of what this op made", "Look"),
    Key("look.change", "e", "change", "change", "Change a gradient or a value, for this run",
        "Look"),
    Key("look.edit", "E", "edit", "editor", "Open $EDITOR at the line", "Look"),
    Key("look.copy", "y", "copy_pane", "copy", "Copy the text of the pane", "Look"),
    Key("look.copy_python", "Y", "copy_python", "copy python", "Copy the pane as Python", "Look"),
)  # fmt: skip
MOVING = (
    Key("move.down", "j,down", "move(1)", "row +1", "Down a row", "Move"),
    Key("move.up", "k,up", "move(-1)", "row -1", "Up a row", "Move"),
    Key("move.page_down", "pagedown,ctrl+f", "page(1.0)", "page +1", "Down a page", "Move"),
    Key("move.page_up", "pageup,ctrl+b", "page(-1.0)", "page -1", "Up a page", "Move"),
    Key("move.half_down", "ctrl+d", "page(0.5)", "page +0.5", "Down half a page", "Move"),
    Key("move.half_up", "ctrl+u", "page(-0.5)", "page -0.5", "Up half a page", "Move"),
    Key("move.top", "g,home", "edge(0)", "top", "First row", "Move"),
    Key("move.bottom", "G,end", "edge(-1)", "bottom", "Last row", "Move"),
    Key("move.earlier", "left_square_bracket", "history(-1)", "earlier",
        "Earlier op or node", "Move"),
    Key("move.later", "right_square_bracket", "history(1)", "later", "Later op or node", "Move"),
    Key("move.module_back", "left_curly_bracket", "module(-1)", "module -1",
        "Module before", "Move"),
    Key("move.module", "right_curly_bracket", "module(1)", "module +1", "Module after", "Move"),
    Key("move.live", "L", "live", "live", "Back to where we stand", "Move"),
    Key("move.right", "l,right", "sideways(8)", "side +8", "Right", "Move"),
    Key("move.left", "h,left", "sideways(-8)", "side -8", "Left", "Move"),
)  # fmt: skip
SCREENS = (
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
    Key("screen.redraw", "ctrl+l", "redraw", "redraw", "Draw the screen anew", "Screen"),
    Key("screen.suspend", "ctrl+z", "suspend_process", "suspend", "Suspend gradrepl", "Screen"),
    Key("screen.theme", "T", "next_theme", "theme", "Dark or light", "Screen"),
    Key("screen.quit", "q", "ask_quit", "quit", "Quit", "Screen"),
)  # fmt: skip
KEYS = (*STEPPING, *LOOKING, *MOVING, *SCREENS)
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
BY_WORD = {
    key.word: key for key in reversed(KEYS) if not key.action.startswith(("send(", "prefill("))
}
"""The keys of the screen by the word that does the same."""


PLUGGED: list[Key] = []
"""Keys of the screens that plugins bring."""


FEET: dict[str, tuple[Foot, ...]] = {
    **{view.name: view.feet for view in VIEWS},
    "away": (LIVE, STEP, BREAK, TO_CURSOR, FIND, COMMAND, HELP, QUIT),
    "reading": (Foot("esc", "Back", "leave"), Foot("j k", "Move", "move(1)"), FIND, COPY, TYPE),
    "idle": (TYPE, COMMAND, BREAK, FIND, HELP, QUIT),
    "exception": (Foot("ud", "Frames", "send('up')"), Foot("p", "Print", "prefill('print')"),
                  Foot("w", "Where", "send('where')"), Foot("R", "Restart", "restart"),
                  FIND, COMMAND, HELP, QUIT),
    "running": (Foot("^c", "Pause", "break_in"), Foot("o", "Output", "output"), HELP, QUIT),
    "typing": (Foot("enter", "Run", ""), Foot("tab", "Complete", ""), Foot("↑↓", "History", ""),
               Foot("^r", "Search", ""), Foot("^j", "New line", ""), LEAVE),
    "input": (Foot("enter", "Give the line", ""), Foot("^d", "End", ""), LEAVE),
    "finding": (Foot("enter", "Find", ""), Foot(". ,", "Next, previous", ""), LEAVE),
    "help": (Foot("jk", "Scroll", ""), Foot("esc", "Close", "dismiss")),
    "asked": (Foot("y", "Yes", "answer(True)"), Foot("n", "No", "answer(False)")),
    "gone": (Foot("R", "Restart", "restart"), FIND, COMMAND, HELP, QUIT),
}  # fmt: skip
"""Entries of the footer by state; the important ones first to go last where it is narrow."""
FIRST = ("Quit", "Help", "Cmd", "step", "Leave", "Run", "Type", "Pause", "Live", "Break")
"""Labels that stay longest when there is no room."""


def take_in(view: View) -> None:
    """Take in the key and the footer of a screen that a plugin brings."""
    PLUGGED.append(view.key)
    BY_WORD[view.word] = view.key
    FEET[view.name] = view.feet
