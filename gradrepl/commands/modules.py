"""Commands about modules, Functions, graphs, and single facts of a tensor."""

from __future__ import annotations

from gradrepl import model, protocol
from gradrepl.commands.conversation import Conversation
from gradrepl.commands.registry import Expression, command

GROUP = "Modules"
LOOKING = "Looking"

Found = model.Record | None


@command("retain", group=LOOKING)
async def retain(talk: Conversation, expression: Expression) -> Found:
    """Have a tensor that is no leaf keep its gradient from now on: EXPR.retain_grad()."""
    return await talk.ask(protocol.Retain(expression=expression))


@command("grad", group=LOOKING)
async def grad(talk: Conversation, expression: Expression) -> Found:
    """Show the gradient of EXPR as ':t' does, or say why there is none."""
    return await talk.ask(protocol.Gradient(expression=expression))


@command("leaf", group=LOOKING)
async def leaf(talk: Conversation, expression: Expression) -> Found:
    """Say in one sentence whether EXPR is a leaf, and why."""
    return await talk.ask(protocol.LeafWhy(expression=expression))


@command("mods", "modules", group=GROUP)
async def mods(talk: Conversation, expression: Expression = "") -> Found:
    """Show the tree of modules: parameters, gradients, hooks, and what no optimizer has.

    Without EXPR all modules in reach. A number at the end is how deep to unfold: mods net 1.
    """
    words = expression.rsplit(None, 1)
    depth = None
    if words and words[-1].isdecimal():
        depth, expression = int(words[-1]), " ".join(words[:-1])
    return await talk.ask(protocol.ModuleRows(expression=expression, depth=depth))
