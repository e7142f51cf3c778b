"""The gradient that arrives at every node of a backward: its norm, and whether it is finite.

The hook is a dictionary that all nodes share, as for the order of a pass (see ``engine.hooks``).
It stays with a node, empty, as long as the node lives: where the user keeps the graph for more
backwards, hooks that can be removed one by one take its place.
"""

from __future__ import annotations

import math
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.graph.graph import LEAF
from gradrepl.engine.graph.hooks import SMALL, _carrier, frees, without_gc
from gradrepl.engine.health import route
from gradrepl.engine.health.measure import counts
from gradrepl.engine.health.verdicts import judge_node
from gradrepl.engine.tensor import figures
from gradrepl.engine.torch_private import dispatch_mode, running_backward, running_node
from gradrepl.model import NodeRow
from gradrepl.model import health as h

LARGE = 16 * 1024
"""Elements from which on a gradient that shows the same memory as one before is not read again."""
SHALLOW = 30_000
"""Nodes watched at most where the stack is small: a deep graph that was walked is freed in C,
which calls itself once for each node."""
MANY = 1_000_000
_HALF = (torch.float16, torch.bfloat16)
_norm = torch.linalg.vector_norm
_modes = torch_private.modes
_NONE = (None, None, None)
Lines = Callable[[Any], str]
"""Says of a node where its op stands in the program, or ''."""
Figures = tuple[Any, Any, Any]
"""Norm, minimum, maximum, each a number, None, or on an accelerator a tensor that will tell it."""


