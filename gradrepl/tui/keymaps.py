"""Presets of keys, the user's own over them, checked for clashes; and the app that binds them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import BindingsMap, BindingType
from textual.events import Key as Pressed

from gradrepl.errors import ConfigError
from gradrepl.tui import keys
from gradrepl.tui.key import NOW, Key
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


def bindable() -> list[Key]:
    """Return every key that can be bound anew."""
    return [*keys.everywhere(), *(key for view in VIEWS for key in view.keys)]


def chosen(
    preset: str, own: Mapping[str, str], files: Sequence[str] = (), blocked: Sequence[str] = ()
) -> dict[str, str]:
    """Return keys by id: those of the preset, and ``own`` over them.

    A preset that is not ours is looked for in the plugins: the installed ones and ``files``.

    Raises:
        ConfigError: there is no such preset or id, or a key would do two things.
    """
    if preset not in PRESETS:
        bring(files, blocked)
    if preset not in PRESETS:
        known = ", ".join(PRESETS)
        raise ConfigError(f"there is no preset of keys '{preset}'.", f"One of {known}.")
    ids = [key.id for key in bindable()]
    for id in own:
        if id not in ids:
            near = difflib.get_close_matches(id, ids, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else "'gradrepl config keys' lists them."
            raise ConfigError(f"keymap: there is no key with the id '{id}'.", hint)
    found = {**PRESETS[preset], **own}
    for group in (keys.everywhere(), *(view.keys for view in VIEWS)):
        _check(group, found)
    return found


def _check(group: Iterable[Key], now: Mapping[str, str]) -> None:
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
    """Take in the presets that plugins bring; one that has no right name disables its plugin."""
    from gradrepl import plugins

    found = plugins.here("client")
    found.load(files, blocked)
    for plugin, presets in found.call("gradrepl_keymaps"):
        for name, preset in dict(presets).items():
            if PRESETS.setdefault(name, preset) is not preset:
                error = ConfigError(f"there is a preset of keys '{name}' already")
                found.disable(plugin, error, "gradrepl_keymaps")


class Keyed(App[int]):
    """An app with the keys of the table; those of commands are bound when commands are loaded."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.PRIORITY, *(key.binding for key in keys.OWN)]

    def __init__(self) -> None:
        super().__init__()
        self._early: list[str] | None = []
        """Keys that came before those of commands were bound; None after that."""

    def rebind(self, keymap: Mapping[str, str]) -> None:
        """Take other keys for some ids."""
        NOW.update(keymap)
        self.set_keymap(dict(keymap))

    def on_key(self, event: Pressed) -> None:
        """Keep a key that may be a command's."""
        if self._early is not None and event.key not in self.active_bindings:
            self._early.append(event.key)

    def bind_commands(self) -> None:
        """Bind the keys of commands, and do those that were pressed before."""
        self._bind(keys.of_commands())
        early, self._early = self._early or (), None
        for key in early:
            self.simulate_key(key)

    def add_key(self, command: Command) -> None:
        """Bind the key of a command that a plugin brings.

        Raises:
            ConfigError: it is bound already.
        """
        _check(keys.everywhere(), NOW)
        self._bind(key for key in keys.of_commands() if key.word == command.name)

    def _bind(self, rows: Iterable[Key]) -> None:
        fresh = BindingsMap(row.binding for row in rows)
        self._bindings = BindingsMap.merge([self._bindings, fresh])
