"""Who can be named: every tensor that the user can reach by typing, with its name and its owner.

Variables of all frames in scope, and one level down into objects, lists, tuples and dicts;
parameters and buffers of modules under every name that they have; gradients; the state of
optimizers; NumPy arrays; what exists only at a stop. What the live graph saved for its backward is
a walk of its own (``savings``). Nothing here runs a hook or a property of the user's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import FrameType
from typing import Any, NamedTuple, Protocol

import torch

from gradrepl.engine.code import frames
from gradrepl.engine.code.values import attributes, is_a
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import Graph
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts
from gradrepl.engine.tensor.names import Names, opens
from gradrepl.engine.torch_private import unpacked_alone

INSIDE = 256
"""Elements or attributes of one object that are looked at."""
TENSORS = 50_000
"""Tensors looked at in all."""
NODES = 5_000
"""Nodes of the graph searched for what they saved."""

PARAMETER, BUFFER, GRADIENT, OPTIMIZER = "parameter", "buffer", "gradient", "optimizer"
VARIABLE, INNER, STOP, SAVED = "variable", "inside of a variable", "at this stop", "saved"


class Scope(Protocol):
    """Where names are looked up: the session."""

    space: dict[str, Any]

    def names(self, frame: FrameType | None) -> Names:
        """Return the names in scope of a frame."""


class Owned(NamedTuple):
    """One name of one tensor (or NumPy array)."""

    name: str
    owner: str
    """Who holds it: a word of the constants above."""
    value: Any


class Saving(NamedTuple):
    """One tensor that a node of the live graph saved for its backward."""

    node: Any
    """The node; do not keep it."""
    attribute: str
    value: torch.Tensor
    """What was saved. Of one changed in place since then, its data as it is now."""
    version: int | None
    """Its version when it was saved."""
    stale: str
    """Torch's own message where it was changed in place since then, else ''."""


