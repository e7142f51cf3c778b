"""The answer to ``:graph``: a window on the rows of a graph, which is walked and never run.

The nodes of a folded module are taken together: those that follow each other in the engine's order
and belong to one module make one row. Cutting an order in which every node comes before its targets
into runs leaves it such an order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import torch

from gradrepl import protocol as p
from gradrepl.engine import torch_private
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import LEAF, Graph, Lanes
from gradrepl.engine.graph.nodes import Labelled
from gradrepl.engine.session import Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts, figures, report
from gradrepl.engine.tensor.names import Names
from gradrepl.errors import AutogradError, StateError, UsageError
from gradrepl.model import GraphView, NodeRow

WHOLE = 50_000
"""Nodes up to which a graph is worked out to its end."""
SAVED = 20_000
"""Nodes of one row, or of the whole graph, whose saved values are looked at."""
CHANGED = "changed in place"
LISTED = 4
"""Saved values of one node that are spelt out."""
FAR = 2_000
"""Rows beyond the last drawn one to which lanes are not followed."""


def source_of(tensor: torch.Tensor, name: str, session: Session, place: Place) -> Labelled:
    """Return the graph of ``tensor``.

    Raises:
        AutogradError: it has none.
    """
    start = facts.node_of(tensor)
    if start is None:
        why = report.everything(tensor, name, session, place).leaf_why
        raise AutogradError(
            f"'{name}' has no graph: it is {why}", "Name a tensor with a grad_fn: the loss."
        )
    return walked(start, session, place)


def walked(node: Any, session: Session, place: Place) -> Labelled:
    """Return the graph that begins at ``node``, with the names in scope."""
    look_up = partial(session.names, place.frame)
    return Labelled(Graph([node]), session.recorder.op_of, look_up)


@on(p.GraphRows)
def _(request: p.GraphRows, session: Session, place: Place) -> GraphView:
    if not request.expression:
        try:
            backward = session.backward_here(place)
        except StateError as error:
            raise StateError(str(error), "':graph EXPR' shows the graph of a tensor.") from None
        with figures.quiet():
            return Drawing(request, backward, live=True).view(backward.root)
    tensor = session.tensor(request.expression, place)
    with figures.quiet():
        source = source_of(tensor, request.expression, session, place)
        name = source.names.tensor(tensor) or request.expression
        return Drawing(request, source, live=False).view(name)


class Folds:
    """Which nodes are taken together: by the path of their module."""

    def __init__(self, names: Names, depth: int | None, unfold: Iterable[str]) -> None:
        self.depth = depth
        self.unfold = tuple(unfold)
        self._prefixes = [prefix for prefix, _ in names.roots if prefix]
        self._tops = {names.modules[id(root)]: prefix for prefix, root in names.roots}
        self._known: dict[str, str] = {}

    def key(self, path: str) -> str:
        """Return the path of the folded module that ``path`` belongs to, or '' for none."""
        if self.depth is None or not path:
            return ""
        if path not in self._known:
            self._known[path] = self._key(path)
        return self._known[path]

    def _key(self, path: str) -> str:
        assert self.depth is not None
        if path in self._tops:  # what a root itself calls belongs to none of its children
            return path if self.depth == 0 and path not in self.unfold else ""
        prefix = next((p for p in self._prefixes if path.startswith(p)), "")
        depth = max([self.depth, *(self._opened(path, prefix, each) for each in self.unfold)])
        if path in self.unfold:
            return ""
        if depth == 0:
            return prefix.rstrip(".") or next(iter(self._tops), "")
        return prefix + ".".join(path[len(prefix) :].split(".")[:depth])

    def _opened(self, path: str, prefix: str, module: str) -> int:
        """Return the depth from which on modules are folded where ``module`` is unfolded."""
        if module in self._tops:
            return 1 if self._tops[module] == prefix else 0
        inside = f"{path}.".startswith(f"{module}.")
        return module[len(prefix) :].count(".") + 2 if inside else 0


class Run:
    """One row: nodes that follow each other, of one folded module, or one node."""

    __slots__ = ("first", "key", "nodes")

    def __init__(self, first: int, key: str, node: int) -> None:
        self.first, self.key, self.nodes = first, key, [node]
        """``first``: place in the order of the first node, from 1."""


def runs(source: Labelled, key_of: Callable[[int], str]) -> Iterator[Run]:
    """Yield the rows of a graph in the engine's order, worked out as far as somebody asks."""
    place, current = 1, None
    while (node := source.order.at(place)) is not None:
        key = key_of(node)
        if current is not None and key and key == current.key:
            current.nodes.append(node)
        else:
            if current is not None:
                yield current
            current = Run(place, key, node)
        place += 1
    if current is not None:
        yield current


