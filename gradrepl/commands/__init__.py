"""From a typed line or a key to a request: the conversation and the table of commands.

Asking for ``COMMANDS``, ``WORDS`` or ``Conversation`` fills the table; importing the package alone,
as a plugin's file does in the debuggee for ``registry.command``, loads nothing. It never loads a
screen or torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradrepl.commands.table import COMMANDS, WORDS, Command, Conversation

__all__ = ["COMMANDS", "WORDS", "Command", "Conversation"]


def __getattr__(name: str) -> Any:
    """Fill the table when somebody asks for it."""
    if name in __all__:
        return getattr(import_module("gradrepl.commands.table"), name)
    raise AttributeError(f"module 'gradrepl.commands' has no attribute '{name}'")
