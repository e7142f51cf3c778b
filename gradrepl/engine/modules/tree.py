"""The answer to ``:mods``: a window on the modules, and what each keeps: parameters, gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine import torch_private
from gradrepl.engine.code.values import is_a
from gradrepl.engine.explain import no_gradient
from gradrepl.engine.modules.reach import LISTED, Optimizers, ids_in, strays
from gradrepl.engine.session import Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts, figures
from gradrepl.engine.tensor import names as engine_names
from gradrepl.engine.tensor.names import Names
from gradrepl.errors import StateError, UsageError
from gradrepl.model import ModuleRow, ParameterRow

Root = tuple[str, str, nn.Module]
"""Title, what the paths below begin with, and the module."""


@on(p.ModuleRows)
def modules(request: p.ModuleRows, session: Session, place: Place) -> model.Modules:
    """Return a window on the modules below an expression, or below every root in scope.

    Raises:
        UsageError: the expression is no module.
        StateError: there is no module in scope.
    """
    names = session.names(place.frame)
    roots = _roots(request.expression, names, session, place)
    with figures.quiet():
        return _window(request, session, place, names, roots)


def _window(
    request: p.ModuleRows, session: Session, place: Place, names: Names, roots: list[Root]
) -> model.Modules:
    spaces = engine_names.namespaces(place.frame, session.space)
    optimizers = Optimizers(spaces)
    ran = session.recorder.paths.ran()
    tree = Tree(roots, optimizers, ran)
    shown = tree.shown(request.depth)
    first = max(0, min(request.first, len(shown) - 1))
    places = [(spot.prefix.rstrip("."), spot.module) for spot in tree.spots]
    lost = strays(places, spaces, names, optimizers, frozenset(tree.parameters))
    known = names.tensors.keys() | tree.parameters.keys() | ids_in(spaces)
    unknown = 0 if tree.sharded else sum(id(each) not in known for each in optimizers.tensors)
    missed = tree.missed(replaced=unknown > 0)
    tops = [spot for spot in tree.spots if not spot.depth]
    rows = [tree.row(spot, request.depth) for spot in shown[first : first + request.count]]
    if rows and not first:
        everywhere = (*rows[0].hooks, *engine_names.hooks_of_all())
        rows[0] = msgspec.structs.replace(rows[0], hooks=everywhere)
    return model.Modules(
        rows=tuple(rows),
        first=first,
        total=len(shown),
        roots=tuple(title for title, _, _ in roots),
        parameters=sum(each.total for each in tops),
        trainable=sum(each.trainable for each in tops),
        tensors=len(tree.parameters),
        optimizers=optimizers.names,
        missed=tuple(missed[:LISTED]),
        missed_total=len(missed),
        unknown=unknown,
        strays=lost,
        recorded=ran is not None,
    )


def _roots(expression: str, names: Names, session: Session, place: Place) -> list[Root]:
    prefixes = {id(root): prefix for prefix, root in names.roots}
    if not expression:
        if not names.roots:
            raise StateError(
                "No modules in the current scope.", "':mods EXPR' shows the one that EXPR is."
            )
        return [(names.modules[id(root)], prefix, root) for prefix, root in names.roots]
    module = session.evaluate(expression, place)
    if isinstance(module, nn.Module) and "_modules" not in vars(module):
        raise UsageError(
            f"'{expression}' is a {type(module).__name__} that is not made yet.",
            "Call super().__init__() first in its __init__.",
        )
    if not isinstance(module, nn.Module):
        raise UsageError(
            f"'{expression}' is a {type(module).__name__}, not a module.",
            "':mods' alone shows all modules in scope.",
        )
    title = names.modules.get(id(module), expression)
    return [(title, prefixes.get(id(module), f"{title}."), module)]


READ = 1 << 26
"""Elements of gradients up to which all are read for their state; beyond, they are just there."""
OWN = 32
"""Parameters and buffers listed of one module."""
FSDP = ("FSDPModule", "FullyShardedDataParallel")
"""Classes of torch.distributed.fsdp."""
WORST = ("nan", "inf", "none", "zero", "there", "ok", "")
"""States of gradients, the one to look at first in front."""


@dataclass(slots=True, eq=False)
class Spot:
    """One place of one module in a tree, and what is added up over the modules below it."""

    path: str
    prefix: str
    """What the names of its own parameters begin with."""
    name: str
    module: nn.Module
    depth: int
    parent: Spot | None = None
    same_as: str = ""
    """Path of the same module where it stood first, or ''."""
    own: int = 0
    total: int = 0
    trainable: int = 0
    children: int = 0
    below: int = 0
    """Modules below it."""
    grad: str = ""
    ran: bool = False

    def add_up(self) -> None:
        """Take in its own parameters, and have the parent take in all that is here."""
        self.total += self.own
        parent = self.parent
        if parent is not None:
            parent.total += self.total
            parent.trainable += self.trainable
            parent.children += 1
            parent.below += 1 + self.below
            parent.grad = _worse(parent.grad, self.grad)
            parent.ran = parent.ran or self.ran


def _shards(spot: Spot | None) -> bool:
    """Does FSDP shard a module, or one that it is in?"""
    while spot is not None:
        if any(kind.__name__ in FSDP for kind in type(spot.module).__mro__):
            return True
        spot = spot.parent
    return False


SAME = {*ModuleRow.__struct_fields__} & {*Spot.__dataclass_fields__} - {"ran"}
"""What a row says as it is kept here."""


def _worse(one: str, other: str) -> str:
    return min(one, other, key=WORST.index)


def numel(parameter: torch.Tensor) -> int:
    """Return the number of elements; 0 of a lazy parameter that has no shape yet."""
    return 0 if is_lazy(parameter) else int(parameter.numel())


class Tree:
    """All modules below some roots (title, prefix, module), for one moment."""

    def __init__(
        self, roots: list[Root], optimizers: Optimizers, ran: frozenset[int] | None
    ) -> None:
        self.spots: list[Spot] = []
        self.paths: dict[int, list[str]] = {}
        """All paths of each parameter, by identity."""
        self.parameters: dict[int, torch.Tensor] = {}
        """Each parameter once, in order."""
        self.sharded: set[int] = set()
        """Parameters whose module is FSDP's: an optimizer has their shards."""
        self._optimizers = optimizers
        self._ran = ran
        self._beside: dict[int, list[Spot]] = {}
        """By the spot that they are in."""
        self._seen: dict[int, str] = {}
        for title, prefix, root in roots:
            self._walk(title, prefix, root)
        for spot, name, parameter in self._entries():
            if _shards(spot):
                self.sharded.add(id(parameter))
            self.paths.setdefault(id(parameter), []).append(spot.prefix + name)
            self.parameters.setdefault(id(parameter), parameter)
        self._grads = dict(self._states())
        self._add_up()

    def _walk(self, title: str, prefix: str, root: nn.Module) -> None:
        todo = [Spot(title, prefix, title, root, 0)]
        while todo:
            spot = todo.pop()
            module, below = spot.module, spot.prefix
            spot.same_as = self._seen.get(id(module), "")
            spot.ran = self._ran is not None and id(module) in self._ran
            self.spots.append(spot)
            self._beside.setdefault(id(spot.parent), []).append(spot)
            if not spot.same_as:
                self._seen[id(module)] = spot.path
                children = [(n, m) for n, m in module._modules.items() if m is not None]
                todo += [
                    Spot(below + n, f"{below}{n}.", n, m, spot.depth + 1, spot)
                    for n, m in reversed(children)
                ]

    def _entries(self) -> Iterator[tuple[Spot, str, torch.Tensor]]:
        """Yield (spot, name, parameter), each module once."""
        for spot in self.spots:
            if not spot.same_as:
                for name, parameter in spot.module._parameters.items():
                    if parameter is not None:
                        yield spot, name, parameter

    def _states(self) -> Iterator[tuple[int, tuple[str, float | None]]]:
        """Yield for each parameter that requires a gradient its state and norm."""
        grads = [
            (key, each.grad)
            for key, each in self.parameters.items()
            if each.requires_grad and facts.is_leaf(each)
        ]
        size = sum(grad.numel() for _, grad in grads if grad is not None)
        for key, grad in grads:
            if grad is None:
                yield key, ("none", None)
            else:
                yield key, no_gradient.state_of(grad) if size <= READ else ("there", None)

    def _add_up(self) -> None:
        counted: set[int] = set()
        for spot, _, parameter in self._entries():
            count = 0 if id(parameter) in counted else numel(parameter)
            counted.add(id(parameter))
            spot.own += count
            spot.trainable += count if parameter.requires_grad else 0
            spot.grad = _worse(spot.grad, self._grads.get(id(parameter), ("", None))[0])
        for spot in reversed(self.spots):  # what is below comes later
            spot.add_up()

    # -- rows ----------------------------------------------------------------------------------

    def shown(self, depth: int | None) -> list[Spot]:
        """Return the spots that have a row."""
        return [spot for spot in self.spots if depth is None or spot.depth <= depth]

    def row(self, spot: Spot, depth: int | None) -> ModuleRow:
        """Return the row of a spot."""
        return ModuleRow(
            kind=type(spot.module).__name__,
            about="" if spot.same_as else _about(spot.module),
            hidden=spot.below if spot.depth == depth else 0,
            training=bool(spot.module.training),
            ran="" if self._ran is None else "ran" if spot.ran else "no op yet",
            parameters=() if spot.same_as else self.kept(spot),
            hooks=() if spot.same_as else engine_names.hooks_of_module(spot.module),
            **{name: getattr(spot, name) for name in SAME},
        )

    def kept(self, spot: Spot) -> tuple[ParameterRow, ...]:
        """Return the module's own parameters and buffers."""
        transient = vars(spot.module).get("_non_persistent_buffers_set", set())
        rows = [
            ParameterRow(**_tensor(spot, name, parameter), **self._state(spot, name, parameter))
            for name, parameter in spot.module._parameters.items()
            if parameter is not None
        ]
        rows += [
            ParameterRow(
                **_tensor(spot, name, buffer), buffer=True, persistent=name not in transient
            )
            for name, buffer in spot.module._buffers.items()
            if buffer is not None
        ]
        return tuple(rows[:OWN])

    def _state(self, spot: Spot, name: str, parameter: torch.Tensor) -> dict[str, Any]:
        path = spot.prefix + name
        paths = self.paths.get(id(parameter), [path])
        state, norm = self._grads.get(id(parameter), ("", None))
        return {
            "grad": state,
            "norm": norm,
            "tied": tuple(other for other in paths if other != path)[:8],
            "first": paths[0] == path,
            "optimized": self._owner(parameter),
        }

    def _owner(self, parameter: torch.Tensor) -> str:
        """Return the optimizer that has a parameter, 'no', or '' where that cannot be known.

        Shards may be what it has, and a functional call has put in something else for a while.
        """
        own = is_a(parameter, nn.Parameter) and not torch_private.in_functorch(parameter)
        owner = self._optimizers.of(parameter)
        return owner if owner != "no" or (own and id(parameter) not in self.sharded) else ""

    def missed(self, replaced: bool) -> list[str]:
        """Return the parameters that an optimizer in scope should have, and none has.

        Not those of a model of which none has any, unless one has what nothing in scope has
        (``replaced``), nor of a copy of a module that is trained, before a gradient reaches it: a
        teacher, a target network, a learner that is thrown away.
        """
        if not self._optimizers.names:
            return []
        spare = {
            id(each)
            for spot in self.spots
            if (self._copies(spot) if spot.depth else not (replaced or self._trains(spot)))
            for _, each in _named(spot.module)
        }
        return [
            self.paths[key][0]
            for key, parameter in self.parameters.items()
            if parameter.requires_grad and self._owner(parameter) == "no" and key not in spare
        ]

    def _trains(self, spot: Spot) -> bool:
        """Has an optimizer any of its parameters?"""
        return any(self._owner(each) not in ("no", "") for _, each in _named(spot.module))

    def _copies(self, spot: Spot) -> bool:
        """Has it no gradient, and a trained module beside it that is made of the same?"""
        if spot.grad != "none" or self._trains(spot):
            return False
        made = _plan(spot.module)
        return any(
            type(each.module) is type(spot.module)
            and _plan(each.module) == made
            and self._trains(each)
            for each in self._beside[id(spot.parent)]
        )


def _named(module: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Return the parameters below a module as torch itself lists them."""
    return list(nn.Module.named_parameters(module))


def _plan(module: nn.Module) -> list[Any]:
    """Return what tells whether two modules were made the same way."""
    return [(name, numel(each)) for name, each in _named(module)]


def _tensor(spot: Spot, name: str, tensor: torch.Tensor) -> dict[str, Any]:
    """Return what is told of a parameter and of a buffer alike."""
    return {
        "name": name,
        "path": spot.prefix + name,
        "shape": () if is_lazy(tensor) else facts.sizes(tensor.shape),
        "dtype": facts.short(tensor.dtype),
        "count": numel(tensor),
        "requires_grad": tensor.requires_grad,
    }


def _about(module: nn.Module) -> str:
    """Return what one of torch's own modules says of itself; the user's own code is not run."""
    describe: Any = type(module).extra_repr
    if not str(getattr(describe, "__module__", "")).startswith("torch."):
        return ""
    try:
        return str(module.extra_repr())[:80]
    except (AttributeError, TypeError, RuntimeError):  # of a module that is half made
        return ""
