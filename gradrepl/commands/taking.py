"""Takes what plugins bring into a face's tables: their words and their kinds of breakpoint."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gradrepl import conditions, plugins, protocol
from gradrepl.commands.registry import WORDS, Command, enter, leave
from gradrepl.errors import PluginError
from gradrepl.export import door
from gradrepl.model import Error, Notice

if TYPE_CHECKING:
    from gradrepl.commands.conversation import Conversation


LOOKING_ON = ("event", "stop", "pass", "batch")
"""Hooks by which plugins look on at the run."""


def load(talk: Conversation) -> None:
    """Load this process's plugins, and take what they bring into the tables, once."""
    import_module("gradrepl.commands.table")  # ours come first
    for note in talk.options.notes:
        talk.tell(Notice(message=note))
    found = plugins.here("face")
    found.tell = lambda sentence: talk.tell(Error(message=sentence, kind="PluginError"))
    found.on_disabled = take_out
    found.load(talk.options.plugins, talk.options.blocked)
    new = set(found.rows) - found.taken
    found.taken |= new
    doors: dict[str, Callable[[str, Any], None]] = {
        "gradrepl_commands": _command, "gradrepl_conditions": _condition,
    }  # fmt: skip
    if (take := talk.on_view) is not None:
        doors["gradrepl_views"] = lambda name, view: take(view)
    for hook, put in doors.items():
        for name, item in found.flat(hook):
            if name in new:
                try:
                    put(name, item)
                except Exception as error:  # a stranger's item
                    found.disable(name, error, hook)


async def meet(talk: Conversation) -> None:
    """Take in this process's plugins, and say to the first debuggee which are wanted."""
    load(talk)
    await tell(talk)


async def tell(talk: Conversation) -> None:
    """Say to a new debuggee which plugins are wanted, and the limits of the verdicts."""
    options = talk.options
    if talk.prompt is None:
        return
    found = plugins.here("face")
    hooks = tuple(hook for hook in LOOKING_ON if found.has(f"gradrepl_{hook}"))
    if options.plugins or options.blocked or hooks:
        files = tuple(os.path.abspath(file) for file in options.plugins)
        request = protocol.UsePlugins(files=files, blocked=options.blocked, hooks=hooks)
        await talk.ask(request)
    for name, value in options.limits.items():
        answer = await talk.ask(protocol.SetHealth(name=name, value=value))
        if isinstance(answer, Error):
            talk.tell(answer)


def _command(name: str, function: Any) -> None:
    made: Command = function.command
    taken = next((word for word in made.words if word in WORDS), "")
    if taken:
        raise PluginError(f"there is a command '{taken}'.")
    enter(made, plugin=name)


def _condition(name: str, kind: Any) -> None:
    conditions.enter(kind, name)


def take_out(name: str) -> None:
    """Take out of the tables what a plugin had put there."""
    leave(name)
    conditions.leave(name)
    door.leave(name)
