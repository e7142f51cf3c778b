"""Commands that watch gradients while a training runs, and tell how they are."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated

from gradrepl import protocol
from gradrepl.commands.registry import RUNNING, WAITING, Argument, command
from gradrepl.commands.talk import Answer, Talk
from gradrepl.errors import UsageError

watching = partial(command, group="Health")

What = Annotated[str, Argument("grads|nodes [every K]|off", rest=True)]
Name = Annotated[str, Argument("NAME|nodes", rest=True)]
Setting = Annotated[str, Argument("NAME")]
Value = Annotated[str, Argument("VALUE", rest=True)]


@watching("watch")
async def watch(talk: Talk, what: What = "") -> Answer:
    """Watch the gradients while the program runs: 'watch grads', 'watch nodes', 'watch off'.

    After each backward ``watch grads`` looks at every parameter's gradient; ``watch nodes`` also
    looks at the gradient that arrives at every node, ``watch nodes stats`` with its minimum and
    maximum. ``every K`` looks at every K-th backward only. New problems are told as they come,
    ``health`` shows the table, ``b verdict nan`` stops at one. Alone: what is being watched.
    """
    return await talk.ask(_watched(what))


def _watched(what: str) -> protocol.WatchHealth:
    if what in ("", "off"):
        return protocol.WatchHealth(off=bool(what))
    words = what.split()
    every = None
    if len(words) >= 2 and words[-2] == "every":
        if not re.fullmatch(r"[1-9]\d*", words[-1]):
            raise UsageError(f"every '{words[-1]}' makes no sense.", "Write: watch grads every 10")
        every, words = int(words[-1]), words[:-2]
    if not words or set(words) - {"grads", "nodes", "stats"} or words == ["stats"]:
        raise UsageError(
            f"'{what}' cannot be watched.", "Write: watch grads, watch nodes, or watch off."
        )
    return protocol.WatchHealth(
        grads="grads" in words,
        nodes="nodes" in words or "stats" in words,
        statistics="stats" in words,
        every=every,
    )


@watching("health", states=(*WAITING, RUNNING))
async def health(talk: Talk, name: Name = "") -> Answer:
    """Show every watched parameter's gradient with its verdict, the worst first; or one, NAME.

    NAME may be a pattern, as in ``health encoder.*``. ``health nodes`` shows the nodes of the
    last backward (``watch nodes``), ``health nodes bad`` only those with a problem. All but the
    details of one also while the program runs.
    """
    running = talk.state == RUNNING
    if name.split()[:1] == ["nodes"] and name.split()[1:] in ([], ["bad"]):
        bad = "bad" in name.split()
        return await talk.ask(protocol.AskHealthNodes(problems=bad, running=running))
    return await talk.ask(protocol.AskHealth(name=name, running=running))


@watching("set")
async def set_(talk: Talk, name: Setting = "", value: Value = "") -> Answer:
    """Show the limits of the verdicts, or set one: 'set health.vanishing 1e-9'.

    ``default`` as the value takes the one that it had at first.
    """
    if name in ("", "health"):
        if value:
            raise UsageError("'health' is no single limit.", "Write: set health.vanishing 1e-9")
        return await talk.ask(protocol.SetHealth())
    room, _, limit = name.partition(".")
    if room != "health" or not limit:
        raise UsageError(f"there is no setting '{name}'.", "':set health' lists what there is.")
    value = value.removeprefix("=").strip()
    if not value:
        return await talk.ask(protocol.SetHealth())
    try:
        number = None if value == "default" else float(value)
    except ValueError:
        raise UsageError(f"'{value}' is not a number.", f"Write: set {name} 0.5") from None
    return await talk.ask(protocol.SetHealth(name=limit, value=number))