class NodeWatch:
    """Looks at the gradients of one backward while it runs."""

    def __init__(
        self, starts: Sequence[Any], statistics: bool, keeps: bool, grows: bool, mapped: bool
    ) -> None:
        """``keeps``: the graph may be walked again; ``grows``: with ``create_graph``; ``mapped``:
        keep, until the backward is over, which nodes they were."""
        self.statistics = statistics
        self.names: list[type] = []
        """The class of each node that has run, in order."""
        self.norms: list[Any] = []
        self.edges: list[tuple[Any, Any]] = []
        """(minimum, maximum) of each, where statistics are asked for."""
        self.bad: dict[int, tuple[int, int]] = {}
        """By place from 0, where not finite: how many NaN and Inf, as far as counted."""
        self.note = ""
        self._keeps, self._far = keeps, False
        self._light: OrderedDict[int, Any] = OrderedDict()
        self._handles: list[Any] = []
        self._leaves: list[tuple[int, int]] = []
        """(place, id of the leaf)"""
        self._arrived_at: dict[int, tuple[int, int, int]] = {}
        """By id of a leaf: place, and address and version of the gradient that arrived."""
        self._mapped = mapped
        self._nodes: list[Any] = []
        """Where they are to be mapped, all nodes: while one is held, it is the same object."""
        self.ran: list[Any] = []
        """Of those, the ones that ran, in order."""
        self._same: dict[int, tuple[weakref.ref[torch.Tensor], int, Figures]] = {}
        modes = _modes() or dispatch_mode() is not None
        self._plain = not grows and not modes
        """Neither a mode of the user's nor autograd would notice our arithmetic; unless one comes
        meanwhile: Ctrl-C has the next op seen."""
        with without_gc():
            self._attach(starts)

    # -- hooks ---------------------------------------------------------------------------------

    def _attach(self, starts: Sequence[Any]) -> None:
        nodes, several = self._walk(starts)
        self._mapped = self._mapped and len(nodes) <= route.LIMIT
        self._nodes = nodes if self._mapped else []
        arrived = self._hook()
        _carrier._backward_hooks = self._light
        self._light[0] = arrived
        again = self._keeps or (len(nodes) <= SMALL and not frees(nodes))
        hold, carrier, shares = self._handles.append, _carrier, not again
        for node in nodes:
            if type(node) is LEAF:
                hold(node.register_prehook(self._of_leaf(id(node.variable), arrived)))
            elif shares and node not in several:
                try:
                    node._register_hook_dict(carrier)
                except (AttributeError, TypeError, RuntimeError):  # another version of torch
                    hold(node.register_prehook(_first(arrived)))
            else:
                hold(node.register_prehook(_first(arrived)))

    def _walk(self, starts: Sequence[Any]) -> tuple[list[Any], set[Any]]:
        """Return the nodes of the graph, and those of them that have several outputs."""
        nodes = list(dict.fromkeys(starts))
        seen, several = set(nodes), set()
        add, found, limit = seen.add, nodes.append, _limit()
        for node in nodes:  # grows while we go
            for target, number in node.next_functions:
                if target is None:
                    continue
                if number:
                    several.add(target)
                if target not in seen:
                    add(target)
                    found(target)
            if len(nodes) >= limit:
                self.note = f"only {limit} nodes are watched: the graph has more."
                break
        return nodes, several

    def remove(self, done: bool = True) -> None:
        """Take all hooks away; ``done``: the backward has come to its end."""
        if not done:
            self._nodes.clear()
            self.ran.clear()
        self._light.clear()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._same.clear()

    def _hook(self) -> Callable[[torch.Tensor | None], None]:
        """Return what is called with each gradient; it has all it needs at hand."""
        named, found, edges = self.names.append, self.norms.append, self.edges.append
        task, node, figures = running_backward, self._current(), self._figures
        tensor, norm, quick, modes = torch.Tensor, _norm, self._plain, _modes
        statistics, edges_of = self.statistics, torch.aminmax
        wide, strided = (torch.float32, torch.float64), torch.strided

        mine: int | None = None

        def arrived(grad: torch.Tensor | None) -> None:
            nonlocal mine
            if task() != mine:
                if mine is not None:
                    return  # a backward that was typed at a stop
                mine = task()
            named(type(node()))
            if (
                quick and not modes() and type(grad) is tensor and grad.dtype in wide
                and grad.is_cpu and 0 < grad.numel() < LARGE and grad.layout is strided
            ):  # fmt: skip
                value = norm(grad).item()
                if value - value == 0.0:  # finite
                    found(value)
                    if statistics:
                        low, high = edges_of(grad)
                        edges((low.item(), high.item()))
                    return
            value, low, high = figures(grad)
            found(value)
            if statistics:
                edges((low, high))

        return arrived

    def _current(self) -> Callable[[], Any]:
        """Return what gives the node that runs; where it is to be mapped, it is noted, too."""
        if not self._mapped:
            current: Callable[[], Any] = running_node
            return current
        ran = self.ran.append

        def noted() -> Any:
            node = running_node()
            ran(node)
            return node

        return noted

    def _of_leaf(
        self, key: int, arrived: Callable[[torch.Tensor | None], None]
    ) -> Callable[[tuple[torch.Tensor | None, ...]], None]:  # fmt: skip
        def before(grads: tuple[torch.Tensor | None, ...]) -> None:
            (grad,) = grads
            place = len(self.names)
            arrived(grad)
            if len(self.names) == place:
                return
            self._leaves.append((place, key))
            if type(grad) is torch.Tensor and not _modes() and grad.layout is torch.strided:
                self._arrived_at[key] = (place, grad.data_ptr(), grad._version)

        return before

    def of_leaf(self, key: int, grad: torch.Tensor) -> float | None:
        """Return the norm of a leaf's gradient if it is what arrived here, written by nobody."""
        place, address, version = self._arrived_at.get(key, (0, 0, -1))
        if not address or type(grad) is not torch.Tensor or grad.layout is not torch.strided:
            return None
        if grad.data_ptr() != address or grad._version != version:
            return None
        norm = self.norms[place]
        return norm if isinstance(norm, float) else None

    # -- figures -------------------------------------------------------------------------------

    def _figures(self, grad: torch.Tensor | None) -> Figures:
        if grad is None:
            return _NONE
        if self._plain and type(grad) is torch.Tensor and not _modes():
            return self._read(grad)
        with figures.quiet():
            return self._read(grad)

    def _read(self, grad: torch.Tensor) -> Figures:
        large = grad.numel() >= LARGE
        if large and (known := self._seen(grad)) is not None:
            return known
        low: Any = None
        high: Any = None
        try:
            # In the type of the gradient a norm of half precision would be coarse and overflow.
            value: Any = _norm(grad, dtype=torch.float32) if grad.dtype in _HALF else _norm(grad)
            self._far = self._far or not grad.is_cpu
            if grad.is_cpu:
                value = value.item()
                if not math.isfinite(value):
                    value = self._not_finite(grad)
            if self.statistics and grad.numel() and not grad.is_complex():
                low, high = torch.aminmax(grad)
                if grad.is_cpu:
                    low, high = low.item(), high.item()
        except figures.UNREADABLE:
            value = figures.norm(grad)
        found = (value, low, high)
        if large and math.isfinite(value if isinstance(value, float) else 0.0):
            self._remember(grad, found)
        return found

    def _not_finite(self, grad: torch.Tensor) -> float | None:
        value = figures.norm(grad)
        if value is not None and not math.isfinite(value):
            self.bad[len(self.norms)] = counts(grad)
        return value

    # -- the same memory seen again ------------------------------------------------------------
    # Half of the gradients of a transformer are views of one that came just before. A view whose
    # elements are all of its base's has the base's figures.

    def _seen(self, grad: torch.Tensor) -> Figures | None:
        base = grad._base
        known = self._same.get(id(base) if base is not None else id(grad))
        if known is None:
            return None
        held, version, found = known
        base = grad if base is None else base
        if held() is not base or base._version != version or not _all_of(grad, base):
            return None
        return found

    def _remember(self, grad: torch.Tensor, found: Figures) -> None:
        base = grad if grad._base is None else grad._base
        if grad.layout is torch.strided and _all_of(grad, base):
            self._same[id(base)] = (weakref.ref(base), base._version, found)

    # -- afterwards ----------------------------------------------------------------------------

    def map(self, labels: Mapping[int, str], backward: int, lines: Lines) -> route.Map | None:
        """Return which node passes its gradient on to which, and let go of the nodes."""
        ran = self.ran
        if not self._mapped or len(ran) != len(self.names):
            return None
        known = {place: line for place, node in enumerate(ran) if (line := lines(node))}
        found = route.mapped(backward, ran, self.names, self.norms, labels, known)
        ran.clear()
        self._nodes.clear()
        return found

    def ended(self, leaves: Mapping[int, str]) -> Run:
        """Return what was found; ``leaves`` has their names by id."""
        labels = {place: leaves.get(key, "a leaf") for place, key in self._leaves}
        if self._far:
            _fetch(self.norms, self.edges)
        return Run(self.names, self.norms, self.edges, self.bad, labels, self.note)


