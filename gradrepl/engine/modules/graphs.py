"""The answer to ``:graph``: a window on the rows of a graph, which is walked and never run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import torch

from gradrepl import protocol as p
from gradrepl.engine import torch_private
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import LEAF, Graph
from gradrepl.engine.graph.nodes import Labelled
from gradrepl.engine.modules.folding import WHOLE, FoldedLanes, Folds, Run, runs, targets
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts, report
from gradrepl.engine.tensor.names import Names
from gradrepl.errors import AutogradError, UsageError
from gradrepl.model import GraphView, NodeRow

SAVED = 20_000
"""Nodes of one row, or of the whole graph, whose saved values are looked at."""
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


def view(request: p.GraphRows, source: Labelled, root: str, live: bool) -> GraphView:
    """Return a window on the rows of ``source``; ``live``: a backward that is paused."""
    graph = source.graph
    return Drawing(request, source, live).view(root, len(graph), len(graph.targets))


class Drawing:
    """One answer: the rows as far as they are needed."""

    def __init__(self, request: p.GraphRows, source: Labelled, live: bool) -> None:
        self.request, self.source, self.live = request, source, live
        self.names: Names = source.names
        self.small = len(source.graph) <= WHOLE
        self.recorded = self._recorded()
        self.unfold = tuple(self._known(each) for each in request.unfold)
        self._paths: dict[int, str] = {}
        self._modules = set(self.names.modules.values())
        self._kinds: dict[str, str] | None = None
        self._leaves = {
            key
            for node in islice(graph_nodes(source), WHOLE)
            if (variable := getattr(node, "variable", None)) is not None
            and (key := report.storage_key(variable)) is not None
        }

    def _recorded(self) -> bool:
        some = range(min(len(self.source.graph), 500))
        return any(self.source.op(node) is not None for node in some)

    def _known(self, path: str) -> str:
        """Return the path of a module that is to be unfolded, with or without its variable.

        Raises:
            UsageError: there is no such module.
        """
        paths = set(self.names.modules.values())
        spellings = [path, path.partition(".")[2], *(p + path for p, _ in self.names.roots)]
        for each in spellings:
            if each in paths:
                return each
        raise UsageError(f"No module '{path}' in the current scope.", "':mods' shows all modules.")

    # -- rows ----------------------------------------------------------------------------------

    def view(self, root: str, count: int, edges: int) -> GraphView:
        """Return the answer."""
        request = self.request
        depth, rows = self._rows()
        shown: list[NodeRow]
        total: int | None = None
        first = request.first
        if request.pattern:
            every = rows if self.small else islice(rows, WHOLE)
            found = [run for run in every if self._matches(run)]
            total = len(found) if self.small else None
            first = max(0, min(first, len(found) - 1))
            shown = [self._row(run, "", {}) for run in found[first : first + request.count]]
        else:
            known = list(rows if self.small else islice(rows, first + request.count))
            total = len(known) if self.small else None
            first = max(0, min(first, len(known) - 1))
            shown = self._drawn(known, first)
        nodes_ = graph_nodes(self.source)
        return GraphView(
            root=root,
            rows=tuple(shown),
            first=first,
            total=total,
            nodes=count,
            edges=edges,
            leaves=sum(type(node) is LEAF for node in nodes_) if self.small else 0,
            saved_nbytes=self._bytes(nodes_) if count <= SAVED else None,
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
        found: list[Run] = []
        for depth in range(deepest, -1, -1):
            found = list(self._runs(depth))
            if len(found) <= self.request.count:
                return depth, found
        return 0, found

    def _runs(self, depth: int | None) -> Iterator[Run]:
        folds = Folds(self.names, depth, self.unfold)
        return runs(self.source, lambda node: folds.key(self._path(node)))

    def _path(self, node: int) -> str:
        """Return the path of a node's module, '' where it belongs to none that is in scope."""
        found = self._paths.get(node)
        if found is None:
            path = self.source.module(node)
            found = self._paths[node] = path if path in self._modules else ""
        return found

    def _drawn(self, known: list[Run], first: int) -> list[NodeRow]:
        window = known[first : first + self.request.count]
        homes: dict[int, int] = {}
        if self.small:
            homes = {node: run.first for run in known for node in run.nodes}
        lanes = FoldedLanes(self.source)
        begin = 0 if first <= FAR else first
        found = []
        for run in known[begin : first + self.request.count]:
            drawn = lanes.row(run, self._is_leaf(run))
            if run.first >= window[0].first:
                found.append(self._row(run, drawn, homes))
        return found

    def _is_leaf(self, run: Run) -> bool:
        return len(run.nodes) == 1 and self.source.is_leaf(run.nodes[0])

    def _row(self, run: Run, lanes: str, homes: dict[int, int]) -> NodeRow:
        source, node = self.source, run.nodes[0]
        live = [source.graph.nodes[each] for each in run.nodes]
        small = len(live) <= SAVED
        saved, state = self._saved(live) if small else ((), "")
        to = dict.fromkeys(homes[t] for t in targets(source, run) if t in homes)
        common: dict[str, Any] = {
            "lanes": lanes,
            "state": self._state(run) or state,
            "saved_nbytes": self._bytes(live) if small else None,
            "to": tuple(to)[:16],
        }
        if len(live) == 1:
            return source.row(node, run.first, module=self._path(node), saved=saved, **common)
        name = self._kind(run.key)
        return NodeRow(
            id=run.first, name=name, label=run.key, module=run.key, nodes=len(live), **common
        )

    def _kind(self, path: str) -> str:
        """Return the class of the module at ``path``."""
        if self._kinds is None:
            found = {}
            for prefix, root in self.names.roots:
                found[self.names.modules[id(root)]] = type(root).__name__
                for below, module in root.named_modules():
                    found.setdefault(prefix + below, type(module).__name__)
            self._kinds = found
        return self._kinds.get(path, "")

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

    # -- what was saved ------------------------------------------------------------------------

    def _saved(self, live: list[Any]) -> tuple[tuple[str, ...], str]:
        """Return what nodes saved as text, and 'freed' or 'stale' if any of it is."""
        found: list[str] = []
        worst = ""
        with torch_private.DisableTorchFunction():
            for node in live:
                for name, value, state in nodes.saved(node):
                    if state == "freed" or (state == "changed in place" and not worst):
                        worst = "freed" if state == "freed" else "stale"
                    if len(found) < LISTED and (isinstance(value, torch.Tensor) or state != "ok"):
                        found.append(_said(name, value, state))
        return tuple(found), worst

    def _bytes(self, live: Iterable[Any]) -> int:
        """Return the bytes that nodes saved, each storage once, those of leaves not at all."""
        sizes: dict[int, int] = {}
        with torch_private.DisableTorchFunction():
            for node in live:
                for _, value, _ in nodes.saved(node):
                    if isinstance(value, torch.Tensor):
                        key = report.storage_key(value)
                        if key is not None and key not in self._leaves:
                            sizes[key] = report.storage_bytes(value)
        return sum(sizes.values())


def graph_nodes(source: Any) -> list[Any]:
    """Return the live nodes of a source."""
    found: list[Any] = source.graph.nodes
    return found


def _said(name: str, value: Any, state: str) -> str:
    if not isinstance(value, torch.Tensor):
        return f"{name} {state}"
    version = facts.version(value)
    seen = "" if version is None else f" v{version}"
    return f"{name} {facts.sizes(value.shape)}{seen}" + ("" if state == "ok" else f" {state}")
