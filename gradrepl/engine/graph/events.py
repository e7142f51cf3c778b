"""Events of a backward, a node about to run or done and the end, and what a client sees of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from gradrepl.engine.chain import table
from gradrepl.engine.code import frames
from gradrepl.engine.explain import no_gradient, nonfinite
from gradrepl.engine.forward.events import TensorEvent
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import LEAF, Lanes
from gradrepl.engine.graph.nodes import Labelled
from gradrepl.engine.stopping.breakpoints import Anchor
from gradrepl.engine.stopping.stepper import Stepper
from gradrepl.engine.tensor import facts, figures
from gradrepl.engine.tensor.names import hooks_of
from gradrepl.model import Edge, Node, NodeRow, Site

MISSING = 8
"""Parameters without a gradient that are named."""
FAR = 20_000
"""Rows beyond those drawn to which lanes are not followed."""
PATH = 64
"""Nodes in a path at the most."""
LISTED = 16
"""Gradients and edges of one node in a record."""
TRIVIAL = frozenset(
    """
    AccumulateGrad T View UnsafeView Expand Transpose Permute Squeeze Unsqueeze ReshapeAlias Alias
    Clone ToCopy Detach
    """.split()  # noqa: SIM905
)
"""Nodes that only move elements about."""


class NodeEvent(TensorEvent):
    """A node about to run (its gradients in are known) or done (those out, too)."""

    kind = "node"
    phase = "backward"

    def __init__(
        self, stepper: Stepper, anchor: Anchor, backward: Labelled, node: int, when: str
    ) -> None:
        super().__init__(stepper, anchor)
        self.backward = backward
        self.node = node
        self.when = when
        self.frame = backward.frame
        self.grad_in: list[Any] = []
        self.grad_out: list[Any] = []

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.backward.name(self.node)

    @property
    def number(self) -> int:  # type: ignore[override]
        return self.backward.order.place(self.node)

    @property
    def module(self) -> str:  # type: ignore[override]
        return self.backward.module(self.node)

    def labels(self) -> Sequence[str]:
        label = self.backward.label(self.node)
        return [label] if label else []

    def leaf(self) -> str:
        return self.backward.leaf(self.node)

    def leaf_names(self) -> Sequence[str]:
        return self.backward.leaf_names(self.node)

    def module_paths(self) -> Sequence[str]:
        return self.backward.module_paths(self.node)

    def made(self) -> list[Any]:
        grads = self.grad_out if self.when == "after" else self.grad_in
        return [grad for grad in grads if grad is not None]

    def made_of(self) -> list[Any]:
        if self.when == "after":
            return [grad for grad in self.grad_in if grad is not None]
        # Before a node its gradients are judged only where they came from nowhere else.
        return [] if self.backward.is_root(self.node) else self.made()

    def deeper(self) -> bool:
        return self.anchor.phase == "forward"  # from the forward, a backward is one step

    def trivial(self) -> bool:
        return nodes.kind(self.name) in TRIVIAL

    def left_module(self) -> bool:
        if self.anchor.phase == "forward":
            return False
        stood = self.anchor.module
        return not (stood and (self.module == stood or self.module.startswith(stood + ".")))

    def past_line(self) -> bool:
        return self.anchor.phase != "forward"

    def extra(self) -> dict[str, Any]:
        node = self.backward.graph.nodes[self.node]
        after = {"grad_out": self.grad_out} if self.when == "after" else {}
        return {
            "node": node,
            "grad_in": self.grad_in,
            "saved": {name: value for name, value, _ in nodes.saved(node)},
            "leaf": getattr(node, "variable", None),
        } | after

    def stop_fields(self, reason: str) -> dict[str, Any]:
        record = node_record(self.backward, self.node, self)
        notes = nonfinite.notes(
            self, reason, lambda what: nonfinite.of_node(self.name, self.extra()["saved"])
        )
        about = {"module": record.module, "node": record, "notes": notes}
        return _backward_fields(self, record.site) | about

    def anchor_fields(self) -> dict[str, Any]:
        return {"module": self.module}


class PassEvent(TensorEvent):
    """The end of a backward."""

    kind = "pass"
    phase = "backward"

    def __init__(self, stepper: Stepper, anchor: Anchor, backward: Labelled) -> None:
        super().__init__(stepper, anchor)
        self.backward = backward
        self.frame = backward.frame
        self.name = "end of backward"
        self.number = backward.order.total

    def missing(self) -> Sequence[str]:
        return self.backward.missing()

    def verdicts(self) -> Sequence[str]:
        return [word for each in self.stepper.observers for word in each.verdicts()]

    def deeper(self) -> bool:
        return True

    def stop_fields(self, reason: str) -> dict[str, Any]:
        return _backward_fields(self, None) | {"notes": self._without_gradient()}

    def _without_gradient(self) -> tuple[str, ...]:
        """Say which parameters got no gradient, and why as far as the recorded ops tell."""
        missing = self.missing()
        names: dict[str, list[str]] = {}
        with figures.quiet():
            for name in missing[:MISSING]:
                parameter = self.backward.names.parameters[name]
                flow = self.stepper.recorder.flow
                why = no_gradient.explain_cut(parameter, flow).removesuffix(".")
                names.setdefault(why and f": {why}", []).append(name)
        notes = [f"no gradient for {', '.join(several)}{why}" for why, several in names.items()]
        more = len(missing) - MISSING
        return (*notes, f"and none for {more} more") if more > 0 else tuple(notes)


def _backward_fields(event: NodeEvent | PassEvent, site: Site | None) -> dict[str, Any]:
    """Return what a stop tells of the backward that it is in."""
    backward = event.backward
    if site is None and event.frame is not None:
        site = frames.site(event.frame)
    return {
        "site": site,
        "position": backward.begun,
        "total": backward.order.total,
        "root": backward.root,
        "accumulated": tuple(backward.accumulated()[0]),
    }


class View:
    """Rows and paths of one pass, drawn only as far as somebody asks."""

    def __init__(self, backward: Labelled) -> None:
        self.backward = backward
        self._lanes = Lanes(backward.graph.next, backward.graph.index[backward.graph.roots[0]])
        self._drawn: list[str] = []

    def rows(self, first: int, count: int, event: Any) -> tuple[tuple[NodeRow, ...], int]:
        """Return a window on the rows, in run order; a negative ``first`` puts us in its middle."""
        here = getattr(event, "node", None)
        backward = self.backward
        if first < 0:
            place = backward.begun if here is None else backward.order.place(here)
            first = max(0, place - count // 2)
        rows = []
        for place in range(first + 1, first + count + 1):
            node = backward.order.at(place)
            if node is None:
                break
            begun = "done" if backward.has_begun(node) else "predicted"
            state = "here" if node == here else begun
            rows.append(backward.row(node, place, state=state, lanes=self._lanes_of(place)))
        return tuple(rows), first

    def _lanes_of(self, place: int) -> str:
        """Return the lanes of a row; far beyond what was drawn before, they start again."""
        if place - len(self._drawn) > FAR:
            return "○"
        while len(self._drawn) < place:
            node = self.backward.order.at(len(self._drawn) + 1)
            assert node is not None
            self._drawn.append(self._lanes.row(node, self.backward.is_leaf(node)))
        return self._drawn[place - 1]

    def path_to(self, node: int) -> list[int]:
        """Return a way from a root to ``node``: nodes whose gradients led here, in run order."""
        graph, path = self.backward.graph, [node]
        ran = {node: number for number, node in enumerate(self.backward.ran())}
        while not self.backward.is_root(path[0]) and len(path) <= PATH:
            users = [each for each in graph.callers.get(path[0], ()) if each in ran]
            if not users:
                break
            path.insert(0, min(users, key=ran.__getitem__))
        return path

    def node(self, place: int, event: Any = None) -> Node:
        """Return the record of the node at index ``place``; gradients only at its own event."""
        return node_record(self.backward, place, event)


def node_record(backward: Labelled, place: int, event: Any = None) -> Node:
    """Return the record of the node at index ``place``; gradients only at its own event."""
    node, op = backward.graph.nodes[place], backward.op(place)
    ran = backward.has_begun(place) and not (event is not None and event.when == "before")
    variable = getattr(node, "variable", None)
    return Node(
        id=backward.order.place(place),
        name=nodes.name(node),
        label=backward.label(place),
        seq=nodes.sequence(node),
        site=op.site if op else None,
        module=backward.module(place),
        op=op.id if op else None,
        rule=_rule(node, op, ran),
        grad_in=_describe(event.grad_in) if event else (),
        grad_out=_describe(event.grad_out) if event else (),
        edges=tuple(_edges(backward, node)),
        saved=nodes.saved_records(node, backward.names),
        hooks=0 if variable is None else len(hooks_of(variable)),
    )


def _edges(backward: Labelled, node: Any) -> Iterator[Edge]:
    for target, number in node.next_functions[:LISTED]:
        index = backward.graph.index.get(target) if target is not None else None
        if index is None:
            yield Edge(0, int(number), "none")
            continue
        where = backward.order.place(index)  # 0 where nobody asked for that gradient
        label = backward.leaf(index) or nodes.name(target)
        shown = f"#{where} {label}" if where else f"none ({label} is not asked for)"
        yield Edge(where, int(number), shown)


def _describe(grads: list[Any]) -> tuple[Any, ...]:
    return tuple(
        facts.describe(grad) if isinstance(grad, torch.Tensor) else None for grad in grads[:LISTED]
    )


def _rule(node: Any, op: Any, ran: bool) -> str:
    """Return what the node does to a gradient: torch's own formula, where it has one."""
    if type(node) is LEAF:
        if ran:
            return "went into the leaf's .grad"
        fresh = node.variable.grad is None
        return "becomes the leaf's .grad" if fresh else "is added to the leaf's .grad"
    name = nodes.name(node)
    if nodes.is_custom(node):
        return f"{nodes.kind(name)}.backward, in Python"
    entry = table.table().get(name)
    if entry is not None:
        return "; ".join(f"d/d {to} {formula}" for to, formula in entry.formulas.items())
    return f"derivative of {op.name if op else nodes.kind(name).lower()}"