class Run(NamedTuple):
    """What arrived at the nodes of one backward, in the order in which they ran."""

    names: list[type]
    norms: list[float | None]
    edges: list[tuple[float | None, float | None]]
    """Minimum and maximum of each; empty where they were not worked out."""
    bad: dict[int, tuple[int, int]]
    labels: dict[int, str]
    """Names of leaves, by place from 0."""
    note: str

    def row(self, place: int, limits: h.HealthLimits, scale: float | None) -> NodeRow:
        """Return the node at ``place``, from 0."""
        norm = self.norms[place]
        low, high = self.edges[place] if self.edges else (None, None)
        finite = norm is None or math.isfinite(norm)
        nans, infs = (0, 0) if finite else self.bad.get(place, (None, None))
        by = scale or 1.0
        return NodeRow(
            id=place + 1,
            name=self.names[place].__name__,
            label=self.labels.get(place, ""),
            norm=None if norm is None else norm / by,
            min=None if low is None else low / by,
            max=None if high is None else high / by,
            nans=nans,
            infs=infs,
            verdict=judge_node(norm, nans, limits, scale),
        )


def _fetch(norms: list[Any], edges: list[tuple[Any, Any]]) -> None:
    """Bring here what is on accelerators, in one transfer for each."""
    columns: list[list[Any]] = [norms, *map(list, zip(*edges, strict=True))]
    far: dict[torch.device, list[tuple[int, int]]] = {}
    for number, column in enumerate(columns):
        for place, value in enumerate(column):
            if isinstance(value, torch.Tensor):
                far.setdefault(value.device, []).append((number, place))
    for places in far.values():
        scalars = [columns[number][place].detach().double() for number, place in places]
        for (number, place), value in zip(places, torch.stack(scalars).tolist(), strict=True):
            columns[number][place] = value
    edges[:] = zip(*columns[1:], strict=True)


def _first(
    arrived: Callable[[torch.Tensor | None], None],
) -> Callable[[tuple[torch.Tensor | None, ...]], None]:
    """Return a prehook that tells the first of the gradients that is there."""

    def before(grads: tuple[torch.Tensor | None, ...]) -> None:
        arrived(next((grad for grad in grads if grad is not None), None))

    return before


def _limit() -> int:
    try:
        import resource
    except ImportError:
        return SHALLOW
    soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return MANY if soft == resource.RLIM_INFINITY or soft > 256 << 20 else SHALLOW


def _all_of(view: torch.Tensor, base: torch.Tensor) -> bool:
    """Has the view every element of its base once, and nothing else?"""
    size = base.numel()
    return view is base or (
        view.numel() == size
        and view.dtype == base.dtype
        and torch_private.has_overlap(view) == 0
        and torch_private.has_overlap(base) == 0
        and base.untyped_storage().nbytes() == size * base.itemsize
    )
