"""A graph as pictures show it: shapes in nested groups, one group for each call of a module.

Nodes that follow each other in the engine's order and belong to one module make a group. Cutting
an order in which every node comes before its targets into runs leaves it such an order, so the
picture of a graph without cycles has none. Where a graph has more nodes than a picture can show,
a whole group becomes one shape.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from msgspec.structs import replace

from gradrepl.export import too_many
from gradrepl.export.files import Graph
from gradrepl.model import NodeRow

DEEPEST = 12
RANGES = 50
"""Neighbours that are taken together at most, where there are too many modules."""


@dataclass(eq=False)
class Shape:
    """One box: a node, or a group that is folded."""

    node: NodeRow
    """Of a folded group: its first node's id, its class as name, its path as label."""
    count: int = 1
    """Nodes that it stands for."""
    to: dict[int, int] = field(default_factory=dict)
    """Ids of other shapes, and how many edges lead there."""


@dataclass(eq=False)
class Group:
    """A call of a module, with what is in it; the whole graph has the path ''."""

    path: str
    kind: str
    children: list[Shape | Group]


def drawn(graph: Graph, most: int, name: str) -> tuple[Group, str]:
    """Return the graph in at most ``most`` shapes, and what the reader must know about that.

    Raises:
        StateError: it has more nodes, and too few modules to fold them by.
    """
    kinds = dict(graph.about.kinds)
    own = {path for path, kind in kinds.items() if path == kind}
    recorded = graph.about.recorded  # else only leaves have a module
    total = len(graph.nodes)
    if total <= most:
        shapes = [Shape(node) for node in graph.nodes]
        home = array("l", range(-1, total))
        _connect(shapes, home, ((s, to) for s, shape in enumerate(shapes) for to in shape.node.to))
        return _whole(shapes, own, kinds if recorded else None), ""
    depth = _depth(_counts(graph.nodes, own), most, total) if recorded else None
    if depth is None:
        raise too_many(total, name, recorded)
    shapes = _folded(graph.nodes, own, kinds, depth, most)
    note = f"folded by module: {total:,} nodes in {len(shapes)} boxes"
    return _whole(shapes, own, kinds), note


def _depth(counts: list[int], most: int, total: int) -> int | None:
    """Return the depth to fold modules at, the deepest that fits; None where there is none."""
    fitting = [depth for depth, count in enumerate(counts) if count <= most]
    if fitting:
        return fitting[-1]
    return 1 if counts[1] <= min(RANGES * most, total // 2) else None


def _parts(path: str, own: set[str]) -> tuple[str, ...]:
    """Return the parts of a path; what a root itself calls belongs to none of its children."""
    return () if not path or path in own else tuple(path.split("."))


def _counts(nodes: Iterable[NodeRow], own: set[str]) -> list[int]:
    """Return for each depth at which modules may be folded how many shapes there would be."""
    counts = [0] * (DEEPEST + 1)
    before: tuple[str, ...] = ()
    for node in nodes:
        parts = _parts(node.module, own)
        same = 0
        while same < min(len(parts), len(before)) and parts[same] == before[same]:
            same += 1
        for depth in range(1, DEEPEST + 1):
            if same < depth:
                counts[depth] += 1
        before = parts
    counts[0] = counts[1]
    return counts


def _folded(
    nodes: Iterable[NodeRow], own: set[str], kinds: dict[str, str], depth: int, most: int
) -> list[Shape]:
    """Return the shapes where modules at ``depth`` of their path are folded.

    If there are more than ``most`` of them still, neighbours are taken together.
    """
    shapes: list[Shape] = []
    home = array("l", [-1])
    edges = array("l")
    last: tuple[str, ...] = ()
    for node in nodes:
        key = _folded_at(node, own, depth)
        if shapes and key and key == last:
            _add(shapes[-1], node)
        else:
            shapes.append(Shape(node))
        last = key
        home.append(len(shapes) - 1)
        _edges(edges, len(shapes) - 1, node.to)
    _name_folded(shapes, own, kinds, depth)
    by = -(-len(shapes) // most)
    if by > 1:
        shapes = [_range(shapes[at : at + by]) for at in range(0, len(shapes), by)]
        home = array("l", (-1 if place < 0 else place // by for place in home))
        edges[::2] = array("l", (source // by for source in edges[::2]))
    _connect(shapes, home, zip(edges[::2], edges[1::2], strict=True))
    return shapes


def _name_folded(shapes: list[Shape], own: set[str], kinds: dict[str, str], depth: int) -> None:
    """Let each shape that stands for several nodes be called by their module."""
    for shape in shapes:
        if shape.count > 1:
            path = ".".join(_parts(shape.node.module, own)[:depth])
            shape.node = _stands_for(shape, path, kinds.get(path, ""))


def _folded_at(node: NodeRow, own: set[str], depth: int) -> tuple[str, ...]:
    """Return the module at ``depth`` that the node is in; () for none."""
    parts = _parts(node.module, own)
    return parts[:depth] if len(parts) >= depth else ()


def _edges(edges: array[int], source: int, to: Iterable[int]) -> None:
    for target in to:
        edges.extend((source, target))


def _add(shape: Shape, node: NodeRow) -> None:
    shape.count += 1
    if node.problem and not shape.node.problem:
        shape.node = replace(shape.node, problem=node.problem)


def _stands_for(shape: Shape, path: str, kind: str) -> NodeRow:
    return NodeRow(
        id=shape.node.id,
        name=kind or "module",
        label=path,
        module=path.rpartition(".")[0],
        problem=shape.node.problem,
    )


def _range(shapes: list[Shape]) -> Shape:
    """Return neighbours as one shape."""
    if len(shapes) == 1:
        return shapes[0]
    first, last = (each.node.label or each.node.name for each in (shapes[0], shapes[-1]))
    problem = next((each.node.problem for each in shapes if each.node.problem), "")
    node = NodeRow(
        id=shapes[0].node.id,
        name=f"{len(shapes)} neighbours",
        label=f"{first} … {last}",
        problem=problem,
    )
    return Shape(node, sum(each.count for each in shapes))


def _connect(shapes: list[Shape], home: array[int], edges: Iterable[tuple[int, int]]) -> None:
    for source, to in edges:
        target = home[to] if to else -1
        if target >= 0 and target != source:
            found = shapes[source].to
            number = shapes[target].node.id
            found[number] = found.get(number, 0) + 1


def _whole(shapes: list[Shape], own: set[str], kinds: dict[str, str] | None) -> Group:
    """Return the shapes in groups; without ``kinds`` in none."""
    if kinds is None:
        return Group("", "", list(shapes))
    paths = [_parts(shape.node.module, own) for shape in shapes]
    return Group("", "", _grouped(list(zip(paths, shapes, strict=True)), 0, kinds))


def _grouped(
    rows: list[tuple[tuple[str, ...], Shape]], depth: int, kinds: dict[str, str]
) -> list[Shape | Group]:
    found: list[Shape | Group] = []
    for key, run in groupby(rows, key=lambda row: row[0][: depth + 1]):
        inside = list(run)
        if len(key) <= depth or len(inside) == 1:
            found += [shape for _, shape in inside]
            continue
        children = _grouped(inside, depth + 1, kinds)
        if len(children) == 1 and isinstance(children[0], Group):
            found.append(children[0])
        else:
            path = ".".join(key)
            found.append(Group(path, kinds.get(path, ""), children))
    return found


def shapes_of(group: Group) -> list[Shape]:
    """Return all shapes of a group, in their order."""
    found: list[Shape] = []
    for child in group.children:
        found += [child] if isinstance(child, Shape) else shapes_of(child)
    return found
