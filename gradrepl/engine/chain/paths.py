"""``:paths`` and ``:addends``: how a gradient comes from a root, and that its parts add up.

``:paths`` lists the largest paths to a leaf, ``:addends`` what is added up where several
gradients meet, and who sent each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, NamedTuple, TypeVar

import torch
from msgspec.structs import replace

from gradrepl import protocol as p
from gradrepl.engine.chain import gradients, naming, search
from gradrepl.engine.chain.gradients import MOST, Hop, PathGraph, amount, projection, size, written
from gradrepl.engine.chain.naming import Labels
from gradrepl.engine.chain.search import ENDS, LISTED, Route, Step
from gradrepl.engine.chain.unseen import Runner, contained, elements, is_real_number, seed
from gradrepl.engine.code.evaluate import first_line
from gradrepl.engine.graph.nodes import is_custom
from gradrepl.engine.session import Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures
from gradrepl.errors import AutogradError, StateError
from gradrepl.model import Addend, Addends, Path, Paths, PathStep, Rest

SMALL = 8
"""Elements up to which a local derivative is a matrix; and paths that show theirs."""
CALLER = "the caller"
"""Who sends what arrives where a look begins."""
ADDENDS = 100
"""Addends listed."""

FROM_HERE = (
    "the graph above has been freed by this backward: these paths start where we stand, with the "
    "gradient that arrives here."
)


class Listed(NamedTuple):
    """One path and its contribution."""

    start: int
    route: Route
    grad: Any


class Truth(NamedTuple):
    """What torch itself says of the gradient."""

    grad: Any
    known: bool
    notes: list[str]

    def compared(self, total: Any) -> dict[str, Any]:
        """Return what a record says of our own sum beside it."""
        agrees, apart = gradients.compare(total, self.grad) if self.known else (None, None)
        return {
            "total": amount(total),
            "grad": amount(self.grad),
            "agrees": agrees,
            "max_difference": apart,
        }


def graph_between(root: naming.Root, target: naming.Target) -> PathGraph:
    """Return the graph of all paths.

    Raises:
        AutogradError: there is none.
    """
    between = PathGraph(root.starts, target.node, target.number)
    if not between.count:
        raise AutogradError(
            f"no path leads from '{root.name}' to '{target.name}': its gradient from there is"
            " None.",
            "':t NAME' tells how a tensor was made and where it was cut off.",
        )
    return between


@on(p.PathsTo)
def paths(request: p.PathsTo, session: Session, place: Place) -> Paths:
    """Return the record of all paths from root to leaf.

    Raises:
        AutogradError, StateError, UsageError: there are none, or they cannot be walked.
    """
    target = naming.target(request.leaf, session, place)
    return _found(lambda root: _record(root, target, session, place), request.root, session, place)


Found = TypeVar("Found", Paths, Addends)


def _found(
    look: Callable[[naming.Root], Found], root: str, session: Session, place: Place
) -> Found:
    """Look from the root or, where this backward has freed the graph there, from where we stand."""
    try:
        return look(naming.root(root, session, place))
    except AutogradError:
        here = None if root else naming.here(session, place)
        if here is None:
            raise
        with suppress(AutogradError):  # the first sentence says more
            record: Found = look(here)
            if not any(each.sender == CALLER for each in getattr(record, "addends", ())):
                return replace(record, notes=(FROM_HERE, *record.notes))
        raise


def _record(root: naming.Root, target: naming.Target, session: Session, place: Place) -> Paths:
    between = graph_between(root, target)
    labels = Labels(session, place)
    runner = Runner(between.graph)
    with careful(runner, between) as notes:
        method, listed, total = walk(between, runner)
        records = _Records(between, runner, labels, root.name, target.name)
        truth = ask_torch(between, runner, session)
        whole = truth.grad if truth.known else total
        norm = size(whole)
        paths = tuple(records.path(n, each, whole, norm) for n, each in enumerate(listed))
    rest = _rest(between, listed, whole, norm)
    if not listed:
        notes.append("the search came to no end within its limits: nothing is listed.")
    return Paths(
        root=root.name,
        leaf=target.name,
        count=written(between.count),
        method=method,
        paths=paths,
        rest=rest,
        notes=(*notes, *runner.notes(), *truth.notes, *_linear(between, listed, whole)),
        **truth.compared(total),
    )


@on(p.AddendsOf)
def addends(request: p.AddendsOf, session: Session, place: Place) -> Addends:
    """Return the record of what arrives at a leaf or at another tensor's node.

    Raises:
        AutogradError, StateError, UsageError: nothing arrives, or the graph cannot be walked.
    """
    target = naming.target(request.target, session, place)
    return _found(lambda root: _added(root, target, session, place), request.root, session, place)


def _added(root: naming.Root, target: naming.Target, session: Session, place: Place) -> Addends:
    between = graph_between(root, target)
    runner = Runner(between.graph)
    parts: list[tuple[Any, int, Any]] = [
        (None, 0, grad) for node, number, grad in between.starts if between.ends((node, number))
    ]

    def note(node: int, hop: Hop, arrived: list[Any], leaving: Any) -> None:
        if between.ends((hop.node, hop.number)):
            parts.append((between.graph.nodes[node], hop.edge, leaving))

    with careful(runner, between) as notes:
        total = gradients.accumulate(between, runner, note)
        truth = ask_torch(between, runner, session)
    whole = truth.grad if truth.known else total
    labels, norm = Labels(session, place), size(whole)
    return Addends(
        root=root.name,
        target=target.name,
        count=len(parts),
        addends=tuple(
            Addend(
                sender=labels.node(node) if node is not None else CALLER,
                made=labels.made(node, 0) if node is not None else "",
                line=labels.line(node) if node is not None else "",
                edge=edge,
                input_nr=target.number,
                amount=amount(grad),
                norm=size(grad),
                share=projection(grad, whole, norm),
            )
            for node, edge, grad in parts[:ADDENDS]
        ),
        notes=(*notes, *runner.notes(), *truth.notes),
        **truth.compared(total),
    )


@contextmanager
def careful(runner: Runner, between: PathGraph) -> Iterator[list[str]]:
    """Check what is about to run, contain what is user code in it, and say what is to be said."""
    notes = runner.check(between.order)
    user = bool(notes) or any(is_custom(between.graph.nodes[n]) for n in between.order)
    with contained() if user else nullcontext():
        yield notes


def is_scalar(between: PathGraph) -> bool:
    """Is every derivative on the way one number by one number?"""
    nodes = between.graph.nodes
    ports = {(node, number) for node, number, _ in between.starts}
    ports |= {(hop.node, hop.number) for node in between.order for hop in between.hops(node)}
    return all(is_real_number(nodes[node], number) for node, number in ports)


def walk(between: PathGraph, runner: Runner) -> tuple[str, list[Listed], Any]:
    """Return the method, the listed paths, largest first, and the sum over all paths."""
    few, scalar = between.count <= LISTED, is_scalar(between)
    if few or scalar:
        total = gradients.accumulate(between, runner)
    if few:
        walked = list(search.every(between, runner))
    elif scalar:
        listed = _largest(between, runner)
        return f"the {len(listed)} largest", listed, total
    else:
        gains = search.Gains(between)
        total = gradients.accumulate(between, runner, gains.see)
        gains.look_ahead()
        walked = search.best_first(between, runner, gains, LISTED)
    walked.sort(key=lambda each: -(each.size or 0.0))
    listed = [Listed(each.start, each.steps(), each.grad) for each in walked]
    return "all" if few else "best-first search", listed, total


def _largest(between: PathGraph, runner: Runner) -> list[Listed]:
    largest = search.Largest(between, runner, search.room(between))
    target = between.graph.nodes[between.target]
    return [
        Listed(start, route, seed(target, between.number, route.product))
        for start, route in largest.routes()
    ]


def ask_torch(between: PathGraph, runner: Runner, session: Session) -> Truth:
    """Return the true gradient, where this thread may ask for one."""
    try:
        session.stepper.check_nested_backward()
    except StateError:
        why = "not compared with torch.autograd.grad: this stop holds the engine's own thread."
        return Truth(None, False, [why])
    for node in between.order:
        if is_custom(between.graph.nodes[node]):
            runner.count(between.graph.nodes[node])
    try:
        grad, notes = gradients.true_gradient(between, user_code=False)  # we are contained
    except RuntimeError as error:
        return Truth(None, False, [f"torch.autograd.grad raised: {first_line(error)}"])
    return Truth(grad, True, notes)


def _rest(
    between: PathGraph, listed: Sequence[Listed], whole: Any, norm: float | None
) -> Rest | None:
    missing = between.count - len(listed)
    if not missing:
        return None
    grad = remainder(listed, whole)
    return Rest(
        count=written(missing) if between.count < MOST else written(between.count),
        contribution=amount(grad),
        norm=size(grad),
        share=projection(grad, whole, norm),
    )


def remainder(listed: Sequence[Listed], whole: Any) -> Any:
    """Return what the listed paths leave of the gradient."""
    left = whole
    for each in listed:
        left = gradients.subtract(left, each.grad)
    return left


def _linear(between: PathGraph, listed: Sequence[Listed], whole: Any) -> list[str]:
    """Say so where all paths are listed and do not add up: some backward is not linear."""
    if between.count != len(listed) or whole is None:
        return []
    scale = gradients.biggest_of([whole, *(each.grad for each in listed)])
    slack = gradients.tolerance(whole.dtype) * scale * max(1, len(listed))
    if gradients.biggest(remainder(listed, whole)) <= slack or scale == math.inf:
        return []
    return ["the paths do not add up: a backward on the way is not linear in its gradient."]


class _Records:
    """Makes the records of paths; Jacobians are worked out once."""

    def __init__(
        self, between: PathGraph, runner: Runner, labels: Labels, root: str, leaf: str
    ) -> None:
        self._between, self._runner, self._labels = between, runner, labels
        self._root, self._leaf = root, leaf
        self._known: dict[tuple[int, int], list[list[Any]]] = {}

    def path(self, place: int, listed: Listed, whole: Any, norm: float | None) -> Path:
        """Return the record of one path, the ``place``-th in the list."""
        route = listed.route
        shown, skipped = [*route.head, *route.tail], route.length - len(route.head + route.tail)
        arrived = [size(self._between.starts[listed.start].seed), *(step.size for step in shown)]
        if skipped:
            arrived[ENDS] = None  # what arrives behind the gap was not kept
        steps = tuple(
            self._step(step, number == 0, before, place < SMALL)
            for number, (step, before) in enumerate(zip(shown, arrived, strict=False))
        )
        names = [self._labels.node(self._between.graph.nodes[step.node]) for step in shown]
        if skipped:
            names.insert(ENDS, "...")
        return Path(
            nodes=(*names, self._leaf),
            steps=steps,
            skipped=skipped,
            contribution=amount(listed.grad),
            norm=size(listed.grad),
            share=projection(listed.grad, whole, norm),
        )

    def _step(self, step: Step, first: bool, arrived: float | None, full: bool) -> PathStep:
        nodes = self._between.graph.nodes
        node, hop = nodes[step.node], step.hop
        is_number = all(is_real_number(*end) for end in self._ends(step))
        matrix = self._matrix(step) if full or is_number else None
        value = matrix[0][0] if matrix and len(matrix) == len(matrix[0]) == 1 else None
        whole_root = first and len(self._between.starts) == 1
        ends = self._between.ends((hop.node, hop.number))
        return PathStep(
            node=self._labels.node(node),
            of=self._root if whole_root else self._labels.made(node, step.number),
            by=self._leaf if ends else self._labels.made(nodes[hop.node], hop.number),
            line=self._labels.line(node),
            value=value,
            norm=step.size,
            gain=step.size / arrived if arrived and step.size is not None else None,
            jacobian=None if value is not None else matrix,
        )

    def _ends(self, step: Step) -> tuple[tuple[Any, int], tuple[Any, int]]:
        """Return the node that a step enters and the one that it leads to, with the outputs."""
        nodes, hop = self._between.graph.nodes, step.hop
        return (nodes[step.node], step.number), (nodes[hop.node], hop.number)

    def _matrix(self, step: Step) -> tuple[tuple[float, ...], ...] | None:
        """Return the Jacobian of a step, or None where it is not small or not real."""
        ends = self._ends(step)
        if any(elements(*end) > SMALL for end in ends):
            return None
        if any(node._input_metadata[number].dtype.is_complex for node, number in ends):
            return None
        rows = self._known.get((step.node, step.number))
        if rows is None:
            rows = self._known[step.node, step.number] = self._rows(step.node, step.number)
        wide = elements(*ends[1])
        return tuple(_numbers(row[step.hop.edge], wide) for row in rows)

    def _rows(self, place: int, number: int) -> list[list[Any]]:
        node = self._between.graph.nodes[place]
        rows = []
        for element in range(elements(node, number)):
            unit = seed(node, number, 0.0)
            with figures.quiet():
                unit.view(-1)[element] = 1
            rows.append(self._runner.single(place, number, unit))
        return rows


def _numbers(grad: Any, wide: int) -> tuple[float, ...]:
    if grad is None:
        return (0.0,) * wide
    with figures.quiet():
        plain: torch.Tensor = gradients.dense(grad).reshape(-1).to(torch.float64)
        return tuple(plain.tolist())
