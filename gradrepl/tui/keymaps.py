"""Presets of keys, and the user's own over them: keys by id, checked for clashes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from gradrepl.errors import ConfigError
from gradrepl.tui import keys
from gradrepl.tui.key import NOW, Key
from gradrepl.tui.views import VIEWS

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
    return [*_everywhere(), *(key for view in VIEWS for key in view.keys)]


def _everywhere() -> list[Key]:
    return [*keys.of_commands(), *keys.OWN]


def check() -> None:
    """See to it that no key does two things as they are bound now.

    Raises:
        ConfigError: one would.
    """
    _check(_everywhere(), NOW)


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
    for group in (_everywhere(), *(view.keys for view in VIEWS)):
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

    found = plugins.here("face")
    found.load(files, blocked)
    for plugin, presets in found.call("gradrepl_keymaps"):
        for name, preset in dict(presets).items():
            if PRESETS.setdefault(name, preset) is not preset:
                error = ConfigError(f"there is a preset of keys '{name}' already")
                found.disable(plugin, error, "gradrepl_keymaps")
