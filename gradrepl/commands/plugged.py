"""Which plugins there are, and what is found wrong."""

from __future__ import annotations

from gradrepl import plugins, protocol
from gradrepl.commands.conversation import Conversation
from gradrepl.commands.registry import ANY, command
from gradrepl.model import PluginList, Record


@command("plugins", group="Session", states=ANY)
async def list_plugins(talk: Conversation) -> Record:
    """List the plugins of both processes: version, where each came from, its hooks."""
    rows = list(plugins.here("face").rows.values())
    if talk.prompt is not None:
        there = await talk.ask(protocol.ListPlugins())
        if isinstance(there, PluginList):
            rows += there.rows
    return PluginList(rows=tuple(rows))


@command("findings", group="Looking")
async def findings(talk: Conversation) -> Record | None:
    """Tell what is wrong here: stale saved values, parameters left out, bad gradients."""
    return await talk.ask(protocol.AskFindings())
