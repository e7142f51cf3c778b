"""The tree of modules with what each keeps: parameters, gradients, hooks, modes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from gradrepl.engine.explain import leaf
from gradrepl.engine.modules.reach import Optimizers
from gradrepl.engine.tensor import facts, hooks
from gradrepl.model import ModuleRow, ParameterRow

READ = 1 << 26
"""Elements of gradients up to which all are read for their state; beyond, they are just there."""
OWN = 32
"""Parameters and buffers listed of one module."""
WORST = ("nan", "inf", "none", "zero", "there", "ok", "")
"""States of gradients, the one to look at first in front."""


class Spot(NamedTuple):
    """One place of one module in a tree."""

    path: str
    prefix: str
    """What the names of its own parameters begin with."""
    name: str
    module: nn.Module
    depth: int
    parent: int
    """Index of the spot that it is in, or -1."""
    same_as: str


class Sums:
    """What is added up over the modules below a spot."""

    __slots__ = ("children", "grad", "own", "ran", "total", "trainable")

    def __init__(self) -> None:
        self.own = self.total = self.trainable = self.children = 0
        self.grad = ""
        self.ran = False

    def add(self, below: Sums) -> None:
        """Take in what is below."""
        self.total += below.total
        self.trainable += below.trainable
        self.grad = _worse(self.grad, below.grad)
        self.ran = self.ran or below.ran


def _worse(one: str, other: str) -> str:
    return WORST[min(WORST.index(one), WORST.index(other))]


def numel(parameter: torch.Tensor) -> int:
    """Return the number of elements; 0 of a lazy parameter that has no shape yet."""
    return 0 if is_lazy(parameter) else int(parameter.numel())


def _shape(tensor: torch.Tensor) -> tuple[int, ...]:
    return () if is_lazy(tensor) else facts.sizes(tensor.shape)


class Tree:
    """All modules below some roots (title, prefix, module), for one moment."""

    def __init__(
        self, roots: list[tuple[str, str, nn.Module]], optimizers: Optimizers,
        ran: frozenset[int] | None,
    ) -> None:  # fmt: skip
        self.spots: list[Spot] = []
        self.paths: dict[int, list[str]] = {}
        """All paths of each parameter, by identity."""
        self.parameters: dict[int, torch.Tensor] = {}
        """Each parameter once, in order."""
        self._optimizers = optimizers
        self._ran = ran
        self._seen: dict[int, str] = {}
        for title, prefix, root in roots:
            self._walk(title, prefix, root)
        for spot, name, parameter in self._entries():
            self.paths.setdefault(id(parameter), []).append(spot.prefix + name)
            self.parameters.setdefault(id(parameter), parameter)
        self._grads = dict(self._states())
        self.sums = self._add_up()

    def _walk(self, title: str, prefix: str, root: nn.Module) -> None:
        todo: list[tuple[str, str, str, nn.Module, int, int]] = [
            (title, prefix, title, root, 0, -1)
        ]
        while todo:
            path, below, name, module, depth, parent = todo.pop()
            same = self._seen.get(id(module), "")
            here = len(self.spots)
            self.spots.append(Spot(path, below, name, module, depth, parent, same))
            if same:
                continue
            self._seen[id(module)] = path
            children = [(n, m) for n, m in module._modules.items() if m is not None]
            todo += [
                (below + n, f"{below}{n}.", n, m, depth + 1, here) for n, m in reversed(children)
            ]

    def _entries(self) -> Iterator[tuple[Spot, str, torch.Tensor]]:
        for spot in self.spots:
            if not spot.same_as:
                for name, parameter in spot.module._parameters.items():
                    if parameter is not None:
                        yield spot, name, parameter

    def _states(self) -> Iterator[tuple[int, tuple[str, float | None]]]:
        """Yield for each parameter that requires a gradient its state and norm."""
        wanting = [
            (key, p) for key, p in self.parameters.items() if p.requires_grad and facts.is_leaf(p)
        ]
        grads = [(key, p.grad) for key, p in wanting]
        size = sum(grad.numel() for _, grad in grads if grad is not None)
        for key, grad in grads:
            if grad is None:
                yield key, ("none", None)
            else:
                yield key, leaf.state_of(grad) if size <= READ else ("there", None)

    def _add_up(self) -> list[Sums]:
        found = [Sums() for _ in self.spots]
        counted: set[int] = set()
        for spot, sums in zip(self.spots, found, strict=True):
            sums.ran = self._ran is not None and id(spot.module) in self._ran
            if spot.parent >= 0:
                found[spot.parent].children += 1
            if spot.same_as:
                continue
            held = [each for each in spot.module._parameters.values() if each is not None]
            for parameter in held:
                if id(parameter) not in counted:
                    counted.add(id(parameter))
                    sums.own += numel(parameter)
                    sums.trainable += numel(parameter) if parameter.requires_grad else 0
                state = self._grads.get(id(parameter), ("", None))[0]
                sums.grad = _worse(sums.grad, state)
        for place in range(len(self.spots) - 1, -1, -1):  # what is below comes later
            sums, parent = found[place], self.spots[place].parent
            sums.total += sums.own
            if parent >= 0:
                found[parent].add(sums)
        return found

    # -- rows ----------------------------------------------------------------------------------

    def shown(self, depth: int | None) -> list[int]:
        """Return the spots that have a row."""
        every = range(len(self.spots))
        return [at for at in every if depth is None or self.spots[at].depth <= depth]

    def row(self, place: int, depth: int | None) -> ModuleRow:
        """Return the row of a spot."""
        spot, sums = self.spots[place], self.sums[place]
        hidden = 0
        if depth is not None and spot.depth == depth:
            end = place + 1
            while end < len(self.spots) and self.spots[end].depth > spot.depth:
                end += 1
            hidden = end - place - 1
        about = "" if spot.same_as else _about(spot.module)
        ran = "" if self._ran is None else "ran" if sums.ran else "no op yet"
        return ModuleRow(
            path=spot.path, name=spot.name, kind=type(spot.module).__name__, depth=spot.depth,
            about=about, own=sums.own, total=sums.total, trainable=sums.trainable,
            children=sums.children, hidden=hidden, training=bool(spot.module.training),
            grad=sums.grad, ran=ran, same_as=spot.same_as,
            parameters=() if spot.same_as else self.kept(spot),
            hooks=() if spot.same_as else hooks.of_module(spot.module),
        )  # fmt: skip

    def kept(self, spot: Spot) -> tuple[ParameterRow, ...]:
        """Return the module's own parameters and buffers."""
        found = [
            self._parameter(spot.prefix + name, name, parameter)
            for name, parameter in spot.module._parameters.items()
            if parameter is not None
        ]
        transient = vars(spot.module).get("_non_persistent_buffers_set", set())
        found += [
            ParameterRow(
                name=name, path=spot.prefix + name, buffer=True, persistent=name not in transient,
                shape=_shape(buffer),
                dtype=facts.short(buffer.dtype), count=numel(buffer),
                requires_grad=buffer.requires_grad,
            )
            for name, buffer in spot.module._buffers.items()
            if buffer is not None
        ]  # fmt: skip
        return tuple(found[:OWN])

    def _parameter(self, path: str, name: str, parameter: torch.Tensor) -> ParameterRow:
        paths = self.paths.get(id(parameter), [path])
        state, norm = self._grads.get(id(parameter), ("", None))
        return ParameterRow(
            name=name, path=path, shape=_shape(parameter),
            dtype=facts.short(parameter.dtype), count=numel(parameter),
            requires_grad=parameter.requires_grad, grad=state, norm=norm,
            tied=tuple(other for other in paths if other != path)[:8], first=paths[0] == path,
            optimized=self._optimizers.of(parameter),
        )  # fmt: skip

    def missed(self) -> list[str]:
        """Return the parameters that require a gradient and that no optimizer in reach has."""
        return [
            self.paths[key][0]
            for key, parameter in self.parameters.items()
            if parameter.requires_grad and self._optimizers.of(parameter) == "no"
        ]


def _about(module: nn.Module) -> str:
    """Return what one of torch's own modules says of itself; the user's own code is not run."""
    describe: Any = type(module).extra_repr
    if not str(getattr(describe, "__module__", "")).startswith("torch."):
        return ""
    try:
        return str(module.extra_repr())[:80]
    except (AttributeError, TypeError, RuntimeError):  # of a module that is half made
        return ""