class Owners:
    """All names of all tensors in scope at one place, for one moment. Keep it no longer."""

    def __init__(self, session: Scope, place: Place) -> None:
        self.tensors: list[Owned] = []
        """In this order: modules' own, variables, inside of variables, gradients, optimizers'."""
        self.arrays: list[Owned] = []
        """NumPy arrays."""
        self.cut: list[str] = []
        """What was not looked at because there is too much of it."""
        self._names: dict[str, int] = {}
        self._seen: dict[int, str] = {}
        self._optimizers: dict[int, tuple[str, torch.optim.Optimizer]] = {}
        self._pass = getattr(place.event, "backward", None)
        names = session.names(place.frame)
        inner: list[Owned] = []
        modules: list[tuple[str, torch.nn.Module]] = list(names.roots)
        variables = list(_variables(session, place))
        for name, owner, value in variables:
            for path, inside in _inside(name, value, self.cut):
                if is_a(inside, torch.nn.Module) and id(inside) not in names.modules:
                    modules.append((path + ".", inside))
                inner.append(Owned(path, INNER if owner == VARIABLE else owner, inside))
        for prefix, root in modules:
            self._add_module(prefix, root)
        for each in variables:
            self._add(each)
        for each in inner:
            self._add(each)
        for tensor in {id(each.value): each.value for each in self.tensors}.values():
            self._add_gradient(tensor)
        for name, optimizer in self._optimizers.values():
            self._add_optimizer(name, optimizer)

    def name(self, tensor: Any) -> str:
        """Return the first name of ``tensor``, or ''."""
        return self._seen.get(id(tensor), "")

    def _add(self, each: Owned) -> None:
        if is_a(each.value, torch.Tensor):
            if each.owner == STOP and id(each.value) in self._seen:
                return  # what has a name of its own needs none of ours
            known = self._names.setdefault(each.name, id(each.value))
            if known == id(each.value) and self._seen.get(known) == each.name:
                return
            if len(self.tensors) >= TENSORS:
                self._cut(f"only the first {TENSORS} tensors were looked at")
                return
            self._seen.setdefault(id(each.value), each.name)
            self.tensors.append(each)
        elif is_a(each.value, torch.optim.Optimizer):
            self._optimizers.setdefault(id(each.value), (each.name, each.value))
        elif is_array(each.value):
            self.arrays.append(each)

    def _cut(self, sentence: str) -> None:
        if sentence not in self.cut:
            self.cut.append(sentence)

    def _add_module(self, prefix: str, root: torch.nn.Module) -> None:
        for path, parameter in root.named_parameters(remove_duplicate=False):
            self._add(Owned(prefix + path, PARAMETER, parameter))
        for path, buffer in root.named_buffers(remove_duplicate=False):
            self._add(Owned(prefix + path, BUFFER, buffer))
        for path, module in root.named_modules():
            for name, value in list(attributes(module).items()):  # neither parameter nor buffer
                if is_a(value, torch.Tensor):
                    self._add(Owned(prefix + (f"{path}." if path else "") + name, INNER, value))

    def _add_gradient(self, tensor: torch.Tensor) -> None:
        if not (facts.is_leaf(tensor) or tensor.retains_grad):
            return
        grad = tensor.grad
        if grad is not None:
            self._add(Owned(f"{self.name(tensor)}.grad", GRADIENT, grad))

    def _add_optimizer(self, name: str, optimizer: torch.optim.Optimizer) -> None:
        for at, group in enumerate(optimizer.param_groups):
            for place, parameter in enumerate(group["params"]):
                if is_a(parameter, torch.Tensor) and not self.name(parameter):
                    path = f"{name}.param_groups[{at}]['params'][{place}]"
                    self._add(Owned(path, VARIABLE, parameter))
                    self._add_gradient(parameter)
        for parameter, state in list(optimizer.state.items()):
            if isinstance(state, dict):
                of = self.name(parameter)
                for key, value in list(state.items()):
                    if is_a(value, torch.Tensor):
                        self._add(Owned(f"{name}.{key}[{of}]", OPTIMIZER, value))

    def optimizer(self, tensor: torch.Tensor) -> str:
        """Return the name of an optimizer that updates ``tensor``, or ''."""
        for name, optimizer in self._optimizers.values():
            groups = optimizer.param_groups
            if any(each is tensor for group in groups for each in group["params"]):
                return name
        return ""

    def savings(self) -> Iterator[Saving]:
        """Yield what the live graph saved, from the ``grad_fn`` of every tensor in scope."""
        for node in self.graph():
            yield from _saved(node)

    def graph(self) -> list[Any]:
        """Return the nodes that can be reached from here, at most ``NODES`` of them."""
        held = (each.value for each in self.tensors if each.value.requires_grad)
        starts = [facts.node_of(tensor) for tensor in held]
        if self._pass is not None:
            starts += self._pass.graph.nodes[:NODES]
        graph = Graph([node for node in starts if node is not None], NODES)
        if graph.cut:
            self._cut(f"only {NODES} nodes of the graph were looked at for what they saved")
        return graph.nodes


def _saved(node: Any) -> Iterator[Saving]:
    for attribute, value, state in nodes.saved(node):
        if state == "ok" and isinstance(value, torch.Tensor) and not attribute.startswith("ctx."):
            yield Saving(node, attribute, value, facts.version(value), "")
        elif state == "changed in place":
            yield from _stale(node, attribute)


