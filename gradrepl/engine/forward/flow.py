"""Where ops come from: which made a tensor and which used it, and which module runs each.

The graph does not know that of tensors without grad. Tensors are held weakly, for the last ops
only, and never while the user's code runs unrecorded: ``torch.utils.swap_tensors`` refuses tensors
that somebody refers to weakly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

import torch

from gradrepl.engine.code import frames
from gradrepl.engine.forward.calls import Call, tensors_in

if TYPE_CHECKING:
    from gradrepl.engine.tensor.names import Names

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
        self.roots: list[ref[torch.Tensor]] = []
        """What the last backward started from, if ops were recorded."""

    def backward(self, roots: Iterable[Any]) -> None:
        """A backward starts from these."""
        self.roots = [ref(root) for root in roots if isinstance(root, torch.Tensor)]

    def behind_roots(self) -> set[int] | None:
        """Return what the roots of the last backward were made of, themselves included, by the
        identity of its references; None where no backward was seen."""
        if not self.roots:
            return None
        inside = set(map(id, self.roots))
        for call, used, made in reversed(self.entries):
            wrote_to = (each for place, each in enumerate(used) if wrote(call, place))
            if any(id(each) in inside for each in (*made, *wrote_to)):
                inside.update(map(id, used))
        return inside

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
        self.roots.clear()

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

    def inputs_of(self, call: Call) -> list[torch.Tensor]:
        """Return what went into a recorded op and lives still."""
        for each, used, _ in reversed(self.entries):
            if each is call:
                return [tensor for held in used if (tensor := held()) is not None]
        return []

    def made_of(self, tensor: torch.Tensor) -> set[int]:
        """Return the identities of what recorded ops made of ``tensor``, at once or by and by."""
        known = {id(tensor)}
        for call, used, made in self.entries:
            if not call.bumped and any(id(each()) in known for each in used):
                known |= {id(each()) for each in made} - {id(None)}
        return known - {id(tensor)}


def wrote(call: Call, place: int) -> bool:
    """Did ``call`` write to its input number ``place``?"""
    return any(text.startswith(f"input {place}:") for text in call.bumped)


_SEVERAL = (list, tuple, dict)


class Cuts:
    """Where tensors left the graph: made, by a recorded op, of some that require a gradient."""

    def __init__(self) -> None:
        self._reasons: dict[int, tuple[ref[torch.Tensor], str]] = {}

    def note(self, output: torch.Tensor, inputs: Iterable[torch.Tensor], how: str) -> None:
        """Remember ``how`` this output came to require no gradient, while it lives.

        What is made only of tensors that were cut off has their reason.
        """
        before = list(inputs)
        if not any(tensor.requires_grad for tensor in before):
            how = next(filter(None, map(self.of, before)), "")
        if output.requires_grad or not how:
            return
        key, reasons = id(output), self._reasons
        reasons[key] = (ref(output, lambda _: reasons.pop(key, None)), how)

    def clear(self) -> None:
        """Forget everything."""
        self._reasons.clear()

    def of(self, tensor: torch.Tensor) -> str:
        """Return how ``tensor`` was cut off, or ''."""
        held, how = self._reasons.get(id(tensor), (None, ""))
        return how if held is not None and held() is tensor else ""


class Known:
    """A module that runs ops: how it is called, and its last op."""

    __slots__ = ("kind", "last", "module", "path")

    def __init__(self, module: Any, path: str, kind: str) -> None:
        self.module, self.path, self.kind = module, path, kind
        self.last = 0


class ModulePaths:
    """What is known of the modules that have run ops."""

    def __init__(self, names_of: Callable[[FrameType | None], Names]) -> None:
        self._names_of = names_of
        self._known: dict[int, Known] = {}
        """By identity; the modules are held, until their paths may have changed."""
        self._ran: dict[int, tuple[ref[Any], int]] = {}
        """By identity: modules that are no longer held, with their last op."""
        self._turns: deque[int] = deque([0, 0], maxlen=2)
        """The last op before each of the last two backwards."""
        self._paths: dict[int, tuple[ref[Any], str]] = {}
        """By identity: the paths of modules that have not run yet, found with those that have."""
        self._spellings: dict[str, tuple[str, ...]] = {}

    def of(self, walk: frames.Walk, op: int) -> tuple[str, str]:
        """Return path and class of the module that calls ``op``; '' where none does."""
        if not walk.module_frames:
            return "", ""
        module = frames.module_of(walk.module_frames[0])
        known = self._known.get(id(module))
        if known is None:
            path = self._path(module, walk)
            known = self._known[id(module)] = Known(module, path, type(module).__name__)
        known.last = op
        return known.path, known.kind

    def _path(self, module: Any, walk: frames.Walk) -> str:
        """Return the path of a module seen for the first time; its neighbours' are kept for it."""
        held, path = self._paths.get(id(module), (None, ""))
        if held is not None and held() is module:
            return path
        names = self._names_of(walk.frame)
        for near, path in names.each_module():
            self._paths[id(near)] = ref(near), path
            self._spellings[path] = names.spellings(path)
        path = names.module(walk.modules())
        self._spellings[path] = names.spellings(path)
        return path

    def spellings(self, path: str) -> tuple[str, ...]:
        """Return ``path`` with and without the variable of its model."""
        return self._spellings.get(path, (path,))

    def forget(self) -> None:
        """Paths may have changed: the user typed something."""
        alive = {key: ran for key, ran in self._ran.items() if ran[0]() is not None}
        for key, known in self._known.items():
            alive[key] = ref(known.module), known.last
        self._ran = alive
        self._known.clear()
        self._paths.clear()

    def backward_begins(self, last: int) -> None:
        """Ops after ``last`` belong to another step."""
        if last > self._turns[-1]:
            self._turns.append(last)

    def ran(self) -> frozenset[int] | None:
        """Return the identities of the modules that have run ops of their own in this step.

        A step begins after a backward; when nothing has run since the last one, it is the step
        of that one. None where no module has ever run an op while ops were recorded.
        """
        last = {key: op for key, (held, op) in self._ran.items() if held() is not None}
        last |= {key: known.last for key, known in self._known.items()}
        if not last:
            return None
        start = self._turns[-1] if max(last.values()) > self._turns[-1] else self._turns[0]
        return frozenset(key for key, op in last.items() if op > start)
