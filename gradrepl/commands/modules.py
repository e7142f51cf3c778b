"""Commands about modules, Functions and graphs."""

from __future__ import annotations

import re
from typing import Annotated

from gradrepl import protocol
from gradrepl.commands.expressions import is_expression
from gradrepl.commands.registry import BACKWARD, Argument, Expression, Press, command
from gradrepl.commands.talk import Answer, Talk
from gradrepl.errors import UsageError

GROUP = "Modules"

GraphWords = Annotated[
    str, Argument("[EXPR] [DEPTH] [MODULE...] [/TEXT]", complete="python", rest=True)
]
Target = Annotated[str, Argument("EXPR|#N", complete="python", rest=True)]


@command(
    "mods", "modules", group=GROUP, key=Press("M", "Modules: parameters, gradients, hooks, ties")
)
async def mods(talk: Talk, expression: Expression = "") -> Answer:
    """Show the tree of modules: parameters, gradients, hooks, and what no optimizer has.

    Without EXPR all modules in scope. A number at the end is how deep to unfold: mods net 1.
    """
    words = expression.rsplit(None, 1)
    depth = None
    if words and words[-1].isdecimal():
        depth, expression = int(words[-1]), " ".join(words[:-1])
    return await talk.ask(protocol.ModuleRows(expression=expression, depth=depth))


@command("fn", group=GROUP)
async def fn(talk: Talk, target: Target = "") -> Answer:
    """Show a Function: the node of EXPR or node #N, beside the module whose call made it.

    A Function keeps no weights, a Module does. Of a custom Function: its source, what it put on
    ctx, what it saved. At a backward stop the node where we stand may be left out.
    """
    if not target and talk.state == BACKWARD and talk.stop is not None and talk.stop.node:
        target = f"#{talk.stop.node.id}"
    if not target:
        raise UsageError("'fn' needs EXPR or #N.", "Write: fn loss")
    return await talk.ask(protocol.FunctionOf(target=target))


@command("graph", group=GROUP)
async def graph(talk: Talk, words: GraphWords = "") -> Answer:
    """Show the graph of EXPR, or of this backward, as lanes, folded by module; nothing runs.

    DEPTH is how deep modules are unfolded (0: each model is one row), MODULE one that is unfolded
    all the same, /TEXT finds rows by node, op, variable or module: graph loss 1 encoder.0, graph
    loss /relu. Without DEPTH as much is unfolded as fits.
    """
    return await talk.ask(graph_request(words))


def graph_request(words: str) -> protocol.GraphRows:
    """Return what ':graph WORDS' asks for: what follows the expression is split off its end."""
    depth, pattern = None, ""
    unfold: list[str] = []
    rest = words.strip()
    while rest:
        head, _, last = rest.rpartition(" ")
        if last.startswith("/") and len(last) > 1:
            pattern = last[1:]
        elif last.isdecimal():
            depth = int(last)
        elif head and not is_expression(rest) and re.fullmatch(r"[\w.]+", last):
            unfold.insert(0, last)
        else:
            break
        rest = head.strip()
    return protocol.GraphRows(expression=rest, depth=depth, unfold=tuple(unfold), pattern=pattern)
