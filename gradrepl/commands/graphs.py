"""Commands about modules, Functions and graphs, and about the chain rule along a graph."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import Annotated, NamedTuple

from msgspec.structs import replace

from gradrepl import model, protocol
from gradrepl.commands.registry import (
    BACKWARD,
    Argument,
    Expression,
    Press,
    command,
    expressions,
    is_expression,
)
from gradrepl.commands.talk import Answer, Talk
from gradrepl.errors import UsageError

modules = partial(command, group="Modules")
chain = partial(command, group="Chain rule")

GraphWords = Annotated[
    str, Argument("[EXPR] [DEPTH] [MODULE...] [/TEXT]", complete="python", rest=True)
]
Target = Annotated[str, Argument("EXPR|#N", complete="python", rest=True)]


@modules("mods", "modules", key=Press("M", "Modules: parameters, gradients, hooks, ties"))
async def mods(talk: Talk, expression: Expression = "") -> Answer:
    """Show the tree of modules: parameters, gradients, hooks, and what no optimizer has.

    Without EXPR all modules in scope. A number at the end is how deep to unfold: mods net 1.
    """
    words = expression.rsplit(None, 1)
    depth = None
    if words and words[-1].isdecimal():
        depth, expression = int(words[-1]), " ".join(words[:-1])
    return await talk.ask(protocol.ModuleRows(expression=expression, depth=depth))


@modules("fn")
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


@modules("graph")
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


# -- the chain rule: paths, addends, terms of a loss, rules, and their check ---------------------


class Ends(NamedTuple):
    """Two expressions on one line; a lone one is the second."""

    root: str
    leaf: str
    whole: bool = False
    """``all``: the steps of every path are wanted."""


def two_expressions(text: str) -> Ends:
    """Split 'ROOT LEAF' or 'ROOT, LEAF'.

    Raises:
        UsageError: it is not one or two expressions.
    """
    with suppress(UsageError):
        match expressions(text):
            case (leaf,):
                return Ends("", leaf)
            case root, leaf:
                return Ends(root, leaf)
    raise UsageError(f"'{text}' is not one or two expressions.")


def ends_of_paths(text: str) -> Ends:
    """Split 'ROOT LEAF all': ``all`` asks for the steps of every path.

    Raises:
        UsageError: as of ``two_expressions``.
    """
    whole = re.fullmatch(r"(\S.*?)\s+all", text.strip())
    return two_expressions(whole[1] if whole else text)._replace(whole=whole is not None)


Path = Annotated[
    Ends, Argument("[ROOT] LEAF [all]", complete="python", rest=True, read=ends_of_paths)
]
Pair = Annotated[Ends, Argument("[ROOT] LEAF", complete="python", rest=True, read=two_expressions)]
Node = Annotated[str, Argument("#N|EXPR|NAME", complete="python", rest=True)]
Checkable = Annotated[str, Argument("#N|CALL", complete="python", rest=True)]


@chain("paths")
async def paths(talk: Talk, ends: Path) -> Answer:
    """Show every path from ROOT to LEAF, what each adds to the gradient, and that it adds up.

    At most 50 are listed, the largest first, three of them with their steps (``all`` at the end:
    each); the others are one line. ROOT may be left out at a stop in a backward: then paths start
    with that backward's own gradient. Both may be '#N'.
    """
    answer = await talk.ask(protocol.PathsTo(root=ends.root, leaf=ends.leaf))
    return replace(answer, whole=ends.whole) if isinstance(answer, model.Paths) else answer


@chain("addends")
async def addends(talk: Talk, ends: Pair) -> Answer:
    """Show what is added up where gradients meet, at LEAF or any tensor, and who sent each."""
    return await talk.ask(protocol.AddendsOf(root=ends.root, target=ends.leaf))


@chain("terms")
async def terms(talk: Talk, loss: Expression = "") -> Answer:
    """Split a sum of losses at its additions: norm and cosine of each term's gradients."""
    return await talk.ask(protocol.TermsOf(root=loss))


@chain("rule")
async def rule(talk: Talk, what: Node = "") -> Answer:
    """Show the derivative rule of a node as torch defines it, with numbers where they are few."""
    return await talk.ask(protocol.RuleOf(what=what))


@chain("verify", "V")
async def verify(talk: Talk, what: Checkable = "") -> Answer:
    """Compare a derivative with finite differences in float64: of this op, of #N, of a call."""
    return await talk.ask(protocol.Verify(what=what))
