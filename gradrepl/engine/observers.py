"""Who looks on while the program runs: gradients, loaders, plugins, ``gradrepl.watch``, traces.

The stepper asks each of its observers, and knows none of them. What an observer does not say here,
it does not do. Nothing here needs torch: a trace may begin before it is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import IntEnum
from functools import cached_property
from types import FrameType
from typing import Any

from gradrepl.engine.boundary import Part
from gradrepl.engine.code import frames
from gradrepl.model import Watch


class BackwardCall:
    """One call of torch's way into the engine: what is asked for, and by whom."""

    def __init__(self, roots: Sequence[Any], args: Any, kwargs: Any) -> None:
        # (grad_tensors, retain_graph, create_graph, inputs, ...): as torch.autograd calls it
        self.roots = roots
        self.grads: tuple[Any, ...] = tuple(args[0] if args else kwargs.get("grad_tensors", ()))
        """The gradient that each root begins with."""
        self.keeps = bool(args[1] if len(args) > 1 else kwargs.get("keep_graph", True))
        """May the graph be run again?"""
        self.grows = bool(args[2] if len(args) > 2 else kwargs.get("create_graph"))
        inputs = args[3] if len(args) > 3 else kwargs.get("inputs")
        self.inputs: tuple[Any, ...] = tuple(inputs or ())
        """What gradients are asked for; () for those of all leaves."""
        self.accumulates = bool(kwargs.get("accumulate_grad", False))

    @cached_property
    def starts(self) -> list[Any]:
        """The nodes that it starts at: fewer than roots where the engine will refuse one."""
        from gradrepl.engine import torch_private
        from gradrepl.engine.tensor import facts

        with torch_private.DisableTorchFunction():
            nodes = map(facts.start_of, self.roots)
            return [node for node in nodes if node is not None]

    @cached_property
    def caller(self) -> FrameType | None:
        """The frame of the user's that called; to be asked before the engine runs."""
        return frames.Walk(sys._getframe(1)).frame


class Observer:
    """Looks at nothing; a subclass says at what it looks."""

    built_in = False
    """Does it belong to every session, and not only to whoever asked for it?"""
    records = False
    """Are ops to be recorded, whatever is armed?"""
    meets_backwards = False
    """Is it around each backward?"""

    @cached_property
    def part(self) -> Part:
        """What it is to the program: where it fails it looks on no more."""
        return Part(f"looking on ({type(self).__name__})", self.close)

    # -- what is armed -------------------------------------------------------------------------

    def rearm(self) -> None:
        """Have in place what it takes now, and nothing else: what is armed may be other things."""

    def restart(self) -> None:
        """The program was held: the time since then is none of its own."""

    def rest(self) -> None:
        """Forget what a client asked for: it is gone."""

    def close(self) -> None:
        """Look no more."""

    # -- what runs -----------------------------------------------------------------------------

    def op(self, call: Any) -> None:
        """An op has run, where ops are recorded for this observer; its arguments are held still."""

    def begins(self, call: BackwardCall) -> Look | None:
        """A backward is about to run: return who looks at it, or None."""
        return None

    def ended(self) -> None:
        """The backward is over, and nothing of it is in place any more: one may stop."""

    def over(self, error: BaseException | None, place: Any) -> None:
        """The script has ended, maybe with an error, which was raised at ``place``."""

    def let_go(self) -> None:
        """Refer to no tensor of the user's, not even weakly."""

    def verdicts(self) -> Sequence[str]:
        """Return the verdicts that parameters have got by the last backward."""
        return ()

    # -- what is told --------------------------------------------------------------------------

    def wants(self, what: str) -> bool:
        """Is this to be told: 'pass', 'batch'?"""
        return False

    def news(self, place: Any) -> Sequence[Watch]:
        """Return what a stop tells of what this observer looks for."""
        return ()

    def stopped(self, record: Any) -> None:
        """The program stops; ``record`` is what a client is told of it."""

    def passed(self, record: Any) -> None:
        """A backward is over, of which there is a record."""

    def batch(self, number: int, indices: Sequence[Any]) -> None:
        """A watched loop over a loader has got a batch."""

    def saw(self, event: Any) -> None:
        """Something runs that can be stopped at; called while ``armed.always`` asks for it."""

    def stops_at(self, word: str, text: str, event: Any) -> bool:
        """Is this an event to stop at, by a kind of breakpoint of the observer's own?"""
        return False


class Depth(IntEnum):
    """How deep somebody looks at each node that runs; each level has what is above it."""

    ORDER = 0
    """Which node ran, in the engine's true order."""
    NORM = 1
    """The L2 norm of the first gradient that arrived."""
    STATISTICS = 2
    """Its minimum and maximum."""


class Look:
    """One observer at one backward: made before the engine runs, told when it is over."""

    depth: Depth | None = None
    """How deep it looks at the nodes; None: at none of them."""
    times = False
    """Does it want to know when each node began and ended?"""
    most: int | None = None
    """Nodes that it looks at, at the most; None: all."""
    part: Part
    """Of the observer that looks."""

    def ended(self, seen: Any, error: BaseException | None, seconds: float) -> None:
        """The engine is done, in so many seconds: ``seen`` is the recorder, if nodes were seen."""
