"""A graph that nobody runs, with the same names for its nodes as one that a backward runs."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch

from gradrepl.engine.forward.calls import Call
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import Graph, Order
from gradrepl.engine.session import Session
from gradrepl.engine.tensor import facts
from gradrepl.engine.tensor.names import Names


class Walked:
    """The graph of a tensor. Keep it no longer than an answer takes: it holds the nodes."""

    def __init__(self, start: Any, names: Names, session: Session) -> None:
        self.graph = Graph([start])
        self.order = Order(self.graph, None)
        self.names = names
        self.ran: dict[int, float | None] = {}
        self._recorder = session.stepper.recorder

    def op(self, node: int) -> Call | None:
        """Return the recorded op that made the node, or None."""
        number = self.graph.sequence(node)
        found: Call | None = None
        if number < nodes.NO_SEQUENCE:
            found = self._recorder.op_of(number)
        return found

    def name(self, node: int) -> str:
        """Return 'AddmmBackward0', 'AccumulateGrad'."""
        return nodes.name(self.graph.nodes[node])

    def leaf(self, node: int) -> str:
        """Return the name of the leaf that the node accumulates into; '' for other nodes."""
        variable = getattr(self.graph.nodes[node], "variable", None)
        if not isinstance(variable, torch.Tensor):
            return ""
        shape = "x".join(map(str, facts.sizes(variable.shape)))
        return self.names.tensor(variable) or f"leaf {shape}"

    def module(self, node: int) -> str:
        """Return the path of the module that made the node, or of the leaf's owner."""
        op = self.op(node)
        return str(op.module) if op is not None else self.leaf(node).rpartition(".")[0]

    def label(self, node: int) -> str:
        """Return the leaf's name, else the variable's, else the module's."""
        return self.leaf(node) or self._made.get(node, "") or self.module(node)

    @cached_property
    def _made(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for name, tensor in self.names.variables():
            node = None if facts.is_leaf(tensor) else facts.node_of(tensor)
            place = self.graph.index.get(node) if node is not None else None
            if place is not None:
                found.setdefault(place, name)
        return found
