"""Records what runs, for ``gradrepl.trace``: ops, and every backward with its graph and norms.

Only text and numbers are kept. A hook stands on each node of a backward while it runs, and only
then.
"""

from __future__ import annotations

import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from gradrepl.engine.code import frames
from gradrepl.model import GraphView, NodeRow, OpRow, Site
from gradrepl.model.running import Shape
from gradrepl.model.traced import TracedPass

if TYPE_CHECKING:
    from gradrepl.engine.stopping.stepper import Stepper

OPS, PASSES, NODES = 20_000, 200, 5_000
"""Kept at most: ops and passes of a trace, nodes of a pass."""
SHAPES = 8
"""Shapes that are kept of what goes into an op, and of what comes out."""


class Tracing:
    """What is recorded of one thread, from ``begin`` to ``close``. Needs no torch to begin."""

    records = True

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self.thread = threading.get_ident()
        self.ops: list[OpRow] = []
        self.passes: dict[int, TracedPass] = {}
        self.more_ops = self.more_passes = 0
        """What ran beyond what is kept."""
        self.passes_begun = 0
        self.blind = False
        """Is another thread's forward being recorded, and not ours?"""
        self.compiled = 0
        """Compiled regions that ran unseen."""
        self._compiled_before = stepper.recorder.unseen_regions() if stepper.torch_here else 0
        self._running: list[int] = []

    def op(self, call: Any) -> None:
        """Keep an op that has run."""
        if threading.get_ident() != self.thread:
            return
        if len(self.ops) >= OPS:
            self.more_ops += 1
            return
        from gradrepl.engine.forward.calls import tensors_in

        self.ops.append(
            replace(
                call.row(),
                id=len(self.ops) + 1,
                inputs=_shapes(tensors_in((call.args, call.kwargs))),
                outputs=_shapes(tensors_in(call.result)),
            )
        )

    def around(
        self, engine: Callable[[], Any], roots: Sequence[Any], args: Any, kwargs: Any
    ) -> Any:  # fmt: skip
        """Run the engine, and keep what it did."""
        from gradrepl.engine.torch_private import running_backward

        nested = bool(self._running) and running_backward() != -1  # in a thread of torch's
        if threading.get_ident() != self.thread and not nested:
            return engine()
        if self.passes_begun >= PASSES:
            self.more_passes += 1
            return engine()
        self.passes_begun += 1
        visit = Visit(self, roots, self.passes_begun, bool(kwargs.get("accumulate_grad", False)))
        self._running.append(visit.number)
        outcome, started = "finished", time.perf_counter()
        try:
            return engine()
        except BaseException as error:
            outcome = f"raised {said(error)}"
            raise
        finally:
            seconds = time.perf_counter() - started
            self._running.remove(visit.number)
            self.passes[visit.number] = visit.ended(outcome, seconds)

    def ended(self) -> None:
        """Nothing to do between backwards."""

    def close(self) -> None:
        """Nothing stays in place after a backward."""
        if self.stepper.torch_here:
            self.compiled = self.stepper.recorder.unseen_regions() - self._compiled_before

    def inside(self) -> int:
        """Return the number of the pass that is running, or 0."""
        return self._running[-1] if self._running else 0

    def made(self, seq: int) -> OpRow | None:
        """Return the op of this trace that made a node, or None.

        Sequence numbers count in each thread anew. Ops are kept in the order in which they ended,
        so that of several nested ones the innermost is found.
        """
        if threading.get_ident() != self.thread:
            return None
        place = bisect_right(self.ops, seq, key=lambda op: op.sequence[1])
        near = self.ops[place : place + 4]
        return next((op for op in near if op.sequence[0] <= seq < op.sequence[1]), None)


