"""Who shares memory with whom, what copying does, who wrote, who holds how much."""

from __future__ import annotations

import ast
from typing import Annotated

from gradrepl import model, protocol
from gradrepl.commands.conversation import Conversation
from gradrepl.commands.registry import Argument, Expression, command
from gradrepl.errors import UsageError

GROUP = "Memory"

Found = model.Record | None
OPEN, CLOSED = "([{", ")]}"


def expressions(text: str) -> tuple[str, ...]:
    """Split 'x, f(a, b)' or 'x y[0]' into expressions: at commas, else at spaces, outside brackets.

    Raises:
        UsageError: a part is no expression.
    """
    if not text.strip():
        return ()
    if _is_expression(text) and "," not in _outside(text):
        return (text.strip(),)
    parts = _split(text, ",") if "," in _outside(text) else _split(text, " \t")
    for part in parts:
        if not _is_expression(part):
            raise UsageError(f"'{part}' is no expression.", "Write: mem x, or: mem x y")
    return tuple(parts)


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True


def _depths(text: str) -> list[int]:
    """Return for each character how many brackets are open around it; inside quotes one more."""
    depth, quote, found = 0, "", []
    for at, character in enumerate(text):
        if quote:
            if character == quote and text[at - 1] != "\\":
                quote = ""
            found.append(depth + 1)
            continue
        if character in "'\"":
            quote = character
        depth += (character in OPEN) - (character in CLOSED)
        found.append(depth + bool(quote))
    return found


def _outside(text: str) -> str:
    depths = _depths(text)
    return "".join(c for c, depth in zip(text, depths, strict=True) if not depth)


def _split(text: str, marks: str) -> list[str]:
    parts, start = [], 0
    for at, (character, depth) in enumerate(zip(text, _depths(text), strict=True)):
        if character in marks and not depth:
            parts.append(text[start:at])
            start = at + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


Expressions = Annotated[
    tuple[str, ...], Argument("EXPR...", complete="python", rest=True, read=expressions)
]


@command("mem", group=GROUP)
async def mem(talk: Conversation, names: Expressions = ()) -> Found:
    """Show which tensors share memory, and how; of two tensors say it in one sentence.

    Without EXPR all tensors in reach: variables, parameters and buffers, gradients, optimizer
    state, what the graph saved for backward, NumPy arrays that share with a tensor. 'mem x' is
    the storage of x; 'mem x y' is one sentence; of more than two, their storages.
    """
    if len(names) == 2:
        return await talk.ask(protocol.AskSharing(a=names[0], b=names[1]))
    return await talk.ask(protocol.AskStorages(expressions=names))


@command("compare", group=GROUP, key="=")
async def compare(talk: Conversation, names: Expressions) -> Found:
    """Show how far two tensors are apart: 'compare x y', or 'compare x, f(y)'."""
    if len(names) != 2:
        raise UsageError("'compare' needs two tensors.", "Write: compare x y")
    return await talk.ask(protocol.Compare(a=names[0], b=names[1]))


@command("copies", group=GROUP)
async def copies(talk: Conversation, expression: Expression) -> Found:
    """Measure what each way of copying EXPR does: bytes, version counter, gradient.

    It is tried on the tensor itself where that is small, without changing it, else on a small
    stand-in of the same layout and flags; the answer says which.
    """
    return await talk.ask(protocol.AskCopies(expression=expression))


@command("versions", group=GROUP)
async def versions(talk: Conversation, expression: Expression = "") -> Found:
    """Show who wrote to a tensor's memory and who saved it; from now on compare its content.

    A stop tells when it was written to, by whatever, and which saved values are stale. Without
    EXPR list what is watched; 'versions off' watches nothing any more, 'versions off x' not x.
    """
    word, _, rest = expression.partition(" ")
    if word == "off" and (rest or await talk.ask(protocol.Bound(word="off")) is None):
        return await talk.ask(protocol.AskVersions(expression=rest.strip(), off=True))
    return await talk.ask(protocol.AskVersions(expression=expression))


@command("bytes", group=GROUP)
async def bytes_(talk: Conversation) -> Found:
    """Show who holds how much memory: parameters, gradients, optimizer, saved for backward."""
    return await talk.ask(protocol.AskBytes())
