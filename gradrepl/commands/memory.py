"""Who shares memory with whom, what copying does, who wrote, who holds how much."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from gradrepl import protocol
from gradrepl.commands.registry import Argument, Expression, Press, command, expressions
from gradrepl.commands.talk import Answer, Talk
from gradrepl.errors import UsageError

memory = partial(command, group="Memory")
Expressions = Annotated[
    tuple[str, ...], Argument("EXPR...", complete="python", rest=True, read=expressions)
]


@memory("mem")
async def mem(talk: Talk, names: Expressions = ()) -> Answer:
    """Show which tensors share memory, and how; of two tensors say it in one sentence.

    Without EXPR all tensors in scope: variables, parameters and buffers, gradients, optimizer
    state, what the graph saved for backward, NumPy arrays that share with a tensor. 'mem x' is
    the storage of x; 'mem x y' is one sentence; of more than two, their storages.
    """
    if len(names) == 2:
        return await talk.ask(protocol.AskSharing(a=names[0], b=names[1]))
    return await talk.ask(protocol.AskStorages(expressions=names))


@memory("compare", key=Press("=", "Compare two tensors"))
async def compare(talk: Talk, names: Expressions) -> Answer:
    """Show how far two tensors are apart: 'compare x y', or 'compare x, f(y)'."""
    if len(names) != 2:
        raise UsageError("'compare' needs two tensors.", "Write: compare x y")
    return await talk.ask(protocol.Compare(a=names[0], b=names[1]))


@memory("copies")
async def copies(talk: Talk, expression: Expression) -> Answer:
    """Measure what each way of copying EXPR does: bytes, version counter, gradient.

    It is tried on the tensor itself where that is small, without changing it, else on a small
    one of the same layout and flags; the answer says which.
    """
    return await talk.ask(protocol.AskCopies(expression=expression))


@memory("versions")
async def versions(talk: Talk, expression: Expression = "") -> Answer:
    """Show who wrote to a tensor's memory and who saved it; from now on compare its content.

    A stop tells when it was written to, by whatever, and which saved values are stale. Without
    EXPR list what is watched; 'versions off' watches nothing any more, 'versions off x' not x.
    """
    word, _, rest = expression.partition(" ")
    if word == "off" and (rest or await talk.ask(protocol.Bound(word="off")) is None):
        return await talk.ask(protocol.AskVersions(expression=rest.strip(), off=True))
    return await talk.ask(protocol.AskVersions(expression=expression))


@memory("bytes")
async def bytes_(talk: Talk) -> Answer:
    """Show who holds how much memory: parameters, gradients, optimizer, saved for backward."""
    return await talk.ask(protocol.AskBytes())
