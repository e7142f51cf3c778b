"""Commands that only look: at values, tensors, frames, source, ops, nodes; at memory."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated

from gradrepl import model, protocol
from gradrepl.commands.registry import (
    BACKWARD,
    EXCEPTION,
    STOPPED,
    Argument,
    Count,
    Expression,
    Number,
    Press,
    command,
    expressions,
)
from gradrepl.commands.talk import Answer, Talk
from gradrepl.errors import StateError, UsageError

looking = partial(command, group="Looking")
memory = partial(command, group="Memory")
PLACES = (*STOPPED, EXCEPTION)
WINDOW = 20
"""Rows that 'ops' and 'nodes' show when no count is given."""


@looking("print", "p", key=Press("p", "Print an expression"))
async def print_(talk: Talk, expression: Expression) -> Answer:
    """Show the value of an expression in short: of a large tensor its shape and statistics."""
    return await talk.ask(protocol.Print(expression=expression))


@looking("pp", key=Press("P", "Print all of a value"))
async def pp(talk: Talk, expression: Expression) -> Answer:
    """Show the value of an expression in full, within reason."""
    return await talk.ask(protocol.Print(expression=expression, full=True))


PARTS = ("leaf", "grad", "whatis")
"""Words that ask for one thing about a tensor."""


def _asked(text: str) -> tuple[str, str]:
    """Return the word that was typed for 't', and the expression."""
    word, colon, rest = text.partition(":")
    part, expression = (word, rest.strip()) if colon and word in PARTS else ("", text)
    if not expression:
        raise UsageError(f"'{part}' needs EXPR.", f"Write: {part} EXPR")
    return part, expression


Asked = Annotated[tuple[str, str], Argument("EXPR", complete="python", rest=True, read=_asked)]


@looking("t", *PARTS, parts=PARTS)
async def tensor(talk: Talk, what: Asked) -> Answer:
    """Show everything about a tensor: layout, storage, version, gradient, statistics.

    ``leaf EXPR`` says in one sentence whether it is a leaf, and why; ``grad EXPR`` shows all about
    its gradient, or says why there is none; ``whatis EXPR`` shows the type of any value.
    """
    part, expression = what
    if part == "whatis":
        return await talk.ask(protocol.Print(expression=f"type({expression})"))
    record = await talk.ask(protocol.Describe(expression=expression))
    if not part or not isinstance(record, model.Tensor):
        return record
    if part == "leaf":
        return model.Notice(message=f"'{expression}' is {record.leaf_why}")
    if record.has_grad:
        whole = expression if re.fullmatch(r"[\w.]+", expression) else f"({expression})"
        return await talk.ask(protocol.Describe(expression=f"{whole}.grad"))
    return model.Notice(message=f"the gradient of '{expression}' is {record.grad_why}")


@looking("names")
async def names(talk: Talk, count: Count = 50) -> Answer:
    """List the variables in scope."""
    return await talk.ask(protocol.Names(limit=count))


@looking("args", "a", states=PLACES)
async def args(talk: Talk) -> Answer:
    """Show the arguments of this function, or at a backward stop this node's gradients."""
    if talk.stop is not None and talk.stop.node is not None:
        return talk.stop.node
    return await talk.ask(protocol.Arguments())


@looking("display", key=Press("D", "Display an expression at every stop", begins=True))
async def display(talk: Talk, expression: Expression = "") -> Answer:
    """Show EXPR at every stop, and what it was; without EXPR list what is displayed."""
    if not expression:
        body = "\n".join(talk.session.displays) or "nothing"
        return model.Text(title="displayed at every stop", body=body)
    record = await talk.ask(protocol.Display(expression=expression))
    if not isinstance(record, model.Error) and expression not in talk.session.displays:
        talk.session.displays.append(expression)
    return record or model.Notice(message=f"'{expression}' is shown at every stop.")


