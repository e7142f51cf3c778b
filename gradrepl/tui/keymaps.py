"""Presets of keys, the user's own over them, checked for clashes; and the app that binds them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App
from textual.binding import BindingType
from textual.events import Event
from textual.events import Key as Pressed

from gradrepl.errors import ConfigError
from gradrepl.tui import keys, views
from gradrepl.tui.keys import Key
from gradrepl.tui.views import VIEWS

if TYPE_CHECKING:
    from gradrepl.commands.registry import Command

PRESETS: dict[str, Mapping[str, str]] = {
    "default": {},
    "vim": {
        "look.hit": "n",
        "look.hit_back": "N",
        "command.next": "space,f10",
        "move.module_back": "left_parenthesis,left_curly_bracket",
        "move.module": "right_parenthesis,right_curly_bracket",
    },
    "vscode": {
        "command.restart": "R,ctrl+shift+f5",
        "look.find": "slash,ctrl+f",
        "move.page_down": "pagedown",
        "move.page_up": "pageup",
        "look.hit": "full_stop,f3",
        "look.hit_back": "comma,shift+f3",
        "screen.dock": "f2,ctrl+j",
    },
}
"""By name: what differs from the keys in ``keys.py``."""


def chosen(
    preset: str, own: Mapping[str, str], files: Sequence[str] = (), blocked: Sequence[str] = ()
) -> dict[str, str]:
    """Return keys by id: those of the preset, and ``own`` over them.

    A preset or an id that is not ours is looked for in the plugins: the installed ones and
    ``files``.

    Raises:
        ConfigError: there is no such preset or id, or a key would do two things.
    """
    if preset not in PRESETS or set(own) - {key.id for key in views.every()}:
        bring(files, blocked)
    if preset not in PRESETS:
        known = ", ".join(PRESETS)
        raise ConfigError(f"there is no preset of keys '{preset}'.", f"One of {known}.")
    ids = [key.id for key in views.every()]
    for id in own:
        if id not in ids:
            near = difflib.get_close_matches(id, ids, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else "'gradrepl config keys' lists them."
            raise ConfigError(f"keymap: there is no key with the id '{id}'.", hint)
    now = {**PRESETS[preset], **own}
    for group in (views.everywhere(), *(view.keys for view in VIEWS)):
        check(group, now)
    return now


def check(group: Iterable[Key], now: Mapping[str, str]) -> None:
    """Raise a ConfigError where a key would do two things."""
    taken: dict[str, str] = {}
    for key in group:
        for name in now.get(key.id, key.keys).split(","):
            other = taken.setdefault(name.strip(), key.id)
            if other != key.id:
                raise ConfigError(
                    f"keymap: '{name}' would be both '{other}' and '{key.id}'.",
                    f'Give one of them another key: keymap."{other}" = ...',
                )


def bring(files: Sequence[str], blocked: Sequence[str]) -> None:
    """Take in the presets that plugins bring, and the keys of their commands on one page.

    A preset that has no right name disables its plugin.
    """
    from gradrepl import plugins

    client = plugins.here("client")
    client.load(files, blocked)
    for plugin, presets in client.call("gradrepl_keymaps"):
        for name, preset in dict(presets).items():
            if PRESETS.setdefault(name, preset) is not preset:
                error = ConfigError(f"there is a preset of keys '{name}' already")
                client.disable(plugin, error, "gradrepl_keymaps")
    for _, function in client.flat("gradrepl_commands"):
        command: Command | None = getattr(function, "command", None)
        if command is not None and command.key is not None and command.key.page in views.BY_NAME:
            views.add_key(command)


LONGEST = 20
"""Letters of a word that are remembered."""
PAUSE = 1.0
"""Seconds between two letters of one word."""


def _waiting(app: App[int]) -> Iterator[Pressed]:
    """Yield the keys that have been pressed and not been looked at."""
    waiting = [app._pending_message, *getattr(app._message_queue, "values", ())]
    return (each for each in waiting if isinstance(each, Pressed))


def _printable(event: Pressed) -> str:
    return event.character or "" if event.is_printable else ""


class Keyed(App[int]):
    """An app with the keys of the table; those of commands are bound when commands are loaded."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key.binding for key in (*keys.PRIORITY, *views.of_screen())
    ]

    def __init__(self) -> None:
        super().__init__()
        self._early: list[str] | None = []
        """Keys that came before those of commands were bound; None after that."""
        self._meant = 0
        """How many of the next keys the prompt has got already."""
        self._word = ""
        """Letters that were pressed one after another, the last at this time:"""
        self._pressed = 0.0

    async def on_event(self, event: Event) -> None:
        """Give to the prompt what was clearly meant for it."""
        if isinstance(event, Pressed) and not event.is_forwarded and self._is_for_prompt(event):
            return
        await super().on_event(event)

    def _is_for_prompt(self, event: Pressed) -> bool:
        """Is this key of a command that is typed while a pane has the focus? Offer it then."""
        if self._meant:
            self._meant -= 1
            return True
        panes: Any = self.screen  # or a dialog, which has keys of its own
        ready = self._early is None and getattr(panes, "takes_keys", False)
        letter = _printable(event) if ready else ""
        text = (self._in_one_piece(letter) or self._word_before_blank(event)) if letter else ""
        self._word = self._word + letter if letter else ""
        if text:
            panes.offer(f":{text}")
        return bool(text)

    def _in_one_piece(self, letter: str) -> str:
        """Return a command that has come at once, with what follows its word."""
        from gradrepl.commands.table import WORDS

        text = letter + "".join(takewhile(bool, map(_printable, _waiting(self))))
        word, blank, _ = text.partition(" ")
        if word not in WORDS or not (blank or len(word) > 3):
            return ""
        self._meant = len(text) - 1
        return text

    def _word_before_blank(self, event: Pressed) -> str:
        """Return the command that a blank, which means nothing here, comes after."""
        from gradrepl.commands.table import WORDS

        last, self._pressed = self._pressed, event.time
        before = self._word = self._word[-LONGEST:] if event.time - last < PAUSE else ""
        if event.key != "space" or "space" in self.active_bindings:
            return ""
        ends = (before[at:] for at in range(len(before)))  # other keys may have come just before
        return next((f"{end} " for end in ends if end in WORDS), "")

    def on_key(self, event: Pressed) -> None:
        """Keep a key that may be a command's."""
        if self._early is not None and event.key not in self.active_bindings:
            self._early.append(event.key)

    def bind_commands(self) -> None:
        """Bind the keys of commands, and do those that were pressed before."""
        keys.bind(self, keys.of_commands())
        early, self._early = self._early or (), None
        for key in early:
            self.simulate_key(key)
