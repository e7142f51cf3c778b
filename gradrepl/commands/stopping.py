"""Commands that let the user's code go on, and those about the breakpoints that it stops at."""

from __future__ import annotations

import re
from functools import partial

from gradrepl import conditions, model, protocol
from gradrepl.commands.registry import (
    BACKWARD,
    EXCEPTION,
    FORWARD,
    IDLE,
    STOPPED,
    WAITING,
    Block,
    BreakpointId,
    BreakpointIds,
    ConditionText,
    Count,
    Expression,
    Place,
    Press,
    Statement,
    command,
)
from gradrepl.commands.talk import Answer, Talk
from gradrepl.conditions import parse
from gradrepl.errors import StateError, UsageError

stepping = partial(command, group="Stepping", states=STOPPED, repeats=True)
going = partial(command, group="Stepping")
breaking = partial(command, group="Breakpoints")


async def _resume(talk: Talk, verb: conditions.Verb) -> Answer:
    await talk.run(protocol.Resume(verb=verb))
    return None


@stepping("step", "s", states=(IDLE, *STOPPED), key=Press("s,f11", "Step: the next op or node"))
async def step(talk: Talk, what: Statement = "") -> Answer:
    """Go to the next op or node; COUNT times, or run STATEMENT stopped at its first event.

    In the forward the next op, also inside of child modules; in the backward the next node in
    the engine's own order. ``:step y = model(x)`` stops at the first op of the statement.
    """
    if what and not what.isdecimal():
        await talk.run(protocol.Execute(source=what, stepped=True))
    elif talk.stopped:
        await talk.run(protocol.Resume(verb=conditions.Step(_count(what))))
    else:
        raise StateError(
            "'step' needs a stop or a statement, and nothing is stopped.",
            "':step STATEMENT' runs a statement and stops at its first op or node.",
        )
    return None


def _count(text: str) -> int:
    count = int(text or 1)
    if count < 1:
        raise UsageError("the count must be at least 1.")
    return count


@stepping("next", "n", key=Press("n,f10", "Next: over child modules; over leaves and views"))
async def next_(talk: Talk, count: Count = 1) -> Answer:
    """Go to the next op on this level: a child module is one step. COUNT times.

    A batch that a DataLoader makes in this process is a part of its line, too. In the backward
    the next node that computes: AccumulateGrad and views run without a stop.
    """
    return await _resume(talk, conditions.Next(_count(str(count))))


@stepping("return", "r", key=Press("r,shift+f11", "Return: to the end of the module"))
async def return_(talk: Talk) -> Answer:
    """Go to the end of this module: its call, or in the backward its input gradients."""
    return await _resume(talk, conditions.Return())


@going(
    "continue",
    "c",
    "cont",
    states=(*STOPPED, EXCEPTION),
    key=Press("c,f5", "Continue: to a breakpoint or the end"),
)
async def continue_(talk: Talk) -> Answer:
    """Go on to the next breakpoint or to the end."""
    return await _resume(talk, conditions.Continue())


@stepping("until", "unt")
async def until(talk: Talk, where: Place = "") -> Answer:
    """Go on to a later line, to line or node N, or to where a condition holds.

    ``until``, ``until 40``, ``until #7``, ``until leaf fc1.weight``, ``until AddmmBackward*``,
    ``until op relu, i > 3``: all that ``break`` understands.
    """
    return await _resume(talk, _until(where))


def _until(where: str) -> conditions.Verb:
    number = where.lstrip("#")
    if not where or number.isdecimal():
        return conditions.Until(int(number or 0))
    if re.fullmatch(r"[A-Z]\w*(Backward\w*|Grad|Slices)\*?|[A-Z]\w*\*", where):
        return conditions.UntilCondition(conditions.NodeIs(where))
    return conditions.UntilCondition(parse(where))


@stepping("into", states=(FORWARD,), key=Press("I", "Into: the calls inside the next op"))
async def into(talk: Talk) -> Answer:
    """Go into the next op: to the first call that it makes inside."""
    return await _resume(talk, conditions.Into())


@stepping(
    "finish",
    "fin",
    states=(BACKWARD,),
    key=Press("f", "Finish: let this node run, see what it made"),
)
async def finish(talk: Talk) -> Answer:
    """Let this node run, and stop after it: its outgoing gradients are known there.

    In gdb ``finish`` returns from a frame: that is ``return`` here.
    """
    return await _resume(talk, conditions.Finish())


