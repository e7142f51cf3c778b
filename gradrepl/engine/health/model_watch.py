"""Who looks on because the program itself asked for it: ``gradrepl.watch``, ``gradrepl.trace``."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import msgspec
import torch

from gradrepl import conditions as c
from gradrepl import protocol as p
from gradrepl.engine.graph.graph import LEAF
from gradrepl.engine.health.answers import report
from gradrepl.engine.health.clock import Clock
from gradrepl.engine.health.parameters import Parameters
from gradrepl.engine.health.scaling import Clips
from gradrepl.engine.health.tracked import WatchEvent
from gradrepl.engine.health.wanted import Gradients
from gradrepl.engine.health.watch import HealthWatch
from gradrepl.engine.observers import Observer
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.stepper import Stepper
from gradrepl.engine.tensor import figures
from gradrepl.model import Health
from gradrepl.model import health as h

ROWS = 1000
"""Rows that are asked for at once."""


class OfModel(Parameters):
    """The parameters of one model, under the names that the model gives them.

    It is held weakly, and is the only thing whose names are in scope.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = weakref.ref(model)
        super().__init__(lambda frame: self)

    def _forget(self) -> None:
        super()._forget()
        self._strangers: weakref.WeakSet[torch.optim.Optimizer] = weakref.WeakSet()
        self._first = True

    @property
    def roots(self) -> list[tuple[str, torch.nn.Module]]:
        """The model, with nothing put before the names of its parameters."""
        model = self._model()
        return [] if model is None else [("", model)]

    def variables(self) -> list[tuple[str, torch.Tensor]]:
        """No tensor has a variable of its own."""
        return []

    def due(self) -> bool:
        """Must the model be walked again before this backward? At the first, for the order."""
        first, self._first = self._first, False
        return first or super().due()

    def _search(self, frame: Any) -> None:
        super()._search(frame)
        self.models = 2  # backwards of other models pass by this one

    def _add(self, parameter: torch.Tensor, name: str, model: str) -> None:
        if not model:  # not by its place in an optimizer, which may have other models', too
            super()._add(parameter, name, model)

    def concerns(self, optimizer: torch.optim.Optimizer) -> bool:
        """Does the optimizer step any of these parameters?"""
        if optimizer in self._optimizers or optimizer in self._strangers:
            return optimizer in self._optimizers
        own = {id(each) for _, model in self.roots for each in model.parameters()}
        if any(id(each) in own for group in optimizer.param_groups for each in group["params"]):
            return True
        self._strangers.add(optimizer)
        return False


class ModelWatch(HealthWatch, Observer):
    """Watches the gradients of one model."""

    meets_backwards = True
    parameters: OfModel

    def __init__(self, session: Session, model: torch.nn.Module, every: int, urgent: bool) -> None:
        super().__init__(session, lambda: session.state(Gradients).limits)
        self.parameters = OfModel(model)
        self.clock = Clock(self._steps, self.parameters.concerns)
        self.clips = Clips(lambda: False, self._scaled)  # whose gradients were clipped is not told
        self.place(h.Watching(grads=True, every=every, breakpoints=urgent))
        self.parameters.search(None)

    def ended(self) -> None:
        """Stop, if that was asked for and some parameter has such a verdict now."""
        new, self.new = self.new, []
        if new and self.stepper.armed.wants(c.WATCH):
            self.stepper.event(OwnEvent(self.stepper, self, new))

    def close(self) -> None:
        """Look no more."""
        self.place(h.Watching())


class OwnEvent(WatchEvent):
    """New verdicts on one watched model: only the breakpoint of its watch sees them."""

    def __init__(self, stepper: Stepper, source: ModelWatch, new: Sequence[Any]) -> None:
        super().__init__(stepper, stepper.armed.anchor, new)
        self.source = source

    def verdicts(self) -> Sequence[str]:
        """Return none: they are not everybody's."""
        return []


OWN = (c.VerdictIs, c.LeafIs, c.NoGradient)
"""What of a watch's condition is about parameters: about those of its model, then."""


class OwnView:
    """An event as the condition of a watch sees it: with its model's parameters, and no others."""

    def __init__(self, event: Any, source: ModelWatch) -> None:
        self._event, self._source = event, source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._event, name)

    def verdicts(self) -> Sequence[str]:
        """Return the new verdicts on the model."""
        own = getattr(self._event, "source", None) is self._source
        return [each.word for each in self._event.new] if own else []

    def leaf_names(self) -> Sequence[str]:
        """Return the names of the leaf, the model's own among them; none of another's leaf."""
        backward = getattr(self._event, "backward", None)
        node = None if backward is None else backward.graph.nodes[self._event.node]
        tracked = self._source.parameters.known.get(id(getattr(node, "variable", None)))
        return [] if tracked is None else [tracked.name, *tracked.also, *self._event.leaf_names()]

    def missing(self) -> Sequence[str]:
        """Return the model's parameters that require a gradient and have none."""
        backward, known = self._event.backward, self._source.parameters.known
        leaves = (node for node in backward.graph.nodes if type(node) is LEAF)
        if not any(id(leaf.variable) in known for leaf in leaves):
            return []  # another model's backward
        return [
            name
            for _, model in self._source.parameters.roots
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and parameter.grad is None
        ]


class OwnCondition:
    """The condition of a watch."""

    about: frozenset[str] = frozenset()
    """The verdicts that it waits for are those of its own watch."""

    def __init__(self, condition: c.Condition, source: ModelWatch) -> None:
        self.condition, self.source = condition, source

    def __getattr__(self, name: str) -> Any:
        return getattr(self.condition, name)

    def parts(self) -> list[OwnCondition]:
        """It is one: nobody else's watch need wait for a part of it."""
        return [self]

    def narrows(self) -> bool:
        """The names of leaves are the model's own: ask everywhere."""
        return False

    def matches(self, event: Any) -> bool:
        """Is this event one to stop at?"""
        return self.condition.matches(OwnView(event, self.source))


def seen(watch: ModelWatch) -> Health:
    """Return all that a watch knows."""
    session = watch.session
    with figures.quiet():
        watch.catch_up()
        record = report(p.AskHealth(count=ROWS), watch, session)
        rows = list(record.rows)
        while record.rows and len(rows) < record.total:
            record = report(p.AskHealth(first=len(rows), count=ROWS), watch, session)
            rows += record.rows
    points = tuple(point for point in record.points if point.total is not None)
    return msgspec.structs.replace(record, rows=tuple(rows), first=0, points=points)
