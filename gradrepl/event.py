"""What can be stopped at, as the engine shows it to a condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Event(Protocol):
    """One op, one node, or the end of a backward."""

    kind: str
    """'op', 'node', 'pass', 'batch'..."""
    when: str
    """'before' or 'after' it ran."""

    @property
    def name(self) -> str:
        """'relu', 'AddmmBackward0'."""

    @property
    def number(self) -> int:
        """Id of the op or node."""

    @property
    def module(self) -> str:
        """Module path, or empty."""

    def at(self, file: str, line: int) -> bool:
        """Is a frame of the user's at this line?"""

    def inside(self, function: str) -> bool:
        """Is this inside of a function of this name, or, of a line, its first?"""

    def labels(self) -> Sequence[str]:
        """Names that the user knows the op's outputs or the node by."""

    def leaf(self) -> str:
        """Name of the leaf that this node accumulates into, or empty."""

    def leaf_names(self) -> Sequence[str]:
        """All spellings of it: with and without the variable of its model."""

    def module_paths(self) -> Sequence[str]:
        """All spellings of the module path."""

    def shapes(self) -> Sequence[tuple[int, ...]]:
        """Shapes of outputs (op) or gradients (node)."""

    def norms(self) -> Sequence[float]:
        """L2 norms of outputs or gradients."""

    def born(self, what: str) -> bool:
        """Does 'nan' or 'inf' show in what it made and not in what it was made of?"""

    def missing(self) -> Sequence[str]:
        """At the end of a pass: parameters that got no gradient."""

    def verdicts(self) -> Sequence[str]:
        """At the end of a watched backward: the verdicts that parameters have got by it."""

    def indices(self) -> Sequence[str]:
        """Of a batch: the dataset indices in it, as they are written in Python."""

    def targets(self) -> Sequence[str]:
        """Of a batch: the labels in it."""

    def extra(self) -> dict[str, Any]:
        """Return the names that typed code has here besides the user's: ``out``, ``grad_in``..."""

    def evaluate(self, expression: str) -> bool:
        """Truth of a Python expression at this event."""

    def deeper(self) -> bool:
        """Is this in a child call (module, or a call inside an op) of where we stood?"""

    def trivial(self) -> bool:
        """AccumulateGrad, or a node of a view: it only passes a gradient on."""

    def left_module(self) -> bool:
        """Has the module call in which we stood come to its end?"""

    def past_line(self) -> bool:
        """Is this a later line of the frame in which we stood, or has it returned?"""
