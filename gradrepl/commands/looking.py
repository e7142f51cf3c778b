"""Commands that only look: at values, tensors, frames, source, ops and nodes."""

from __future__ import annotations

from gradrepl import model, protocol
from gradrepl.commands.registry import (
    BACKWARD,
    EXCEPTION,
    STOPPED,
    Count,
    Expression,
    Number,
    Press,
    command,
)
from gradrepl.commands.talk import Answer, Talk
from gradrepl.errors import StateError

GROUP = "Looking"
PLACES = (*STOPPED, EXCEPTION)
WINDOW = 20
"""Rows that 'ops' and 'nodes' show when no count is given."""


@command("print", "p", group=GROUP, key=Press("p", "Print an expression"))
async def print_(talk: Talk, expression: Expression) -> Answer:
    """Show the value of an expression in short: of a large tensor its shape and statistics."""
    return await talk.ask(protocol.Print(expression=expression))


@command("pp", group=GROUP, key=Press("P", "Print all of a value"))
async def pp(talk: Talk, expression: Expression) -> Answer:
    """Show the value of an expression in full, within reason."""
    return await talk.ask(protocol.Print(expression=expression, full=True))


@command("t", group=GROUP)
async def tensor(talk: Talk, expression: Expression) -> Answer:
    """Show everything about a tensor: layout, storage, version, gradient, statistics."""
    return await talk.ask(protocol.Describe(expression=expression))


@command("whatis", group=GROUP)
async def whatis(talk: Talk, expression: Expression) -> Answer:
    """Show the type of an expression's value."""
    return await talk.ask(protocol.Print(expression=f"type({expression})"))


@command("names", group=GROUP)
async def names(talk: Talk, count: Count = 50) -> Answer:
    """List the variables in scope."""
    return await talk.ask(protocol.Names(limit=count))


@command("args", "a", group=GROUP, states=PLACES)
async def args(talk: Talk) -> Answer:
    """Show the arguments of this function, or at a backward stop this node's gradients."""
    if talk.stop is not None and talk.stop.node is not None:
        return talk.stop.node
    return await talk.ask(protocol.Arguments())


@command("display", group=GROUP, key=Press("D", "Display an expression at every stop", begins=True))
async def display(talk: Talk, expression: Expression = "") -> Answer:
    """Show EXPR at every stop, and what it was; without EXPR list what is displayed."""
    if not expression:
        body = "\n".join(talk.session.displays) or "nothing"
        return model.Text(title="displayed at every stop", body=body)
    record = await talk.ask(protocol.Display(expression=expression))
    if not isinstance(record, model.Error) and expression not in talk.session.displays:
        talk.session.displays.append(expression)
    return record or model.Notice(message=f"'{expression}' is shown at every stop.")


@command("undisplay", group=GROUP, key=Press("X", "Stop displaying", begins=True))
async def undisplay(talk: Talk, expression: Expression = "") -> Answer:
    """Stop displaying EXPR, or everything."""
    known = talk.session.displays
    if expression and expression not in known:
        raise StateError(f"'{expression}' is not displayed.", "'display' lists what is.")
    record = await talk.ask(protocol.Display(expression=expression, off=True))
    known[:] = [each for each in known if expression and each != expression]
    return record or model.Notice(message=f"'{expression or 'nothing'}' is no longer displayed.")


@command(
    "where",
    "w",
    "bt",
    group=GROUP,
    states=PLACES,
    key=Press("w", "Where: frames, or the path from the loss"),
)
async def where(talk: Talk) -> Answer:
    """Show the frames of your code; in a backward also the path from the loss to this node."""
    return await talk.ask(protocol.FrameStack())


@command(
    "up", "u", group=GROUP, states=PLACES, key=Press("u", "Up: the caller's frame; toward the loss")
)
async def up(talk: Talk, count: Count = 1) -> Answer:
    """Look from the caller's frame; in a backward, toward the loss."""
    return await talk.ask(protocol.FrameStack(move=count))


@command(
    "down",
    "d",
    group=GROUP,
    states=PLACES,
    key=Press("d", "Down: the callee's frame; toward the leaves"),
)
async def down(talk: Talk, count: Count = 1) -> Answer:
    """Look from the called frame again; in a backward, toward the leaves."""
    return await talk.ask(protocol.FrameStack(move=-count))


@command("list", "l", group=GROUP, states=PLACES)
async def list_(talk: Talk, line: Number = 0) -> Answer:
    """Show the source around this line, or around line N."""
    return await talk.ask(protocol.Listing(around=line or None))


@command(
    "longlist", "ll", group=GROUP, states=PLACES, key=Press("S", "Source of the whole function")
)
async def longlist(talk: Talk) -> Answer:
    """Show the source of the whole function."""
    return await talk.ask(protocol.Listing(whole=True))


@command("source", group=GROUP)
async def source(talk: Talk, expression: Expression) -> Answer:
    """Show the source of a function, class or module."""
    return await talk.ask(protocol.Inspect(expression=expression, source=True))


@command("ops", group=GROUP)
async def ops(talk: Talk, count: Count = WINDOW) -> Answer:
    """List the last COUNT recorded ops."""
    return await talk.ask(protocol.OpRows(first=-count, count=count))


@command("op", group=GROUP)
async def op(talk: Talk, number: Number) -> Answer:
    """Show recorded op N with its inputs and outputs."""
    return await talk.ask(protocol.OpDetail(id=number))


@command("nodes", group=GROUP, states=(BACKWARD,))
async def nodes(talk: Talk, count: Count = WINDOW) -> Answer:
    """List COUNT nodes of this backward around where we stand, in the engine's order."""
    here = talk.stop.position if talk.stop is not None else 0
    return await talk.ask(protocol.NodeRows(first=max(0, here - count // 2), count=count))


@command("node", group=GROUP, states=(BACKWARD,))
async def node(talk: Talk, number: Number) -> Answer:
    """Show node #N: gradients in and out, saved tensors, where its gradients go."""
    return await talk.ask(protocol.NodeDetail(id=number))


@command("retain", group=GROUP)
async def retain(talk: Talk, expression: Expression) -> Answer:
    """Have a non-leaf tensor keep its gradient from now on: EXPR.retain_grad()."""
    return await talk.ask(protocol.Retain(expression=expression))


@command("grad", group=GROUP)
async def grad(talk: Talk, expression: Expression) -> Answer:
    """Show the gradient of EXPR as ':t' does, or say why there is none."""
    return await talk.ask(protocol.Gradient(expression=expression))


@command("leaf", group=GROUP)
async def leaf(talk: Talk, expression: Expression) -> Answer:
    """Say in one sentence whether EXPR is a leaf, and why."""
    return await talk.ask(protocol.LeafWhy(expression=expression))


@command("findings", group=GROUP)
async def findings(talk: Talk) -> Answer:
    """Tell what is wrong here: stale saved values, parameters left out, bad gradients."""
    return await talk.ask(protocol.AskFindings())
