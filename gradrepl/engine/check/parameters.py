"""What is known of each parameter: its names, its optimizers, and what its steps found there."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import NamedTuple

import torch

from gradrepl.engine.check.made import Made
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.session import Session
from gradrepl.engine.tensor import facts
from gradrepl.engine.tensor.names import Names
from gradrepl.model import Site, Sited

GONE = 10_000
SEARCHES = 64
"""Looks for names that a run makes: each goes through all modules in scope."""


class Why(NamedTuple):
    """Why a parameter has no gradient: what is reported of it, should it never have one."""

    rule: str
    message: str
    subjects: tuple[str, ...]
    sites: tuple[Sited, ...]
    fix: str = ""
    severity: str = ""


@dataclass(slots=True, eq=False)
class Parameter:
    """One leaf that an optimizer has, or that a backward has reached."""

    ref: Callable[[], torch.Tensor | None]
    name: str = ""
    seen: int = 0
    """The first backward or step that met it."""
    optimizers: set[int] = field(default_factory=set)
    steps: int = 0
    """Steps of its optimizers while it required a gradient."""
    without: int = 0
    """Those of them at which it had none."""
    reached: int = 0
    """Backwards that wrote to its gradient."""
    zeros: int = 0
    """Those of them that left exactly zeros."""
    version: int = -1
    """When it was met first; a step changes it."""
    moved: bool = False
    """Was it written to between two backwards that reached it?"""
    requires_grad: bool = True
    """When it was met last."""
    has_grad: bool = False
    made: int = 0
    """The moment at which it was given to a module; 0: before anybody looked."""
    sites: tuple[Site, ...] = ()
    """Where that was."""
    why: Why | None = None
    """Why it had none at the first of them."""
    root: int = 0
    """The identity of the model that it is a part of; 0: of none."""

    @property
    def never(self) -> bool:
        """Had it no gradient at any step, and by no backward?"""
        return self.steps == self.without and not self.reached

    def meet(self, tensor: torch.Tensor) -> None:
        """Take in what it is like now."""
        self.requires_grad, self.has_grad = tensor.requires_grad, tensor.grad is not None
        self.moved = self.moved or tensor._version != self.version


class Parameters:
    """All that have been met."""

    def __init__(self, session: Session, made: Made) -> None:
        self._session, self._made = session, made
        self._gone: deque[Parameter] = deque(maxlen=GONE)
        """Those that live no more, and whose identity another one has."""
        self.known: dict[int, Parameter] = {}
        self.names: dict[int, str] = {}
        """By identity of a parameter: its name, as it was found first."""
        self.modules: dict[int, tuple[str, weakref.ref[torch.nn.Module]]] = {}
        """By identity: every module in scope so far, with its path."""
        self.roots: dict[int, tuple[str, weakref.ref[torch.nn.Module]]] = {}
        """Those of them that were in no other one."""
        self._searches = 0

    def of(self, tensor: torch.Tensor, frame: FrameType | None, moment: int) -> Parameter:
        """Return what is known of a leaf; a new one is looked for in scope of ``frame``."""
        known = self.known.get(id(tensor))
        if known is not None and known.ref() is tensor:
            return known
        if id(tensor) not in self.names:
            self.search(frame)
        return self._add(tensor, self.names.get(id(tensor), ""), moment)

    def _add(self, tensor: torch.Tensor, name: str, moment: int) -> Parameter:
        known = self.known.get(id(tensor))
        if known is None or known.ref() is not tensor:
            if known is not None:
                self._gone.append(known)
            known = Parameter(weakref.ref(tensor), name, seen=moment, version=tensor._version)
            known.made, known.sites = self._made.when(tensor), self._made.of(tensor)
            self.known[id(tensor)] = known
        return known

    def search(self, frame: FrameType | None) -> Names | None:
        """Find the names of modules and parameters in scope."""
        if self._searches >= SEARCHES:
            return None
        self._searches += 1
        names = self._session.names(frame)
        for name, parameter in names.parameters.items():
            self.names.setdefault(id(parameter), name)
            self._add(parameter, name, 0)
        for name, tensor in names.variables():
            if tensor.requires_grad and facts.is_leaf(tensor):
                self.names.setdefault(id(tensor), name)
        for module, path in names.each_module():
            self.modules.setdefault(id(module), (path, weakref.ref(module)))
        for prefix, root in names.roots:
            name = prefix.rstrip(".") or names.modules.get(id(root), "")
            self.roots.setdefault(id(root), (name, weakref.ref(root)))
            for parameter in root.parameters():
                if id(parameter) in self.known:
                    self.known[id(parameter)].root = id(root)
        return names

    def reached(
        self, seen: Recorder, frame: FrameType | None
    ) -> Iterator[tuple[int, torch.nn.Module]]:
        """Yield the models of which a backward has reached a parameter, by identity."""
        leaves = (self.of(node.variable, frame, 0) for _, node in seen.leaves)
        for key in {each.root for each in leaves} & self.roots.keys():
            root = self.roots[key][1]()
            if root is not None:
                yield key, root

    def let_go(self) -> None:
        """Refer to no tensor, not even weakly."""
        self._gone.extend(self.known.values())
        self.known.clear()
        for each in self._gone:
            each.ref = _nothing

    def all(self) -> list[Parameter]:
        """Return all that were met, also those that live no more."""
        return [*self._gone, *self.known.values()]

    def alive(self) -> Iterator[tuple[Parameter, torch.Tensor]]:
        """Yield those that still live, each with its tensor."""
        for each in list(self.known.values()):
            tensor = each.ref()
            if tensor is not None:
                yield each, tensor

    def each_module(self) -> Iterator[tuple[str, torch.nn.Module]]:
        """Yield the modules that still live, each with its path."""
        for path, held in list(self.modules.values()):
            module = held()
            if module is not None:
                yield path, module


def _nothing() -> None:
    """Refer to nothing."""
