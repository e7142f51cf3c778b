"""Commands about data: loaders, batches, samples, devices."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

from gradrepl import protocol
from gradrepl.commands.registry import Argument, command, is_expression
from gradrepl.commands.talk import Answer, Talk
from gradrepl.errors import UsageError
from gradrepl.launch import is_device

data = partial(command, group="Data")

What = Annotated[str, Argument("EXPR|watch|off|check EXPR", complete="python", rest=True)]


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


@data("loader")
async def loader(talk: Talk, what: What = "") -> Answer:
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
    it, its samples are fetched here; the program's random numbers are left as they were.
    """
    return await talk.ask(protocol.AskBatch(number=number))


@data("sample")
async def sample(talk: Talk, index: Index) -> Answer:
    """Show dataset[I]: statistics, a small picture, and how long each transform took.

    It is fetched here, with its worker's seed; the program's random numbers are left as they were.
    """
    return await talk.ask(protocol.AskSample(index=index))


@data("fetch")
async def fetch(talk: Talk, index: Index) -> Answer:
    """Run dataset[I] here, with its worker's seed, stopped at its first op."""
    await talk.run(protocol.FetchSample(index=index))
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
