"""What became of a tensor that no gradient comes back to: which op cut it off, or none used it.

Tensors that are gone are followed, too: all that is needed is which call took what which other
call had made, and two weak references to one tensor are one object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from weakref import ref

import torch

from gradrepl.engine.explain.leaf import said
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.forward.flow import Flow, wrote
from gradrepl.engine.tensor import facts

CUTTING = frozenset(["detach", "detach_", "data", "item", "tolist", "numpy", "__array__"])
"""Ops whose very purpose it is."""
TOLD = 3


class End(NamedTuple):
    """Where the way from a tensor to a loss ends."""

    call: Call
    why: str
    """What the cut is, if ``call`` makes it; '' where nothing used what ``call`` made."""


def told(tensor: torch.Tensor, flow: Flow) -> str:
    """Say what became of ``tensor`` in the recorded ops; '' where they say nothing about it."""
    if not flow.entries:
        return ""
    uses = _uses(tensor, flow)
    if not uses:
        full = len(flow.entries) == flow.entries.maxlen  # one that is forgotten may have
        return "" if full else "no recorded op used it."
    ends = list(_ends(tensor, flow, uses))
    cuts = list(dict.fromkeys(end.why for end in ends if end.why))
    if cuts:
        more = f" and {len(cuts) - TOLD} more" if len(cuts) > TOLD else ""
        return f"what was made of it was cut off by {', '.join(cuts[:TOLD])}{more}."
    last = list(dict.fromkeys(said(end.call) for end in ends))
    return f"no recorded op used what {last[-1]} made of it." if last else ""


def _uses(tensor: torch.Tensor, flow: Flow) -> dict[int, Call]:
    """Return the ops that made something of ``tensor``, by place: of each line the last.

    What ran without a graph counts only where nothing else did: it is an evaluation. So does what
    took it off the graph itself, as a logger, an average of weights or DistributedDataParallel do.
    """
    start = ref(tensor)
    last: dict[object, int] = {}
    for place, (call, used, made) in enumerate(flow.entries):
        if any(each is start for each in used) and not all(each is start for each in made):
            last[call.site, call.name] = place
    found = {place: flow.entries[place][0] for place in last.values()}
    with_graph = {p: call for p, call in found.items() if not _without_graph(call)} or found
    return {p: call for p, call in with_graph.items() if call.name not in CUTTING} or with_graph


def _ends(tensor: torch.Tensor, flow: Flow, uses: dict[int, Call]) -> Iterator[End]:
    reached: dict[int, Call] = {}
    taken: set[int] = set()
    start = ref(tensor)
    for place, (call, used, made) in enumerate(flow.entries):
        inputs = {id(each) for each in used if id(each) in reached}
        if place not in uses and not inputs:
            continue
        taken |= inputs
        cut = _cut(call, made)
        if cut:
            yield End(call, cut)
            continue
        written = [each for at, each in enumerate(used) if wrote(call, at)]
        for each in (*made, *written):
            if each is not start and id(each) not in inputs:
                reached[id(each)] = call
    for key, call in reached.items():
        if key not in taken:
            yield End(call, "")


def _cut(call: Call, made: list[ref[torch.Tensor]]) -> str:
    """Return what cuts off what went into ``call``, or ''."""
    if _without_graph(call) or call.name in CUTTING:
        return said(call)
    alive = [output for each in made if (output := each()) is not None]
    if any(output.requires_grad for output in alive):
        return ""
    dtype = getattr(torch, call.dtype, None) if call.dtype else None
    if isinstance(dtype, torch.dtype) and not (dtype.is_floating_point or dtype.is_complex):
        return f"{said(call)}, which makes {facts.short(dtype)}"
    return said(call) if alive else ""


def _without_graph(call: Call) -> bool:
    return "no_grad" in call.mode or "inference" in call.mode
