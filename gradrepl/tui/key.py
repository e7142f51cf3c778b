"""What a key is, and an entry of the footer; those that several screens share."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

NOW: dict[str, str] = {}
"""By id: keys that are others than those in the tables, by a preset or the user's own."""
BY_ID: dict[str, Key] = {}
"""Every key that there is: those of commands, of the screen, of single pages."""
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
        BY_ID[self.id] = self

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
    "question_mark": "?",
    "colon": ":",
    "exclamation_mark": "!",
    "slash": "/",
    "full_stop": ".",
    "comma": ",",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "equals_sign": "=",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "escape": "Esc",
    "home": "Home",
    "end": "End",
    "space": "Space",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
}


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
WATCH = Foot("Watch", ("command.display",))
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
