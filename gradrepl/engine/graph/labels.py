"""What the nodes of a graph are called: by a leaf, a variable, a module, the op that made them.

The only place that names them, whoever asks: a stop in a backward, a list of a graph that nobody
runs, a file, a trace.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import LEAF, Graph, Order
from gradrepl.engine.tensor import facts
from gradrepl.engine.tensor.names import Names
from gradrepl.model import NodeRow

OpOf = Callable[[int], Any]
"""Returns the recorded op that made the node with a sequence number, or None."""


class Labelled:
    """A graph that may run or not, and what its nodes are called; a node is an index into it.

    Keep it no longer than an answer takes, or the backward: it holds the nodes.
    """

    needed: set[int] | None = None
    """Nodes that run when only some inputs are asked for; None for all."""

    def __init__(self, graph: Graph, op_of: OpOf, names: Callable[[], Names]) -> None:
        """``names``: looks the names up that are in scope, where the first one is asked for."""
        self.graph = graph
        self.op_of = op_of
        self._look_up = names

    @cached_property
    def names(self) -> Names:
        """The names in scope where the graph is looked at from."""
        with torch_private.DisableTorchFunction():
            return self._look_up()

    @cached_property
    def order(self) -> Order:
        """The order in which the engine runs it, as far as it can be told beforehand."""
        return Order(self.graph, self.needed)

    def is_root(self, node: int) -> bool:
        """Does a backward of this graph begin at the node?"""
        return node < self.graph.starts

    # -- what has run: of a graph that nobody runs, nothing --------------------------------------

    @property
    def begun(self) -> int:
        """How many nodes have begun to run."""
        return 0

    def ran(self) -> list[int]:
        """Return those, in the engine's true order."""
        return []

    def has_begun(self, node: int) -> bool:
        """Has the node begun to run?"""
        return False

    def is_done(self, node: int) -> bool:
        """Has the node run to its end?"""
        return False

    def norm(self, node: int) -> float | None:
        """Return the norm of what arrived at the node, where it has run and is known."""
        return None

    # -- names -----------------------------------------------------------------------------------

    def name(self, node: int) -> str:
        """Return 'AddmmBackward0', 'AccumulateGrad'."""
        return nodes.name(self.graph.nodes[node])

    def is_leaf(self, node: int) -> bool:
        """Does it accumulate into a leaf? Not by its attributes: a ctx may have any."""
        return type(self.graph.nodes[node]) is LEAF

    def op(self, node: int) -> Any:
        """Return the recorded op that made the node, or None."""
        number = self.graph.sequence(node)
        return None if number >= nodes.NO_SEQUENCE else self.op_of(number)

    def names_of(self, variable: torch.Tensor) -> tuple[str, ...]:
        """Return the names of a leaf, with and without the variable of its model; () for none."""
        name = self.names.tensor(variable)
        return self.names.spellings(name) if name else ()

    def leaf_names(self, node: int) -> tuple[str, ...]:
        """Return the names of the leaf that the node accumulates into; () for other nodes."""
        if not self.is_leaf(node):
            return ()
        variable = self.graph.nodes[node].variable
        sizes = facts.shape(variable)
        return self.names_of(variable) or ("leaf " + "x".join(map(str, sizes)),)

    def leaf(self, node: int) -> str:
        """Return the first of them, or ''."""
        return next(iter(self.leaf_names(node)), "")

    @cached_property
    def variables(self) -> dict[int, str]:
        """The variables whose tensors these nodes made."""
        made: dict[int, str] = {}
        with torch_private.DisableTorchFunction():
            for name, tensor in self.names.variables():
                node = facts.node_of(tensor) if tensor.requires_grad else None
                place = self.graph.index.get(node) if node is not None else None
                if place is not None:
                    made.setdefault(place, name)
        return made

    def given(self, node: int) -> str:
        """Return the name that the program gives the leaf, or what the node made; '' for none."""
        variable = self.graph.nodes[node].variable if self.is_leaf(node) else None
        spelled = () if variable is None else self.names_of(variable)
        return next(iter(spelled), "") or self.variables.get(node, "")

    def module(self, node: int) -> str:
        """Return the path of the module that made the node, or of the leaf's owner."""
        op = self.op(node)
        return self.leaf(node).rpartition(".")[0] if op is None else str(op.module)

    def label(self, node: int) -> str:
        """Return the leaf's name, else the variable's, else the module's."""
        return self.leaf(node) or self.variables.get(node, "") or self.module(node)

    def row(self, node: int, number: int, **more: Any) -> NodeRow:
        """Return what is known of the node, which is shown as ``number``, and ``more``."""
        op = self.op(node)
        known: dict[str, Any] = {
            "id": number,
            "name": self.name(node),
            "label": self.label(node),
            "module": self.module(node),
            "op": None if op is None else op.id,
            "op_name": "" if op is None else op.name,
            "site": None if op is None else op.site,
            "leaf": self.is_leaf(node),
            "shape": nodes.shape(self.graph.nodes[node]),
            "norm": self.norm(node),
        }
        return NodeRow(**(known | more))