def targets(source: Labelled, run: Run) -> list[int]:
    """Return the nodes outside of a row that its gradients go to, each once."""
    inside = set(run.nodes)
    every = (target for node in run.nodes for target in source.graph.next(node))
    return list(dict.fromkeys(t for t in every if t >= 0 and t not in inside))


class Drawing:
    """One answer: the rows as far as they are needed."""

    def __init__(self, request: p.GraphRows, source: Labelled, live: bool) -> None:
        """``live``: of a backward that is paused."""
        self.request, self.source, self.live = request, source, live
        self.names: Names = source.names
        self.small = len(source.graph) <= WHOLE
        self.recorded = self._recorded()
        self._paths: dict[int, str] = {}
        self._kinds = {path: type(module).__name__ for module, path in self.names.each_module()}
        self.unfold = tuple(self._known(each) for each in request.unfold)
        self._leaves = leaf_storages(source.graph)

    def _recorded(self) -> bool:
        some = range(min(len(self.source.graph), 500))
        return any(self.source.op(node) is not None for node in some)

    def _known(self, path: str) -> str:
        """Return the path of a module that is to be unfolded, with or without its variable.

        Raises:
            UsageError: there is no such module.
        """
        spellings = [path, path.partition(".")[2], *(p + path for p, _ in self.names.roots)]
        for each in spellings:
            if each in self._kinds:
                return each
        raise UsageError(f"No module '{path}' in the current scope.", "':mods' shows all modules.")

    # -- rows ----------------------------------------------------------------------------------

    def view(self, root: str) -> GraphView:
        """Return the answer."""
        request, graph = self.request, self.source.graph
        depth, rows = self._rows()
        if request.pattern:
            every = rows if self.small else islice(rows, WHOLE)
            known = [run for run in every if self._matches(run)]
        else:
            known = list(rows if self.small else islice(rows, request.first + request.count))
        first = max(0, min(request.first, len(known) - 1))
        window = known[first : first + request.count]
        if request.pattern:
            shown = [self._row(run, "", {}) for run in window]
        else:
            shown = self._drawn(known, first)
        return GraphView(
            root=root,
            rows=tuple(shown),
            first=first,
            total=len(known) if self.small else None,
            nodes=len(graph),
            edges=len(graph.targets),
            leaves=sum(type(node) is LEAF for node in graph.nodes) if self.small else 0,
            saved_nbytes=saved_bytes(graph.nodes, self._leaves) if len(graph) <= SAVED else None,
            depth=depth,
            unfolded=self.unfold,
            pattern=request.pattern,
            recorded=self.recorded,
            live=self.live,
        )

    def _rows(self) -> tuple[int | None, Iterable[Run]]:
        """Return the depth at which modules are folded, and the rows."""
        asked = self.request.depth
        if not self.recorded:
            return None, self._runs(None)
        if asked is not None or self.unfold or not self.small:
            depth = 1 if asked is None else asked
            return depth, self._runs(depth)
        every = list(self._runs(None))
        if len(every) <= self.request.count or self.request.pattern:
            return None, every
        paths = map(self._path, range(len(self.source.graph)))
        deepest = max(path.count(".") + 1 for path in paths)
        return self._fitting(deepest)

    def _fitting(self, deepest: int) -> tuple[int, list[Run]]:
        """Return the depth that unfolds as much as fits into the window."""
        for depth in range(deepest, 0, -1):
            rows = list(self._runs(depth))
            if len(rows) <= self.request.count:
                return depth, rows
        return 0, list(self._runs(0))

    def _runs(self, depth: int | None) -> Iterator[Run]:
        folds = Folds(self.names, depth, self.unfold)
        return runs(self.source, lambda node: folds.key(self._path(node)))

    def _path(self, node: int) -> str:
        """Return the path of a node's module, '' where it belongs to none that is in scope."""
        if node not in self._paths:
            path = self.source.module(node)
            self._paths[node] = path if path in self._kinds else ""
        return self._paths[node]

    def _drawn(self, known: list[Run], first: int) -> list[NodeRow]:
        """Return the rows of the window, with lanes."""
        source, graph = self.source, self.source.graph
        homes = {node: run.first for run in known for node in run.nodes} if self.small else {}
        leads: list[int] = []
        lanes = Lanes(lambda node: leads, graph.index[graph.roots[0]])
        rows = []
        for place in range(0 if first <= FAR else first, len(known[: first + self.request.count])):
            run = known[place]
            lanes.merge(set(run.nodes), run.nodes[0])
            leads[:] = targets(source, run)
            leaf = len(run.nodes) == 1 and source.is_leaf(run.nodes[0])
            drawn = lanes.row(run.nodes[0], leaf)
            if place >= first:
                rows.append(self._row(run, drawn, homes))
        return rows

    def _row(self, run: Run, lanes: str, homes: dict[int, int]) -> NodeRow:
        source, node = self.source, run.nodes[0]
        live = [source.graph.nodes[each] for each in run.nodes]
        small = len(live) <= SAVED
        saved, problem = nodes.saved_texts(live, LISTED) if small else ((), "")
        to = dict.fromkeys(homes[t] for t in targets(source, run) if t in homes)
        common: dict[str, Any] = {
            "lanes": lanes,
            "state": self._state(run) or ("stale" if problem == CHANGED else problem),
            "saved_nbytes": saved_bytes(live, self._leaves) if small else None,
            "to": tuple(to)[:16],
        }
        if len(live) == 1:
            return source.row(node, run.first, module=self._path(node), saved=saved, **common)
        kind, path = self._kinds.get(run.key, ""), run.key
        return NodeRow(id=run.first, name=kind, label=path, module=path, nodes=len(live), **common)

    def _state(self, run: Run) -> str:
        if not self.live:
            return ""
        done = sum(map(self.source.is_done, run.nodes))
        if done < sum(map(self.source.has_begun, run.nodes)):
            return "here"
        return "done" if done == len(run.nodes) else "partly" if done else "predicted"

    def _matches(self, run: Run) -> bool:
        wanted = self.request.pattern.lower()
        node = run.nodes[0]
        op = self.source.op(node)
        about = (
            self.source.name(node),
            self.source.label(node),
            run.key,
            op.name if op else "",
            self._path(node),
        )
        return any(wanted in each.lower() for each in about)


def leaf_storages(graph: Graph) -> set[int | None]:
    """Return the storages of the first leaves of a graph: they are there whatever is saved."""
    variables = (getattr(node, "variable", None) for node in graph.nodes[:WHOLE])
    return {report.storage_key(each) for each in variables if each is not None}


def saved_bytes(live: Iterable[Any], leaves: set[int | None]) -> int:
    """Return the bytes that nodes saved, each storage once, those of leaves not at all."""
    sizes: dict[int, int] = {}
    with torch_private.DisableTorchFunction():
        for node in live:
            for _, value, _ in nodes.saved(node):
                if isinstance(value, torch.Tensor):
                    key = report.storage_key(value)
                    if key is not None and key not in leaves:
                        sizes[key] = report.storage_bytes(value)
    return sum(sizes.values())
