"""Records what runs, for ``gradrepl.trace``: ops, and every backward with its graph and norms.

Only text and numbers are kept.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from gradrepl.engine.code import evaluate, frames
from gradrepl.engine.observers import BackwardCall, Depth, Look, Observer
from gradrepl.model import GraphView, NodeRow, OpRow
from gradrepl.model.running import Shape, TracedPass

if TYPE_CHECKING:
    from gradrepl.engine.graph.recorder import Recorder
    from gradrepl.engine.stopping.stepper import Stepper

OPS, PASSES, NODES = 20_000, 200, 5_000
"""Kept at most: ops and passes of a trace, nodes of a pass."""
SHAPES = 8
"""Shapes that are kept of what goes into an op, and of what comes out."""


class Tracing(Observer):
    """What is recorded of one thread, from ``begin`` to ``close``. Needs no torch to begin."""

    records = meets_backwards = True

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
                inputs=_shapes(call.inputs()),
                outputs=_shapes(tensors_in(call.result)),
            )
        )

    def begins(self, call: BackwardCall) -> _Visit | None:
        """Keep what a backward does, of this thread or inside one that is kept."""
        from gradrepl.engine import torch_private

        nested = bool(self._running) and torch_private.running_backward() != -1  # in torch's thread
        if threading.get_ident() != self.thread and not nested:
            return None
        if self.passes_begun >= PASSES:
            self.more_passes += 1
            return None
        self.passes_begun += 1
        visit = _Visit(self, call, self.passes_begun)
        self._running.append(visit.number)
        return visit

    def keep(self, traced: TracedPass) -> None:
        """Keep a backward that is over."""
        self._running.remove(traced.number)
        self.passes[traced.number] = traced

    def close(self) -> None:
        """Nothing stays in place after a backward."""
        if self.stepper.torch_here:
            self.compiled = self.stepper.recorder.unseen_regions() - self._compiled_before

    def inside(self) -> int:
        """Return the number of the pass that is running, or 0."""
        return self._running[-1] if self._running else 0

    def made(self, seq: int) -> OpRow | None:
        """Return the op of this trace that made a node, or None.

        Each thread counts its own sequence numbers. Ops are kept in the order in which they ended,
        so that of several nested ones the innermost is found.
        """
        if threading.get_ident() != self.thread:
            return None
        place = bisect_right(self.ops, seq, key=lambda op: op.sequence[1])
        near = self.ops[place : place + 4]
        return next((op for op in near if op.sequence[0] <= seq < op.sequence[1]), None)


class _Visit(Look):
    """One backward while it runs."""

    depth, most = Depth.NORM, NODES

    def __init__(self, tracing: Tracing, call: BackwardCall, number: int) -> None:
        from gradrepl.engine.tensor import figures

        self.number, self._tracing = number, tracing
        self._how = "backward" if call.accumulates else "grad"
        self._inside = tracing.inside()
        frame = call.caller
        self._site = None if frame is None else frames.site(frame)
        with figures.quiet():
            self._names = tracing.stepper.session.names(frame)
            self._root = self._names.tensor(call.roots[0]) if call.roots else ""
        frames.release(frames.user_frames(frame))

    def ended(self, seen: Recorder | None, error: BaseException | None, seconds: float) -> None:
        """Keep what was seen."""
        from gradrepl.engine.tensor import figures

        with figures.quiet():
            nodes = () if seen is None else tuple(self._rows(seen))
        self._tracing.keep(
            TracedPass(
                number=self.number,
                how=self._how,
                root=self._root,
                site=self._site,
                outcome="finished" if error is None else f"raised {evaluate.summary(error)}",
                inside=self._inside,
                seconds=seconds,
                nodes=nodes,
                cut=seen is not None and (seen.graph.cut or len(seen.graph) > NODES),
            )
        )

    def _rows(self, seen: Recorder) -> Iterator[NodeRow]:
        """Yield the nodes in the order in which they ran, and those that did not behind them."""
        from gradrepl.engine.graph.nodes import Labelled

        graph = seen.graph
        labelled = Labelled(graph, self._tracing.made, lambda: self._names)
        kept = range(min(len(graph), NODES))
        ran = {graph.index[node]: (norm, shape) for node, norm, shape in seen.arrived()}
        order = [*(place for place in ran if place in kept), *(p for p in kept if p not in ran)]
        ids = {place: number for number, place in enumerate(order, 1)}
        for place, number in ids.items():
            to = dict.fromkeys(ids[to] for to in graph.next(place) if to in ids)
            norm, shape = ran.get(place, (None, None))
            yield labelled.row(
                place,
                number,
                label=labelled.given(place),
                order=number if place in ran else 0,
                shape=shape,
                norm=norm,
                to=tuple(to),
            )


def _shapes(tensors: Iterable[Any]) -> tuple[Shape, ...]:
    from gradrepl.engine.tensor import facts

    return tuple(map(facts.shape, islice(tensors, SHAPES)))


def drawn(traced: TracedPass) -> GraphView:
    """Return the graph of a pass with its lanes, in the order in which the nodes ran."""
    from gradrepl.engine.graph.graph import Lanes

    targets = {node.id: node.to for node in traced.nodes}
    lanes = Lanes(lambda node: targets[node], traced.nodes[0].id if traced.nodes else 1)
    rows = [
        replace(
            node,
            lanes=lanes.row(node.id, node.leaf),
            label=node.label or node.module,
            to=node.to[:16],
            state="" if node.ran else "did not run",
        )
        for node in traced.nodes
    ]
    return GraphView(
        root=traced.root,
        rows=tuple(rows),
        total=len(rows),
        nodes=len(rows),
        edges=sum(map(len, targets.values())),
        leaves=sum(node.leaf for node in traced.nodes),
        recorded=any(node.op is not None for node in traced.nodes),
    )
