"""What a key is, and an entry of the footer; those that several screens share."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

NOW: dict[str, str] = {}
"""By id: keys that are others than those in the tables, by a preset or the user's own."""
_BY_ACTION: dict[str, str] = {}
"""Id of the key that does an action."""
OPENING = ("type(", "prefill(", "find", "keep", "change")
"""Actions that move the focus to a text: they must be done before the next key is given out."""


@dataclass(frozen=True)
class Key:
    """One key, or several for the same."""

    id: str
    keys: str
    action: str
    word: str
    """What is typed for the same, without the colon."""
    help: str
    group: str

    def __post_init__(self) -> None:
        _BY_ACTION.setdefault(self.action.removeprefix("app."), self.id)

    @property
    def binding(self) -> Binding:
        """Return it as Textual wants it."""
        first = self.action.startswith(OPENING)
        return Binding(self.keys, self.action, self.help, show=False, id=self.id, priority=first)

    @property
    def now(self) -> str:
        """Its keys, after the user's own."""
        return NOW.get(self.id, self.keys)

    @property
    def shown(self) -> str:
        """Return its keys as a person writes them."""
        return " ".join(pretty(key) for key in self.now.split(","))


_NAMES = {
    "question_mark": "?", "colon": ":", "exclamation_mark": "!", "slash": "/", "full_stop": ".",
    "comma": ",", "left_square_bracket": "[", "right_square_bracket": "]",
    "left_curly_bracket": "{", "right_curly_bracket": "}", "equals_sign": "=",
    "pageup": "PgUp", "pagedown": "PgDn", "escape": "Esc", "home": "Home", "end": "End",
    "space": "Space", "left": "←", "right": "→", "up": "↑", "down": "↓",
}  # fmt: skip


def pretty(key: str) -> str:
    """Return ``^p`` for ``ctrl+p``, ``?`` for ``question_mark``."""
    if key.startswith("ctrl+"):
        return "^" + key.removeprefix("ctrl+")
    if key.startswith("shift+"):
        return "Shift+" + pretty(key.removeprefix("shift+"))
    return _NAMES.get(key, key.upper() if key[0] == "f" and key[1:].isdigit() else key)


def key_name(character: str) -> str:
    """Return Textual's name of a key that is written as one character."""
    names = {shown: name for name, shown in _NAMES.items()}
    return names.get(character, character)


@dataclass(frozen=True)
class Foot:
    """One entry of the footer."""

    keys: str
    label: str
    action: str
    ids: tuple[str, ...] = ()
    """Ids of the keys that it names, where it names several."""

    @property
    def shown(self) -> str:
        """Its keys as they are bound now."""
        if not self.ids:
            new = NOW.get(_BY_ACTION.get(self.action, ""), "").partition(",")[0]
            return pretty(new) if new else self.keys
        if not any(id in NOW for id in self.ids):
            return self.keys
        pairs = zip(self.ids, self.keys, strict=True)
        shown = [pretty(NOW.get(id, key).partition(",")[0]) for id, key in pairs]
        return ("" if all(len(key) == 1 for key in shown) else " ").join(shown)


STEP = Foot(
    "snrc", "step", "send('step')",
    ids=("command.step", "command.next", "command.return", "command.continue"),
)  # fmt: skip
MOVE = Foot("ud", "Move", "send('up')", ids=("command.up", "command.down"))
BREAK = Foot("b", "Break", "breakpoint")
WATCH = Foot("D", "Watch", "prefill('display')")
FINISH = Foot("f", "Finish", "send('finish')")
FIND = Foot("/", "Find", "find")
COMMAND = Foot(":", "Cmd", "type(':')")
HELP = Foot("?", "Help", "keys")
QUIT = Foot("q", "Quit", "ask_quit")
TYPE = Foot("i", "Type", "type('')")
MAXIMISE = Foot("m", "Maximise", "maximise")
COPY = Foot("y", "Copy", "copy_pane")
PALETTE = Foot("^p", "palette", "command_palette")
VERSIONS = Foot("v", "Versions", "versions_here")
LEAVE = Foot("esc", "Leave", "leave")
LIVE = Foot("L", "Live", "live")
KEEP = Foot("K", "Keep", "keep")
TO_CURSOR = Foot("t", "Run to it", "run_to_cursor")
