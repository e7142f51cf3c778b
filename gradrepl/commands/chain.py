"""Commands about the chain rule: paths, addends, terms of a loss, rules, and their check."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import Annotated, NamedTuple

from msgspec.structs import replace

from gradrepl import model, protocol
from gradrepl.commands.registry import Argument, Expression, command, expressions
from gradrepl.commands.talk import Answer, Talk
from gradrepl.errors import UsageError

chain = partial(command, group="Chain rule")


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
