"""Commands that let the user's code go on, and start it stepped."""

from __future__ import annotations

import re

from gradrepl import conditions, protocol
from gradrepl.commands.registry import (
    BACKWARD,
    EXCEPTION,
    FORWARD,
    IDLE,
    STOPPED,
    WAITING,
    Count,
    Expression,
    Place,
    Press,
    Statement,
    Words,
    command,
)
from gradrepl.commands.talk import Answer, Talk
from gradrepl.conditions import parse
from gradrepl.errors import StateError, UsageError

GROUP = "Stepping"


@command(
    "step",
    "s",
    group=GROUP,
    states=(IDLE, *STOPPED),
    key=Press("s,f11", "Step: the next op or node"),
    repeats=True,
)
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


@command(
    "next",
    "n",
    group=GROUP,
    states=STOPPED,
    key=Press("n,f10", "Next: over child modules; over leaves and views"),
    repeats=True,
)
async def next_(talk: Talk, count: Count = 1) -> Answer:
    """Go to the next op on this level: a child module is one step. COUNT times.

    A batch that a DataLoader makes in this process is a part of its line, too. In the backward
    the next node that computes: AccumulateGrad and views run without a stop.
    """
    await talk.run(protocol.Resume(verb=conditions.Next(_count(str(count)))))
    return None


@command(
    "return",
    "r",
    group=GROUP,
    states=STOPPED,
    key=Press("r,shift+f11", "Return: to the end of the module"),
    repeats=True,
)
async def return_(talk: Talk) -> Answer:
    """Go to the end of this module: its call, or in the backward its input gradients."""
    await talk.run(protocol.Resume(verb=conditions.Return()))
    return None


@command(
    "continue",
    "c",
    "cont",
    group=GROUP,
    states=(*STOPPED, EXCEPTION),
    key=Press("c,f5", "Continue: to a breakpoint or the end"),
)
async def continue_(talk: Talk) -> Answer:
    """Go on to the next breakpoint or to the end."""
    await talk.run(protocol.Resume(verb=conditions.Continue()))
    return None


@command("until", "unt", group=GROUP, states=STOPPED, repeats=True)
async def until(talk: Talk, where: Place = "") -> Answer:
    """Go on to a later line, to line or node N, or to where a condition holds.

    ``until``, ``until 40``, ``until #7``, ``until leaf fc1.weight``, ``until AddmmBackward*``,
    ``until op relu, i > 3``: all that ``break`` understands.
    """
    await talk.run(protocol.Resume(verb=_until(where)))
    return None


def _until(where: str) -> conditions.Verb:
    number = where.lstrip("#")
    if not where or number.isdecimal():
        return conditions.Until(int(number or 0))
    if re.fullmatch(r"[A-Z]\w*(Backward\w*|Grad|Slices)\*?|[A-Z]\w*\*", where):
        return conditions.UntilCondition(conditions.NodeIs(where))
    return conditions.UntilCondition(parse(where))


@command(
    "into",
    group=GROUP,
    states=(FORWARD,),
    key=Press("I", "Into: the calls inside the next op"),
    repeats=True,
)
async def into(talk: Talk) -> Answer:
    """Go into the next op: to the first call that it makes inside."""
    await talk.run(protocol.Resume(verb=conditions.Into()))
    return None


@command(
    "finish",
    "fin",
    group=GROUP,
    states=(BACKWARD,),
    key=Press("f", "Finish: let this node run, see what it made"),
    repeats=True,
)
async def finish(talk: Talk) -> Answer:
    """Let this node run, and stop after it: its outgoing gradients are known there.

    In gdb ``finish`` returns from a frame: that is ``return`` here.
    """
    await talk.run(protocol.Resume(verb=conditions.Finish()))
    return None


@command(
    "abort", group=GROUP, states=STOPPED, key=Press("A", "Abort: raise out of this backward or op")
)
async def abort(talk: Talk) -> Answer:
    """Raise an exception here: ends the backward or the op, and says what had accumulated."""
    await talk.run(protocol.Abort())
    return None


@command("jump", "j", group=GROUP, states=WAITING)
async def jump(talk: Talk, where: Words = "") -> Answer:
    """Not supported: ops cannot be undone."""
    raise StateError(
        "ops cannot be undone, so there is no jumping.",
        "':restart' starts again; 'until LINE' goes forward.",
    )


@command("bw", group=GROUP, states=WAITING)
async def bw(talk: Talk, expression: Expression) -> Answer:
    """Run EXPR.backward(), stopped at its first node.

    What ``backward`` is to be called with comes after a comma: ``bw loss, retain_graph=True``.
    """
    await talk.run(protocol.Backward(expression=expression))
    return None
