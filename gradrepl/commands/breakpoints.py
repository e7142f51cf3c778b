"""Commands that set and change breakpoints."""

from __future__ import annotations

from gradrepl import model, protocol
from gradrepl.commands.registry import (
    Block,
    BreakpointId,
    BreakpointIds,
    ConditionText,
    Count,
    Expression,
    Press,
    command,
)
from gradrepl.commands.talk import Answer, Talk
from gradrepl.conditions import parse
from gradrepl.errors import UsageError

GROUP = "Breakpoints"


@command("break", "b", group=GROUP)
async def break_(talk: Talk, condition: ConditionText = "") -> Answer:
    """Stop where a condition holds; without one list the breakpoints.

    ``b op relu and shape (64, -1), i > 100``: after a relu of that shape, once i is above 100.
    """
    if not condition:
        return await _all(talk)
    return await _set(talk, condition, temporary=False)


@command("tbreak", group=GROUP)
async def tbreak(talk: Talk, condition: ConditionText) -> Answer:
    """Stop where a condition holds, once."""
    return await _set(talk, condition, temporary=True)


async def _set(talk: Talk, text: str, temporary: bool) -> Answer:
    request = protocol.SetBreakpoint(condition=parse(text), text=text, temporary=temporary)
    return await talk.ask(request)


@command("breakpoints", group=GROUP, key=Press("B", "List the breakpoints"))
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


@command("clear", "cl", group=GROUP)
async def clear(talk: Talk, numbers: BreakpointIds = ()) -> Answer:
    """Delete breakpoints N..., or all."""
    return await _change_each(talk, "clear", numbers)


@command("enable", group=GROUP)
async def enable(talk: Talk, numbers: BreakpointIds = ()) -> Answer:
    """Switch breakpoints N... on again, or all."""
    return await _change_each(talk, "enable", numbers)


@command("disable", group=GROUP)
async def disable(talk: Talk, numbers: BreakpointIds = ()) -> Answer:
    """Switch breakpoints N... off, or all; they keep their numbers."""
    return await _change_each(talk, "disable", numbers)


@command("ignore", group=GROUP)
async def ignore(talk: Talk, number: BreakpointId, count: Count = 0) -> Answer:
    """Ignore breakpoint N the next COUNT times."""
    if count < 0:
        raise UsageError("the count must not be negative.")
    change = protocol.ChangeBreakpoint(id=number, action="ignore", count=count)
    return await _change(talk, change)


@command("condition", "cond", group=GROUP)
async def condition(talk: Talk, number: BreakpointId, expression: Expression = "") -> Answer:
    """Make breakpoint N stop only where EXPR is true in Python; without EXPR always."""
    if expression:
        parse(f"nan, {expression}")
    change = protocol.ChangeBreakpoint(id=number, action="condition", text=expression)
    return await _change(talk, change)


@command("commands", group=GROUP, takes_block=True)
async def commands(talk: Talk, number: BreakpointId, block: Block = "") -> Answer:
    """Give breakpoint N lines to run when it stops, up to a line 'end'.

    ``silent`` as the first line hides the stop itself; a line that continues (``c``) ends the list.
    """
    lines = tuple(
        line.strip() for line in block.split("\n") if line.strip() and line.strip() != "end"
    )
    change = protocol.ChangeBreakpoint(id=number, action="commands", commands=lines)
    return await _change(talk, change)
