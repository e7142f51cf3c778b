"""The loader laboratory: how many workers, an epoch to its end, a batch from memory instead.

``:tune`` and ``:epoch run`` measure copies; ``:synthetic`` compares a loader with one batch from
memory, and while it is on it replaces the program's batches. ``:loader check`` learns from here
whether workers draw the same random numbers.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import gradrepl
from gradrepl import protocol
from gradrepl.commands.registry import Argument, Expression, Press, command
from gradrepl_loader_lab.records import (
    AskSynthetic,
    EpochRun,
    RunEpoch,
    Synthetic,
    TuneLoader,
    Tuning,
)

GROUP = "Data"
TUNE = Press("t", "Measure 0, 1, 2, 4 workers", page="data", foot="Tune")
Swap = Annotated[str, Argument("EXPR|on|off", complete="python", rest=True)]


@command("tune", group=GROUP, key=TUNE)
async def tune(talk: Any, expression: Expression = "") -> Any:
    """Measure a copy of the loader with 0, 1, 2, 4 workers, two seconds each; Ctrl-C stops it."""
    return await talk.ask(TuneLoader(expression=expression))


@command("epoch run", group=GROUP)
async def epoch_run(talk: Any) -> Any:
    """Iterate a copy of the loader to its end, and say which batch raises first.

    In a copy of the program, with workers of its own; Ctrl-C stops it.
    """
    return await talk.ask(RunEpoch())


@command("synthetic", group=GROUP)
async def synthetic(talk: Any, what: Swap = "") -> Any:
    """Measure a loader against one batch from memory, to prove that it holds the program up.

    ``synthetic on`` replaces the program's batches: its own loops over the loader get that one
    batch, again and again, so that it computes something else, until ``synthetic off``.
    ``synthetic`` then compares its steps.
    """
    word, chosen = what.strip(), talk.options.device
    if word in ("on", "off") and await talk.ask(protocol.Bound(word=word)) is None:
        action: Literal["on", "off"] = "on" if word == "on" else "off"
        return await talk.ask(AskSynthetic(action=action, chosen=chosen))
    return await talk.ask(AskSynthetic(expression=what, chosen=chosen))


@gradrepl.hookimpl
def gradrepl_commands():
    return [tune, epoch_run, synthetic]


@gradrepl.hookimpl
def gradrepl_drawings():
    from gradrepl_loader_lab import drawings

    return {
        Tuning: drawings.tuning,
        EpochRun: drawings.epoch_run,
        Synthetic: drawings.against_memory,
    }


@gradrepl.hookimpl
def gradrepl_answer(request, here):
    if not isinstance(request, TuneLoader | RunEpoch | AskSynthetic):
        return None
    from gradrepl.engine.data import current_loader, devices
    from gradrepl_loader_lab import one_batch, tuning, whole_epoch

    loader, name = current_loader.find_loader(request.expression, here.session, here.place)
    if isinstance(request, AskSynthetic) and request.action != "measure":
        with here.grad_as_typed():
            return one_batch.switched(loader, name, here, request.action == "on")

    def measured():
        if isinstance(request, TuneLoader):
            return tuning.measure(loader, name, here, request.seconds, request.workers)
        with here.grad_as_typed():
            if isinstance(request, RunEpoch):
                return whole_epoch.run(loader, name, here)
            return one_batch.measure(loader, name, here, request.seconds)

    told = here.apart(measured)
    if not isinstance(request, AskSynthetic):
        return told
    return one_batch.with_device(told, devices.chosen_device(here.session, "", request.chosen))


@gradrepl.hookimpl
def gradrepl_loader_check(loader, site, say):
    from gradrepl_loader_lab import probe

    return probe.check(loader, site, say)