@looking("undisplay", key=Press("X", "Stop displaying", begins=True))
async def undisplay(talk: Talk, expression: Expression = "") -> Answer:
    """Stop displaying EXPR, or everything."""
    known = talk.session.displays
    if expression and expression not in known:
        raise StateError(f"'{expression}' is not displayed.", "'display' lists what is.")
    record = await talk.ask(protocol.Display(expression=expression, off=True))
    known[:] = [each for each in known if expression and each != expression]
    return record or model.Notice(message=f"'{expression or 'nothing'}' is no longer displayed.")


@looking(
    "where", "w", "bt", states=PLACES, key=Press("w", "Where: frames, or the path from the loss")
)
async def where(talk: Talk) -> Answer:
    """Show the frames of your code; in a backward also the path from the loss to this node."""
    return await talk.ask(protocol.FrameStack())


@looking("up", "u", states=PLACES, key=Press("u", "Up: the caller's frame; toward the loss"))
async def up(talk: Talk, count: Count = 1) -> Answer:
    """Look from the caller's frame; in a backward, toward the loss."""
    return await talk.ask(protocol.FrameStack(move=count))


@looking("down", "d", states=PLACES, key=Press("d", "Down: the callee's frame; toward the leaves"))
async def down(talk: Talk, count: Count = 1) -> Answer:
    """Look from the called frame again; in a backward, toward the leaves."""
    return await talk.ask(protocol.FrameStack(move=-count))


@looking("list", "l", states=PLACES)
async def list_(talk: Talk, line: Number = 0) -> Answer:
    """Show the source around this line, or around line N."""
    return await talk.ask(protocol.Listing(around=line or None))


@looking("longlist", "ll", states=PLACES, key=Press("S", "Source of the whole function"))
async def longlist(talk: Talk) -> Answer:
    """Show the source of the whole function."""
    return await talk.ask(protocol.Listing(whole=True))


@looking("source")
async def source(talk: Talk, expression: Expression) -> Answer:
    """Show the source of a function, class or module."""
    return await talk.ask(protocol.Inspect(expression=expression, source=True))


@looking("ops")
async def ops(talk: Talk, count: Count = WINDOW) -> Answer:
    """List the last COUNT recorded ops."""
    return await talk.ask(protocol.OpRows(first=-count, count=count))


@looking("op")
async def op(talk: Talk, number: Number) -> Answer:
    """Show recorded op N with its inputs and outputs."""
    return await talk.ask(protocol.OpDetail(id=number))


@looking("nodes", states=(BACKWARD,))
async def nodes(talk: Talk, count: Count = WINDOW) -> Answer:
    """List COUNT nodes of this backward around where we stand, in the engine's order."""
    here = talk.stop.position if talk.stop is not None else 0
    return await talk.ask(protocol.NodeRows(first=max(0, here - count // 2), count=count))


@looking("node", states=(BACKWARD,))
async def node(talk: Talk, number: Number) -> Answer:
    """Show node #N: gradients in and out, saved tensors, where its gradients go."""
    return await talk.ask(protocol.NodeDetail(id=number))


@looking("retain")
async def retain(talk: Talk, expression: Expression) -> Answer:
    """Have a non-leaf tensor keep its gradient from now on: EXPR.retain_grad()."""
    return await talk.ask(protocol.Retain(expression=expression))


@looking("findings")
async def findings(talk: Talk) -> Answer:
    """Tell what is wrong here: stale saved values, parameters left out, bad gradients."""
    return await talk.ask(protocol.AskFindings())


# -- memory: who shares it, what copying does, who wrote, who holds how much ----------------------

Expressions = Annotated[
    tuple[str, ...], Argument("EXPR...", complete="python", rest=True, read=expressions)
]


@memory("mem")
async def mem(talk: Talk, names: Expressions = ()) -> Answer:
    """Show which tensors share memory, and how; of two tensors say it in one sentence.

    Without EXPR all tensors in scope: variables, parameters and buffers, gradients, optimizer
    state, what the graph saved for backward, NumPy arrays that share with a tensor. 'mem x' is
    the storage of x; 'mem x y' is one sentence; of more than two, their storages. 'detach of x'
    came of x; 'detach with x': torch does not tell which of the two came of the other.
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
