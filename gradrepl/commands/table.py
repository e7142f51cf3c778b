"""The table of commands, filled: ours when this is imported, and what plugins bring beside them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from gradrepl import conditions, plugins, protocol
from gradrepl import export as exporters
from gradrepl.commands import export, graphs, looking, registry, session, stopping, training
from gradrepl.commands.registry import COMMANDS, WORDS
from gradrepl.commands.talk import Talk
from gradrepl.errors import PluginError
from gradrepl.model import Error, Notice

__all__ = ["COMMANDS", "WORDS", "tell_debuggee", "use_plugins"]

registry.enter_all(stopping, looking, graphs, training, session, export)

LOOKING_ON = ("event", "stop", "pass", "batch")
"""Hooks by which plugins look on at the run."""


def use_plugins(talk: Talk) -> None:
    """Load this process's plugins, and take what they bring into the tables, once."""
    for note in talk.options.notes:
        talk.tell(Notice(message=note))
    here = plugins.here("client")
    here.tell = lambda sentence: talk.tell(PluginError(sentence).record())
    here.on_disabled = _leave
    here.load(talk.options.plugins, talk.options.blocked)
    new = set(here.rows) - here.taken
    here.taken |= new
    doors: dict[str, Callable[[str, Any], None]] = {
        "gradrepl_commands": lambda name, function: _enter(talk, function.command, name),
        "gradrepl_conditions": lambda name, kind: conditions.enter(kind, name),
    }
    if (take := talk.on_view) is not None:
        doors["gradrepl_views"] = lambda name, view: take(view)
    for hook, put in doors.items():
        for name, item in here.flat(hook):
            if name in new:
                try:
                    put(name, item)
                except Exception as error:  # a stranger's item
                    here.disable(name, error, hook)


def _enter(talk: Talk, command: registry.Command, plugin: str) -> None:
    registry.enter(command, plugin)
    if talk.on_key is not None and command.key is not None:
        talk.on_key(command)


def _leave(plugin: str) -> None:
    """Take out of the tables what a plugin had put there."""
    for table in (registry, conditions, exporters):
        table.leave(plugin)


async def tell_debuggee(talk: Talk) -> None:
    """Say to a new debuggee which plugins are wanted, and the limits of the verdicts."""
    options = talk.options
    if talk.prompt is None:
        return
    here = plugins.here("client")
    hooks = tuple(hook for hook in LOOKING_ON if here.has(f"gradrepl_{hook}"))
    if options.plugins or options.blocked or hooks:
        files = tuple(os.path.abspath(file) for file in options.plugins)
        request = protocol.UsePlugins(files=files, blocked=options.blocked, hooks=hooks)
        await talk.ask(request)
    for name, value in options.limits.items():
        answer = await talk.ask(protocol.SetHealth(name=name, value=value))
        if isinstance(answer, Error):
            talk.tell(answer)