class Visit:
    """One backward while it runs: its graph, and which gradients arrive where."""

    def __init__(self, tracing: Tracing, roots: Sequence[Any], number: int, into: bool) -> None:
        from gradrepl.engine.tensor import figures

        self.number, self._how = number, "backward" if into else "grad"
        self._inside = tracing.inside()
        self._task: int | None = None
        self._arrived: dict[int, tuple[Shape | None, Any]] = {}
        """By place in the walk, in the order in which they ran: shape and norm."""
        self._cut = False
        self._rows: list[NodeRow] = []
        self._edges: list[list[int]] = []
        self._handles: list[Any] = []
        self._root = ""
        self._site: Site | None = None
        with figures.quiet():
            self._begin(tracing, roots)

    def _begin(self, tracing: Tracing, roots: Sequence[Any]) -> None:
        from gradrepl.engine.graph.graph import Graph
        from gradrepl.engine.graph.labels import Labelled
        from gradrepl.engine.tensor import facts

        frame = frames.Walk(sys._getframe(2)).frame
        try:
            names = tracing.stepper.session.names(frame)
            self._site = None if frame is None else frames.site(frame)
            self._root = names.tensor(roots[0]) if roots else ""
            starts = [node for root in roots if (node := facts.start_of(root)) is not None]
            graph = Graph(starts, NODES)
            labelled = Labelled(graph, tracing.made, lambda: names)
            for place, node in enumerate(graph.nodes):
                self._rows.append(labelled.row(place, 0, label=labelled.given(place)))
                self._edges.append([to for to in dict.fromkeys(graph.next(place)) if to >= 0])
                self._handles.append(node.register_prehook(partial(self._visited, place)))
            self._cut = graph.cut
        finally:
            frames.release(frames.user_frames(frame))

    def _visited(self, place: int, grads: tuple[Any, ...]) -> None:
        """Prehook: gradients have arrived. Only of our own run: a graph may be walked again."""
        from gradrepl.engine.torch_private import running_backward

        task = running_backward()
        if self._task is None:
            self._task = task
        if task == self._task and place not in self._arrived:
            grad = next((each for each in grads if each is not None), None)
            self._arrived[place] = (None, None) if grad is None else _figures(grad)

    def ended(self, outcome: str, seconds: float) -> TracedPass:
        """Take the hooks away, and return what was seen."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        fetched = _fetched(self._arrived)
        order = [*fetched, *(at for at in range(len(self._rows)) if at not in fetched)]
        ids = {at: number for number, at in enumerate(order, 1)}
        nodes = [
            replace(
                self._rows[at],
                id=ids[at],
                order=ids[at] if at in fetched else 0,
                shape=fetched.get(at, (None, None))[0],
                norm=fetched.get(at, (None, None))[1],
                to=tuple(ids[to] for to in self._edges[at]),
            )
            for at in order
        ]
        return TracedPass(
            number=self.number, how=self._how, root=self._root, site=self._site, outcome=outcome,
            inside=self._inside, seconds=seconds, nodes=tuple(nodes), cut=self._cut,
        )  # fmt: skip


def said(error: BaseException) -> str:
    """Return an exception as the first line of what Python prints."""
    line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _shapes(found: Any) -> tuple[Shape, ...]:
    from gradrepl.engine.tensor import facts

    return tuple(facts.shape(each) for each, _ in zip(found, range(SHAPES), strict=False))


def _figures(grad: Any) -> tuple[Shape, Any]:
    """Return shape and norm; on an accelerator the norm stays there until the pass is over."""
    import torch

    from gradrepl.engine.tensor import facts, figures

    shape = facts.shape(grad)
    if grad.device.type == "cpu" or not figures.readable(grad):
        return shape, figures.norm(grad)
    try:
        with figures.quiet():
            half = grad.dtype in (torch.float16, torch.bfloat16)
            wide = torch.float32 if half else None
            return shape, torch.linalg.vector_norm(grad.detach(), dtype=wide)
    except figures.UNREADABLE:
        return shape, figures.norm(grad)


def _fetched(arrived: dict[int, tuple[Shape | None, Any]]) -> dict[int, tuple[Any, Any]]:
    """Return the same with every norm a number, brought here in one transfer."""
    import torch

    from gradrepl.engine.tensor import figures

    with figures.quiet():
        far = {at: norm for at, (_, norm) in arrived.items() if isinstance(norm, torch.Tensor)}
        devices = {norm.device for norm in far.values()}
        values: dict[int, float] = {}
        for device in devices:
            there = {at: norm for at, norm in far.items() if norm.device == device}
            values |= zip(there, torch.stack(list(there.values())).tolist(), strict=True)
    return {at: (shape, values.get(at, norm)) for at, (shape, norm) in arrived.items()}


def drawn(found: TracedPass) -> GraphView:
    """Return the graph of a pass with its lanes, in the order in which the nodes ran."""
    from gradrepl.engine.graph.graph import Lanes

    targets = {node.id: node.to for node in found.nodes}
    lanes = Lanes(lambda node: targets[node], found.nodes[0].id if found.nodes else 1)
    rows = [
        replace(
            node,
            lanes=lanes.row(node.id, node.leaf),
            label=node.label or node.module,
            to=node.to[:16],
            state="" if node.ran else "did not run",
        )
        for node in found.nodes
    ]
    return GraphView(
        root=found.root, rows=tuple(rows), total=len(rows), nodes=len(rows),
        edges=sum(map(len, targets.values())), leaves=sum(node.leaf for node in found.nodes),
        recorded=any(node.op is not None for node in found.nodes),
    )  # fmt: skip
