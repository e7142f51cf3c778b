"""What belongs to the modules in scope and what does not: optimizers, strays, shared parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from gradrepl.engine import torch_private
from gradrepl.engine.code.values import attributes, is_a
from gradrepl.engine.memory.owners import elements
from gradrepl.engine.tensor import facts
from gradrepl.engine.tensor.names import Names, reachable
from gradrepl.model import Stray

LISTED = 64


class Kept(NamedTuple):
    """Something that a variable holds, or a plain container."""

    name: str
    value: Any
    container: str = ""
    """The kind of container that it is in, or ''."""


def _kept(name: str, value: Any) -> Iterator[Kept]:
    """Yield ``value`` and, of a list, tuple or dict, what is in it."""
    yield Kept(name, value)
    for path, each in elements(name, value):
        yield Kept(path, each, type(value).__name__)


def _in_spaces(spaces: list[Mapping[str, Any]]) -> Iterator[Kept]:
    for space in spaces:
        for name, value in reachable(space):
            yield from _kept(name, value)


def of_optimizer(optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield what an optimizer has, each by its place there: 'Adam[0][2]'."""
    kind = type(optimizer).__name__
    for number, group in enumerate(optimizer.param_groups):
        for place, parameter in enumerate(group["params"]):
            yield f"{kind}[{number}][{place}]", parameter


class Optimizers:
    """The optimizers in scope, and which tensors they have."""

    def __init__(self, spaces: list[Mapping[str, Any]]) -> None:
        self._by_id: dict[int, tuple[str, torch.optim.Optimizer]] = {}
        for name, each, _ in _in_spaces(spaces):
            if is_a(each, torch.optim.Optimizer):
                self._by_id.setdefault(id(each), (name, each))
        self._owner: dict[int, str] = {}
        self.tensors: list[torch.Tensor] = []
        for name, optimizer in self._by_id.values():
            for group in optimizer.param_groups:
                for tensor in group["params"]:
                    if is_a(tensor, torch.Tensor):
                        self._owner.setdefault(id(tensor), name)
                        self.tensors.append(tensor)

    @property
    def names(self) -> tuple[str, ...]:
        """The optimizers' names."""
        return tuple(name for name, _ in self._by_id.values())

    def of(self, tensor: torch.Tensor) -> str:
        """Return the name of the optimizer that has ``tensor``, 'no', or '' without any at all."""
        return self._owner.get(id(tensor), "no") if self._by_id else ""


def ids_in(spaces: list[Mapping[str, Any]]) -> set[int]:
    """Return the identities of the tensors in these name spaces, also in plain containers."""
    return {id(each.value) for each in _in_spaces(spaces) if is_a(each.value, torch.Tensor)}


def strays(
    modules: list[tuple[str, nn.Module]],
    spaces: list[Mapping[str, Any]],
    names: Names,
    optimizers: Optimizers,
    owned: frozenset[int],
) -> tuple[Stray, ...]:
    """Return leaves that require a gradient and are in none of the modules in scope, though it
    seems that they should be.

    Modules in a plain list are the usual way to lose them: ``parameters()`` does not see them. An
    optimizer may have what is no module's: an image, say; and an input is nobody's.
    """
    lost: dict[int, Stray] = {}
    everywhere = owned | {id(each) for each in names.parameters.values()}
    variables = ids_in(spaces)
    for each, why in [*_in_modules(modules), *_as_variables(spaces)]:
        for path, tensor in _leaves(each):
            optimized = optimizers.of(tensor)
            if id(tensor) in everywhere or id(tensor) in lost or len(lost) >= LISTED:
                continue
            known = is_a(tensor, nn.Parameter) or id(tensor) not in variables  # else an input
            if known and optimized in ("no", ""):
                shape = facts.sizes(tensor.shape)
                lost[id(tensor)] = Stray(name=path, shape=shape, why=why, optimized=optimized)
    return tuple(lost.values())


def _leaves(kept: Kept) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the leaves that require a gradient."""
    value = kept.value
    if is_a(value, nn.Module):
        for path, parameter in value.named_parameters():
            if parameter.requires_grad:
                yield f"{kept.name}.{path}", parameter
        return
    leaf = is_a(value, torch.Tensor) and not torch_private.in_functorch(value)
    if leaf and value.requires_grad and facts.is_leaf(value):
        yield kept.name, value


def _in_modules(modules: list[tuple[str, nn.Module]]) -> Iterator[tuple[Kept, str]]:
    """Yield what plain attributes of modules hold: a list of layers, a dict, a tensor."""
    for path, module in modules:
        for attribute, value in list(attributes(module).items()):
            if attribute.startswith("_") or attribute == "training":
                continue
            for each in _kept(f"{path}.{attribute}" if path else attribute, value):
                if each.container or is_a(each.value, torch.Tensor):
                    kind = each.container or "attribute"
                    yield each, f"in a plain {kind} of {type(module).__name__}"


def _as_variables(spaces: list[Mapping[str, Any]]) -> Iterator[tuple[Kept, str]]:
    """Yield the Parameters that are variables, where they are the only ones there are."""
    for each in _in_spaces(spaces):
        if is_a(each.value, nn.Parameter):
            yield each, f"in a {each.container}" if each.container else "a variable"
