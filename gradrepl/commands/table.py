"""The table of commands, filled: importing this enters every command of ours."""

from gradrepl.commands import (
    breaking,
    chain,
    data,
    export,
    health,
    looking,
    modules,
    plugged,
    session,
    stepping,
    storages,
)
from gradrepl.commands.conversation import Conversation
from gradrepl.commands.registry import COMMANDS, WORDS, Command, enter_all

for _room in (
    stepping, looking, breaking, session, storages, modules, chain, health, data, export,
    plugged,
):  # fmt: skip
    enter_all(_room)

__all__ = ["COMMANDS", "WORDS", "Command", "Conversation"]