@going("abort", states=STOPPED, key=Press("A", "Abort: raise out of this backward or op"))
async def abort(talk: Talk) -> Answer:
    """Raise an exception here: ends the backward or the op, and says what had accumulated."""
    await talk.run(protocol.Abort())
    return None


@going("bw", states=WAITING)
async def bw(talk: Talk, expression: Expression) -> Answer:
    """Run EXPR.backward(), stopped at its first node.

    What ``backward`` is to be called with comes after a comma: ``bw loss, retain_graph=True``.
    """
    await talk.run(protocol.Backward(expression=expression))
    return None


# -- breakpoints -------------------------------------------------------------------------------


@breaking("break", "b")
async def break_(talk: Talk, condition: ConditionText = "") -> Answer:
    """Stop where a condition holds; without one list the breakpoints.

    ``b op relu and shape (64, -1), i > 100``: after a relu of that shape, once i is above 100.
    """
    if not condition:
        return await _all(talk)
    return await _set(talk, condition, temporary=False)


@breaking("tbreak")
async def tbreak(talk: Talk, condition: ConditionText) -> Answer:
    """Stop where a condition holds, once."""
    return await _set(talk, condition, temporary=True)


async def _set(talk: Talk, text: str, temporary: bool) -> Answer:
    request = protocol.SetBreakpoint(condition=parse(text), text=text, temporary=temporary)
    return await talk.ask(request)


@breaking("breakpoints", key=Press("B", "List the breakpoints"))
async def breakpoints(talk: Talk) -> Answer:
    """List the breakpoints."""
    return await _all(talk)


async def _all(talk: Talk) -> Answer:
    return await talk.ask(protocol.ListBreakpoints())


async def _change(talk: Talk, change: protocol.ChangeBreakpoint) -> Answer:
    """Ask for one change and learn how all breakpoints stand after it."""
    record = await talk.ask(change)
    if not isinstance(record, model.Error):
        talk.session.note(await talk.ask(protocol.ListBreakpoints()))
    return record


async def _change_each(talk: Talk, action: str, numbers: tuple[int, ...]) -> Answer:
    record: Answer = None
    for number in numbers or (0,):
        record = await _change(talk, protocol.ChangeBreakpoint(id=number, action=action))
        if isinstance(record, model.Error):
            return record
    return record if len(numbers) == 1 else await _all(talk)


@breaking("clear", "cl")
async def clear(talk: Talk, numbers: BreakpointIds = ()) -> Answer:
    """Delete breakpoints N..., or all."""
    return await _change_each(talk, "clear", numbers)


@breaking("enable")
async def enable(talk: Talk, numbers: BreakpointIds = ()) -> Answer:
    """Switch breakpoints N... on again, or all."""
    return await _change_each(talk, "enable", numbers)


@breaking("disable")
async def disable(talk: Talk, numbers: BreakpointIds = ()) -> Answer:
    """Switch breakpoints N... off, or all; they keep their numbers."""
    return await _change_each(talk, "disable", numbers)


@breaking("ignore")
async def ignore(talk: Talk, number: BreakpointId, count: Count = 0) -> Answer:
    """Ignore breakpoint N the next COUNT times."""
    if count < 0:
        raise UsageError("the count must not be negative.")
    change = protocol.ChangeBreakpoint(id=number, action="ignore", count=count)
    return await _change(talk, change)


@breaking("condition", "cond")
async def condition(talk: Talk, number: BreakpointId, expression: Expression = "") -> Answer:
    """Make breakpoint N stop only where EXPR is true in Python; without EXPR always."""
    if expression:
        parse(f"nan, {expression}")
    change = protocol.ChangeBreakpoint(id=number, action="condition", text=expression)
    return await _change(talk, change)


@breaking("commands", takes_block=True)
async def commands(talk: Talk, number: BreakpointId, block: Block = "") -> Answer:
    """Give breakpoint N lines to run when it stops, up to a line 'end'.

    ``silent`` as the first line hides the stop itself; a line that continues (``c``) ends the list.
    """
    lines = tuple(
        line.strip() for line in block.split("\n") if line.strip() and line.strip() != "end"
    )
    change = protocol.ChangeBreakpoint(id=number, action="commands", commands=lines)
    return await _change(talk, change)
