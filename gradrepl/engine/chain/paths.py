"""``:paths``: every path from a root to a leaf, the largest listed, and that they add up."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, NamedTuple

import torch
from msgspec.structs import replace

from gradrepl.engine.chain import origin, search, sums
from gradrepl.engine.chain.labels import Labels, amount, projection, size
from gradrepl.engine.chain.local import Runner, elements, is_custom, is_real_number, seed
from gradrepl.engine.chain.search import ENDS, LISTED, Route, Step
from gradrepl.engine.chain.unseen import contained
from gradrepl.engine.chain.ways import Ways, written
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures
from gradrepl.errors import AutogradError, StateError
from gradrepl.model import Path, Paths, PathStep, Rest

SMALL = 8
"""Elements up to which a local derivative is a matrix; and paths that show theirs."""

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
    """What torch itself says."""

    grad: Any
    known: bool
    notes: list[str]


def answer(root_text: str, leaf_text: str, session: Session, place: Place) -> Paths:
    """Return the record of all paths from root to leaf.

    Raises:
        AutogradError, StateError, UsageError: there are none, or they cannot be walked.
    """
    root = origin.root(root_text, session, place)
    target = origin.target(leaf_text, session, place)
    try:
        return _between(root, target, session, place)
    except AutogradError:
        here = None if root_text else origin.here(session, place)
        if here is None:
            raise
        with suppress(AutogradError):  # the first sentence says more
            found = _between(here, target, session, place)
            return replace(found, notes=(FROM_HERE, *found.notes))
        raise


def _between(
    root: origin.Root, target: origin.Target, session: Session, place: Place
) -> Paths:  # fmt: skip
    ways = Ways(root.starts, target.node, target.number)
    if not ways.count:
        raise origin.unreached(root, target)
    labels = Labels(session, place)
    runner = Runner(ways.graph)
    with careful(runner, ways) as notes:
        method, listed, total = walk(ways, runner)
        records = _Records(ways, runner, labels, root.name, target.name)
        truth = ask_torch(ways, runner, session)
        whole = truth.grad if truth.known else total
        norm = size(whole)
        paths = tuple(records.path(n, each, whole, norm) for n, each in enumerate(listed))
    rest = _rest(ways, listed, whole, norm)
    if not listed:
        notes.append("the search came to no end within its limits: nothing is listed.")
    agrees, apart = sums.compare(total, truth.grad) if truth.known else (None, None)
    return Paths(
        root=root.name, leaf=target.name, count=written(ways.count), method=method, paths=paths,
        rest=rest, total=amount(total), grad=amount(truth.grad), agrees=agrees,
        max_difference=apart,
        notes=tuple([*notes, *runner.notes(), *truth.notes, *_linear(ways, listed, whole)]),
    )  # fmt: skip


class careful:
    """Check what is about to run, and contain what is user code in it."""

    def __init__(self, runner: Runner, ways: Ways) -> None:
        self._notes = runner.check(ways.order)
        user = bool(self._notes) or any(is_custom(ways.graph.nodes[n]) for n in ways.order)
        self._inside: AbstractContextManager[None] = contained() if user else nullcontext()

    def __enter__(self) -> list[str]:
        """Return what is to be said."""
        self._inside.__enter__()
        return self._notes

    def __exit__(self, *error: Any) -> None:
        """Put back random numbers."""
        self._inside.__exit__(*error)


def is_scalar(ways: Ways) -> bool:
    """Is every derivative on the way one number by one number?"""
    nodes = ways.graph.nodes
    ports = {(node, number) for node, number, _ in ways.starts}
    ports |= {(hop.node, hop.number) for node in ways.order for hop in ways.hops(node)}
    return all(is_real_number(nodes[node], number) for node, number in ports)


def walk(ways: Ways, runner: Runner) -> tuple[str, list[Listed], Any]:
    """Return the method, the listed paths, largest first, and the sum over all paths."""
    few, scalar = ways.count <= LISTED, is_scalar(ways)
    if few or scalar:
        total = sums.accumulate(ways, runner)
    if few:
        walked = list(search.every(ways, runner))
    elif scalar:
        listed = _largest(ways, runner)
        return f"the {len(listed)} largest", listed, total
    else:
        gains = search.Gains(ways)
        total = sums.accumulate(ways, runner, gains.see)
        gains.look_ahead()
        walked = search.best_first(ways, runner, gains, LISTED)
    walked.sort(key=lambda each: -(each.size or 0.0))
    listed = [Listed(each.start, each.steps(), each.grad) for each in walked]
    return "all" if few else "best-first search", listed, total


def _largest(ways: Ways, runner: Runner) -> list[Listed]:
    derivatives = search.Derivatives(ways, runner)
    found = []
    about = ways.graph.nodes[ways.target]._input_metadata[ways.number]
    for start, route in search.Largest(ways, derivatives).routes(search.room(ways)):
        with figures.quiet():
            grad = torch.full(
                tuple(about.shape), route.product, dtype=about.dtype, device=about.device
            )
        found.append(Listed(start, route, grad))
    return found


def ask_torch(ways: Ways, runner: Runner, session: Session) -> Truth:
    """Return the true gradient, where this thread may ask for one."""
    try:
        session.stepper.check_nested_backward()
    except StateError:
        said = "not compared with torch.autograd.grad: this stop holds the engine's own thread."
        return Truth(None, False, [said])
    for node in ways.order:
        if is_custom(ways.graph.nodes[node]):
            runner.count(ways.graph.nodes[node])
    try:
        grad, notes = sums.true_gradient(ways, user_code=False)  # we are contained
    except RuntimeError as error:
        text = str(error).partition("\n")[0]
        return Truth(None, False, [f"torch.autograd.grad raised: {text}"])
    return Truth(grad, True, notes)


def _rest(ways: Ways, listed: Sequence[Listed], whole: Any, norm: float | None) -> Rest | None:
    missing = ways.count - len(listed)
    if not missing:
        return None
    grad = remainder(listed, whole)
    share = projection(grad, whole, norm) if whole is not None else None
    return Rest(
        count=written(missing) if ways.count < 10**4000 else written(ways.count),
        contribution=amount(grad), norm=size(grad), share=share,
    )  # fmt: skip


def remainder(listed: Sequence[Listed], whole: Any) -> Any:
    """Return what the listed paths leave of the gradient."""
    left = whole
    for each in listed:
        left = sums.subtract(left, each.grad)
    return left


def _linear(ways: Ways, listed: Sequence[Listed], whole: Any) -> list[str]:
    """Say so where all paths are listed and do not add up: some backward is not linear."""
    if ways.count != len(listed) or whole is None:
        return []
    left = remainder(listed, whole)
    most = max((sums.biggest(each.grad) for each in listed if each.grad is not None), default=0.0)
    scale = max(most, sums.biggest(whole))
    close = sums.biggest(left) <= sums.tolerance(whole.dtype) * scale * max(1, len(listed))
    if close or scale == float("inf"):
        return []
    return ["the paths do not add up: a backward on the way is not linear in its gradient."]


class _Records:
    """Makes the records of paths; Jacobians are worked out once."""

    def __init__(self, ways: Ways, runner: Runner, labels: Labels, root: str, leaf: str) -> None:
        self._ways, self._runner, self._labels = ways, runner, labels
        self._root, self._leaf = root, leaf
        self._known: dict[tuple[int, int], list[list[Any]]] = {}

    def path(self, place: int, listed: Listed, whole: Any, norm: float | None) -> Path:
        """Return the record of one path, the ``place``-th in the list."""
        route = listed.route
        shown, skipped = [*route.head, *route.tail], route.length - len(route.head + route.tail)
        arrived = [size(self._ways.starts[listed.start].seed), *(step.size for step in shown)]
        if skipped:
            arrived[ENDS] = None  # what arrives behind the gap was not kept
        steps = tuple(
            self._step(step, number == 0, before, place < SMALL)
            for number, (step, before) in enumerate(zip(shown, arrived, strict=False))
        )
        names = [self._labels.node(self._ways.graph.nodes[step.node]) for step in shown]
        if skipped:
            names.insert(ENDS, "...")
        return Path(
            nodes=(*names, self._leaf), steps=steps, skipped=skipped,
            contribution=amount(listed.grad), norm=size(listed.grad),
            share=projection(listed.grad, whole, norm) if whole is not None else None,
        )  # fmt: skip

    def _step(self, step: Step, first: bool, arrived: float | None, full: bool) -> PathStep:
        nodes = self._ways.graph.nodes
        node, hop = nodes[step.node], step.hop
        ends = self._ways.ends((hop.node, hop.number))
        whole_root = first and len(self._ways.starts) == 1
        matrix = self._matrix(step) if full else None
        value = matrix[0][0] if matrix and len(matrix) == len(matrix[0]) == 1 else None
        if value is None and self._is_number(step):
            matrix = self._matrix(step)
            value = matrix[0][0] if matrix else None
        gain = step.size / arrived if arrived and step.size is not None else None
        return PathStep(
            node=self._labels.node(node),
            of=self._root if whole_root else self._labels.made(node, step.number),
            by=self._leaf if ends else self._labels.made(nodes[hop.node], hop.number),
            line=self._labels.line(node), value=value, norm=step.size, gain=gain,
            jacobian=None if value is not None else matrix,
        )  # fmt: skip

    def _is_number(self, step: Step) -> bool:
        nodes = self._ways.graph.nodes
        return is_real_number(nodes[step.node], step.number) and is_real_number(
            nodes[step.hop.node], step.hop.number
        )

    def _matrix(self, step: Step) -> tuple[tuple[float, ...], ...] | None:
        """Return the Jacobian of a step, or None where it is not small or not real."""
        nodes = self._ways.graph.nodes
        ends = ((nodes[step.node], step.number), (nodes[step.hop.node], step.hop.number))
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
        node = self._ways.graph.nodes[place]
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
        plain: torch.Tensor = sums.dense(grad).reshape(-1).to(torch.float64)
        return tuple(plain.tolist())