def _stale(node: Any, attribute: str) -> Iterator[Saving]:
    """Yield what was saved and changed since then: reading it raises, its data can be had."""
    function = nodes.is_custom(node)
    whole = attribute if function else f"_saved_{attribute}"
    refusal = _refusal(lambda: getattr(node, whole))
    raw = getattr(node, f"_raw_{attribute}" if function else f"_raw{whole}", None)
    if not isinstance(raw, (list, tuple)):
        value = getattr(raw, "data", None)
        if isinstance(value, torch.Tensor):
            yield Saving(node, attribute, value, _expected(refusal, value), refusal)
        return
    for place, each in enumerate(raw):
        name, value = f"{attribute}[{place}]", getattr(each, "data", None)
        if not isinstance(value, torch.Tensor):
            continue
        alone = _alone(each, value, refusal)
        # An output of the node cannot be unpacked alone: it is meant if none before it was.
        stale = alone if nodes.STALE in alone else refusal if alone else ""
        yield Saving(node, name, value, _expected(stale, value), stale)
        refusal = "" if stale else refusal


def _alone(saved: Any, value: torch.Tensor, said: str) -> str:
    """Return why torch refuses one of several saved tensors, or ''; ``said``: why it refuses all.

    Where torch cannot read one alone, it is the one of the version that the message has.
    """
    if unpacked_alone is not None:
        return _refusal(lambda: unpacked_alone(saved))
    return said if f"is at version {facts.version(value)};" in said else ""


def _refusal(read: Callable[[], Any]) -> str:
    """Return why torch refuses to read something that was saved, or ''."""
    try:
        read()
    except RuntimeError as error:
        return str(error)
    return ""


def _expected(refusal: str, value: torch.Tensor) -> int | None:
    """Return the version that torch's message says it expected; without one that it has."""
    number = refusal.partition("expected version ")[2].partition(" ")[0]
    return int(number) if number.isdecimal() else facts.version(value)


def is_array(value: Any) -> bool:
    """Is this a NumPy array of plain elements?"""
    numpy = sys.modules.get("numpy")
    return numpy is not None and is_a(value, numpy.ndarray) and not value.dtype.hasobject


def _variables(session: Scope, place: Place) -> Iterator[Owned]:
    """Yield the variables in scope, and what exists only at this stop.

    A name that an inner frame has for something else says whose variable it is.
    """
    spaces: list[tuple[str, Mapping[str, Any]]] = []
    users = frames.user_frames(place.frame)
    for frame in users:
        if frame.f_locals is not frame.f_globals:
            spaces.append((f" (in {frame.f_code.co_name})", frame.f_locals))
    spaces += [(" (global)", frame.f_globals) for frame in users[:1] + users[-1:]]
    spaces.append((" (global)", session.space))
    taken: dict[str, Any] = {}
    for whose, space in spaces:
        for name, value in list(space.items()):
            if name.startswith("__") or taken.get(name) is value:
                continue
            shown = name + whose if name in taken else name
            taken.setdefault(name, value)
            yield Owned(shown, VARIABLE, value)
    for name, value in place.extra.items():
        if name not in taken and name != "saved":
            yield Owned(name, STOP, value)


def _inside(name: str, value: Any, cut: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield what is one level down in a list, tuple, dict or plain object."""
    kinds = [kind for kind in (list, tuple, dict) if is_a(value, kind)]
    if kinds:
        size = kinds[0].__len__(value)
        yield from elements(name, value)
    elif opens(value):
        own = attributes(value)
        size = len(own)
        yield from [(f"{name}.{k}", each) for k, each in islice(own.items(), INSIDE)]
    else:
        return
    if size > INSIDE:
        cut.append(f"only the first {INSIDE} of {size} things in '{name}' were looked at")


def elements(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is in a list, tuple or dict; asked as such, whatever a subclass makes of it."""
    if is_a(value, list, tuple):
        plain: Any = list if is_a(value, list) else tuple
        for place, each in enumerate(islice(plain.__iter__(value), INSIDE)):
            yield f"{name}[{place}]", each
    elif is_a(value, dict):
        for key, each in list(islice(dict.items(value), INSIDE)):
            yield f"{name}[{_key(key)}]", each


def _key(key: Any) -> str:
    return repr(key) if type(key) in (str, int, float, bool, type(None)) else type(key).__name__
