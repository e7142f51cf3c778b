"""Commands about a training: its gradients from step to step, its loaders, batches and devices."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated

from gradrepl import protocol
from gradrepl.commands.registry import RUNNING, WAITING, Argument, command, is_expression
from gradrepl.commands.talk import Answer, Talk
from gradrepl.errors import UsageError
from gradrepl.launch import is_device

watching = partial(command, group="Health")
data = partial(command, group="Data")

Watched = Annotated[str, Argument("grads|nodes [every K]|off", rest=True)]
Parameter = Annotated[str, Argument("NAME|nodes", rest=True)]
Setting = Annotated[str, Argument("NAME")]
Value = Annotated[str, Argument("VALUE", rest=True)]


@watching("watch")
async def watch(talk: Talk, what: Watched = "") -> Answer:
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
async def health(talk: Talk, name: Parameter = "") -> Answer:
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
            raise UsageError("'health' is not a single limit.", "Write: set health.vanishing 1e-9")
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


# -- data ----------------------------------------------------------------------------------------

Loader = Annotated[str, Argument("EXPR|watch|off|check EXPR", complete="python", rest=True)]


def _number_of(what: str, example: str) -> Callable[[str], int]:
    """Return what reads the number of a batch, of an epoch."""

    def read(text: str) -> int:
        if not text.lstrip("#").isdecimal():
            raise UsageError(f"'{text}' is not {what} number.", f"Write: {example}")
        return int(text.lstrip("#"))

    return read


Batch = Annotated[int | None, Argument("N", rest=True, read=_number_of("a batch", "batch 7"))]
Epoch = Annotated[int | None, Argument("N", rest=True, read=_number_of("an epoch", "epoch 1"))]
Index = Annotated[str, Argument("I", complete="python", rest=True)]
Fetched = Annotated[str, Argument("I [--here]", complete="python", rest=True)]


@data("loader")
async def loader(talk: Talk, what: Loader = "") -> Answer:
    """Show a DataLoader: settings, which have no effect here, sampler, seed, workers.

    It is the one that ``batch``, ``sample`` and ``fetch`` mean from then on. ``loader watch``
    notes what the program's own loops get, from then on and without a change to it; ``loader
    off`` no more. ``loader check`` looks for faults that raise nothing: the same random numbers in
    several workers, labels in order, samples never visited, NaN...
    """
    word, _, rest = what.partition(" ")
    bound = word in ("watch", "off", "check") and await _bound(talk, word)
    if word == "check" and not bound:
        return await talk.ask(protocol.CheckLoader(expression=rest.strip()))
    if word in ("watch", "off") and not rest and not bound:
        return await talk.ask(protocol.WatchLoaders(off=word == "off"))
    return await talk.ask(protocol.AskLoader(expression=what))


async def _bound(talk: Talk, word: str) -> bool:
    return await talk.ask(protocol.Bound(word=word)) is not None


@data("batch")
async def batch(talk: Talk, number: Batch = None) -> Answer:
    """Show batch N of this epoch, sample by sample, the odd ones first; without N the next one.

    Its indices are rebuilt from the sampler's generator without going through the batches before
    it, and its samples fetched, in a copy of the program: the program itself is as it was.
    """
    return await talk.ask(protocol.AskBatch(number=number))


@data("sample")
async def sample(talk: Talk, index: Index) -> Answer:
    """Show dataset[I]: statistics, a small picture, and how long each transform took.

    It is fetched with its worker's seed in a copy of the program, which is as it was.
    """
    return await talk.ask(protocol.AskSample(index=index))


@data("fetch")
async def fetch(talk: Talk, index: Fetched) -> Answer:
    """Run dataset[I] with its worker's seed, stopped at its first op, in a copy of the program.

    What it and what you type there reads, draws and changes is gone with the copy. ``fetch I
    --here`` runs it in the program itself, where that stays: on the GPU, over a connection.
    """
    given = index.removesuffix("--here")
    await talk.run(protocol.FetchSample(index=given.strip(), here=given != index))
    return None


@data("epoch")
async def epoch(talk: Talk, number: Epoch = None) -> Answer:
    """Show what of this epoch the program has got, and what is left: visits, repeats, labels.

    ``epoch N`` is one that the program has begun while its loops are watched (``loader watch``).
    """
    return await talk.ask(protocol.AskEpoch(number=number))


Device = Annotated[str, Argument("cpu|cuda[:N]|auto")]


@data("device")
async def device(talk: Talk, name: Device = "") -> Answer:
    """List the devices; or choose the one that 'to' takes: cpu, cuda, cuda:1, auto."""
    return await talk.ask(protocol.AskDevices(device=name, chosen=talk.options.device))


Moving = Annotated[str, Argument("[DEVICE] EXPR", complete="python", rest=True)]


@data("to")
async def to(talk: Talk, what: Moving) -> Answer:
    """Move a batch or a module to a device, and say what was copied and how fast; '_' is it.

    ``to cuda batch``, ``to auto model``; ``to batch`` takes the device chosen with ``device``, or
    with ``--device``. A module is moved in place, a batch is copied.
    """
    name, _, rest = what.partition(" ")
    chosen = talk.options.device
    if rest and (is_device(name) or not is_expression(what)):
        return await talk.ask(protocol.MoveTo(device=name, expression=rest.strip(), chosen=chosen))
    if is_device(name) and not await _bound(talk, name):
        raise UsageError("'to' needs EXPR.", f"Write: to {name} EXPR")
    return await talk.ask(protocol.MoveTo(expression=what, chosen=chosen))
