"""Commands about the chain rule: paths, addends, terms of a loss, rules, and their check."""

from __future__ import annotations

import ast
import re
from typing import Annotated

import msgspec

from gradrepl import model, protocol
from gradrepl.commands.conversation import Conversation
from gradrepl.commands.registry import Argument, Expression, command
from gradrepl.errors import UsageError

GROUP = "Chain rule"

Found = model.Record | None


class RootAndLeaf(str):
    """Two expressions on one line; a lone one is the second."""

    __slots__ = ("leaf", "root", "whole")
    root: str
    leaf: str
    whole: bool


def two_expressions(text: str) -> RootAndLeaf:
    """Split 'ROOT LEAF' at the last blank or comma where both sides are expressions.

    Raises:
        UsageError: it is not one or two expressions.
    """
    found = RootAndLeaf(text)
    found.whole = False
    for gap in reversed(list(re.finditer(r"\s*,\s*|\s+", text))):
        root, leaf = text[: gap.start()], text[gap.end() :]
        if leaf[:1] not in tuple("+-*([{@&|^~<>=") and _reads(root) and _reads(leaf):
            found.root, found.leaf = root, leaf
            return found
    if not _reads(text):
        raise UsageError(f"'{text}' is not one or two expressions.")
    found.root, found.leaf = "", text
    return found


def ends_of_paths(text: str) -> RootAndLeaf:
    """Split 'ROOT LEAF all': ``all`` asks for the steps of every path.

    Raises:
        UsageError: as of ``two_expressions``.
    """
    whole = re.fullmatch(r"(\S.*?)\s+all", text.strip())
    found = two_expressions(whole[1] if whole else text)
    found.whole = whole is not None
    return found


def _reads(text: str) -> bool:
    try:
        tree = ast.parse(re.sub(r"^[#$](?=\w)", "_", text.strip()), mode="eval")
    except (SyntaxError, ValueError):
        return False
    return not isinstance(tree.body, ast.Tuple) or text.startswith("(")


Ends = Annotated[
    RootAndLeaf,
    Argument("[ROOT] LEAF [all]", complete="python", rest=True, read=ends_of_paths),
]
Pair = Annotated[
    RootAndLeaf, Argument("[ROOT] LEAF", complete="python", rest=True, read=two_expressions)
]
Node = Annotated[str, Argument("#N|EXPR|NAME", complete="python", rest=True)]
Checkable = Annotated[str, Argument("#N|CALL", complete="python", rest=True)]


@command("paths", group=GROUP)
async def paths(talk: Conversation, ends: Ends) -> Found:
    """Show every path from ROOT to LEAF, what each adds to the gradient, and that it adds up.

    At most 50 are listed, the largest first, three of them with their steps (``all`` at the end:
    each); the others are one line. ROOT may be left out at a stop in a backward: then paths start
    with that backward's own gradient. Both may be '#N'.
    """
    found = await talk.ask(protocol.PathsTo(root=ends.root, leaf=ends.leaf))
    if isinstance(found, model.Paths):
        found = msgspec.structs.replace(found, whole=ends.whole)
    return found


@command("addends", group=GROUP)
async def addends(talk: Conversation, ends: Pair) -> Found:
    """Show what is added up where gradients meet, at LEAF or any tensor, and who sent each."""
    return await talk.ask(protocol.AddendsOf(root=ends.root, target=ends.leaf))


@command("terms", group=GROUP)
async def terms(talk: Conversation, loss: Expression = "") -> Found:
    """Split a sum of losses at its additions: norm and cosine of each term's gradients."""
    return await talk.ask(protocol.TermsOf(root=loss))


@command("rule", group=GROUP)
async def rule(talk: Conversation, what: Node = "") -> Found:
    """Show the derivative rule of a node as torch defines it, with numbers where they are few."""
    return await talk.ask(protocol.RuleOf(what=what))


@command("verify", "V", group=GROUP)
async def verify(talk: Conversation, what: Checkable = "") -> Found:
    """Compare a derivative with finite differences in float64: of this op, of #N, of a call."""
    return await talk.ask(protocol.Verify(what=what))
