"""Which op made a tensor and which used it: what the graph does not know of tensors without grad.

Tensors are held weakly, for the last ops only, and never while the user's code runs unrecorded:
``torch.utils.swap_tensors`` refuses tensors that somebody refers to weakly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple
from weakref import ref

import torch

from gradrepl.engine.forward.calls import Call, tensors_in

OPS = 10_000
"""Ops of which it is known what went in and what came out."""


Entry = tuple[Call, list[ref[torch.Tensor]], list[ref[torch.Tensor]]]
"""An op, what went in, and what came out."""


class History(NamedTuple):
    """What recorded ops did with one tensor."""

    maker: Call | None
    """The op that made it; None where that was not recorded."""
    of: int
    """How many tensors went into the maker."""
    users: list[tuple[Call, bool]]
    """Ops that it went into, in order, and whether they wrote to it."""


class Flow:
    """Inputs and outputs of the last ops."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=OPS)
        """The last ops, oldest first."""

    def note(self, call: Call) -> None:
        """Remember what went into an op that has run, and what came out, while it is held."""
        used = []
        for each in call.args:
            if isinstance(each, torch.Tensor):
                used.append(ref(each))
            elif type(each) in _SEVERAL:
                used += map(ref, tensors_in(each))
        if call.kwargs:
            used += map(ref, tensors_in(call.kwargs))
        result = call.result
        if isinstance(result, torch.Tensor):
            made = [ref(result)]
        else:
            made = list(map(ref, tensors_in(result)))
        self.entries.append((call, used, made))

    def clear(self) -> None:
        """Refer to no tensor any more."""
        self.entries.clear()

    def of(self, tensor: torch.Tensor) -> History:
        """Return what recorded ops did with ``tensor``."""
        maker, count = None, 0
        users: list[tuple[Call, bool]] = []
        for call, used, made in self.entries:
            places = [place for place, each in enumerate(used) if each() is tensor]
            if places:
                users.append((call, any(wrote(call, place) for place in places)))
            elif maker is None and not users and any(each() is tensor for each in made):
                maker, count = call, len(used)
        return History(maker, count, users)


def wrote(call: Call, place: int) -> bool:
    """Did ``call`` write to its input number ``place``?"""
    return any(text.startswith(f"input {place}:") for text in call.bumped)


_SEVERAL = (list, tuple, dict)


class Cuts:
    """Where tensors left the graph: made, by a recorded op, of some that require a gradient."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[ref[torch.Tensor], str]] = {}

    def note(self, output: torch.Tensor, inputs: Iterable[torch.Tensor], how: str) -> None:
        """Remember ``how`` this output came to require no gradient, while it lives.

        What is made only of tensors that were cut off has their reason.
        """
        before = list(inputs)
        if not any(tensor.requires_grad for tensor in before):
            how = next(filter(None, map(self.of, before)), "")
        if output.requires_grad or not how:
            return
        key, found = id(output), self._found
        found[key] = (ref(output, lambda _: found.pop(key, None)), how)

    def clear(self) -> None:
        """Forget everything."""
        self._found.clear()

    def of(self, tensor: torch.Tensor) -> str:
        """Return how ``tensor`` was cut off, or ''."""
        held, how = self._found.get(id(tensor), (None, ""))
        return how if held is not None and held() is tensor else ""
