"""Pictures: boxes do not overlap, frames hold what is theirs, and every edge can be followed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from export_samples import graph, nodes
from hypothesis import given, settings
from hypothesis import strategies as st

from gradrepl.errors import StateError
from gradrepl_drawings.folding import Group, Shape, drawn, shapes_of
from gradrepl_drawings.layout import Plan, plan

PATHS = ("", "a", "a.b", "a.b.c", "d", "d.e", "Net")
Rect = tuple[float, float, float, float]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[int, ...]], list[str]]:
    """Return the edges of a graph whose order is 1, 2, 3..., and the modules of its nodes."""
    size = draw(st.integers(1, 24))
    edges = []
    for number in range(1, size + 1):
        later = st.integers(number + 1, size)
        edges.append(tuple(draw(st.lists(later, max_size=3))) if number < size else ())
    paths = [draw(st.sampled_from(PATHS)) for _ in range(size)]
    return edges, sorted(paths) if draw(st.booleans()) else paths


def rects(
    whole: Plan, x: float = 0.0, y: float = 0.0
) -> Iterator[tuple[object, Rect, tuple[Plan, Rect]]]:
    """Yield (what, its box, its group with its box), in one system of coordinates."""
    around = (x, y, x + whole.width, y + whole.height)
    for box in whole.boxes:
        left, top = x + box.x - box.width / 2, y + box.y
        mine = (left, top, left + box.width, top + box.height)
        yield box.shape or box.inner, mine, (whole, around)
        if box.inner is not None:
            yield from rects(box.inner, left, top)


def pieces(whole: Plan, x: float = 0.0, y: float = 0.0) -> Iterator[tuple[int, Rect]]:
    """Yield (target, piece of a line)."""
    for line in whole.lines:
        for x1, y1, x2, y2 in line.pieces:
            yield line.target, (x + x1, y + y1, x + x2, y + y2)
    for box in whole.boxes:
        if box.inner is not None:
            yield from pieces(box.inner, x + box.x - box.width / 2, y + box.y)


def apart(one: Rect, other: Rect) -> bool:
    return (
        one[2] <= other[0] + 0.01 or other[2] <= one[0] + 0.01
        or one[3] <= other[1] + 0.01 or other[3] <= one[1] + 0.01
    )  # fmt: skip


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_nothing_overlaps_and_every_edge_can_be_followed(found):
    edges, modules = found
    group, note = drawn(graph(nodes(edges, module=modules), kinds=(("Net", "Net"),)), 100, "x")
    assert note == ""
    whole = plan(group, lambda shape: (40.0 + 9 * (shape.node.id % 5), 20.0))
    placed = list(rects(whole))
    for what, box, (_, around) in placed:
        assert box[0] >= around[0] - 0.01, what
        assert box[1] >= around[1] - 0.01
        assert box[2] <= around[2] + 0.01
        assert box[3] <= around[3] + 0.01
    for at, (one, box, (inside, _)) in enumerate(placed):
        for other, another, (also, _) in placed[at + 1 :]:
            assert inside is not also or apart(box, another), (one, other)
    ways: dict[int, list[Rect]] = {}
    for target, piece in pieces(whole):
        assert piece[3] >= piece[1] - 0.01  # downwards
        ways.setdefault(target, []).append(piece)
    boxes = {what.node.id: box for what, box, _ in placed if isinstance(what, Shape)}
    reached = {
        (number, target)
        for number, to in enumerate(edges, 1)
        for target in to
        if follows(ways.get(target, []), boxes[number], boxes[target])
    }
    assert reached == {(number, target) for number, to in enumerate(edges, 1) for target in to}
    assert set(ways) == {target for to in edges for target in to}


def follows(way: list[Rect], source: Rect, target: Rect) -> bool:
    """Lead these pieces from the lower edge of one box to the upper edge of another?"""
    start = (source[0] + source[2]) / 2, source[3]
    goal = (target[0] + target[2]) / 2, target[1]
    todo, seen = [start], {start}
    for x, y in todo:
        if abs(x - goal[0]) < 0.1 and abs(y - goal[1]) < 0.1:
            return True
        for x1, y1, x2, y2 in way:
            if abs(x - x1) < 0.1 and abs(y - y1) < 0.1 and (x2, y2) not in seen:
                seen.add((x2, y2))
                todo.append((x2, y2))
    return False


@given(graphs(), st.integers(1, 24))
@settings(max_examples=150, deadline=None)
def test_folding_keeps_the_edges_between_what_it_takes_together(found, most):
    edges, modules = found
    taken = graph(nodes(edges, module=modules), kinds=(("Net", "Net"),))
    try:
        group, note = drawn(taken, most, "a picture")
    except StateError as error:
        said = str(error)
        assert len(edges) > most
        assert said.startswith(f"{len(edges)} nodes are too many for a picture")
        return
    shapes = shapes_of(group)
    assert len(shapes) <= max(most, 1)
    assert sum(shape.count for shape in shapes) == len(edges)
    assert bool(note) == (len(edges) > most)
    home: dict[int, int] = {}
    number = 0
    for shape in shapes:  # a folded one stands for nodes that follow each other
        assert shape.node.id == number + 1
        home |= dict.fromkeys(range(number + 1, number + 1 + shape.count), shape.node.id)
        number += shape.count
    wanted: dict[tuple[int, int], int] = {}
    for number, to in enumerate(edges, 1):
        for target in to:
            pair = home[number], home[target]
            if pair[0] != pair[1]:
                wanted[pair] = wanted.get(pair, 0) + 1
    assert {(s.node.id, to): n for s in shapes for to, n in s.to.items()} == wanted
    assert all(one < other for one, other in wanted)  # no cycle


def test_groups_are_the_calls_of_modules():
    modules = ["", "a.x", "a.x", "a.y", "b", "a.x", "Net", ""]
    edges = [(number + 1,) for number in range(1, 8)] + [()]
    group, _ = drawn(graph(nodes(edges, module=modules), kinds=(("Net", "Net"),)), 99, "x")

    def tree(group: Group) -> list[object]:
        return [
            child.node.id if isinstance(child, Shape) else [child.path, *tree(child)]
            for child in group.children
        ]

    assert tree(group) == [1, ["a", ["a.x", 2, 3], 4], 5, 6, 7, 8]


def test_without_recorded_ops_nothing_is_framed_or_folded():
    found = graph(nodes([(2,), (3,), ()], module=("", "a", "a")), recorded=False)
    group, _ = drawn(found, 3, "x")
    assert all(isinstance(child, Shape) for child in group.children)
    with pytest.raises(StateError, match="no recorded ops that tell their modules") as refused:
        drawn(found, 2, "svg")
    assert "':record on'" in refused.value.hint


def test_many_modules_side_by_side_are_taken_in_ranges():
    edges = [(number + 1,) for number in range(1, 100)] + [()]
    modules = [f"{number // 4}" for number in range(100)]
    group, note = drawn(graph(nodes(edges, module=modules)), 10, "x")
    labels = [shape.node.label for shape in shapes_of(group)]
    assert labels == ["0 … 2", "3 … 5", "6 … 8", "9 … 11", "12 … 14", "15 … 17", "18 … 20",
                      "21 … 23", "24"]  # fmt: skip
    assert note == "folded by module: 100 nodes in 9 boxes"


def test_a_shared_leaf_has_one_way_to_it():
    size = 300
    edges = [(number + 1, size) for number in range(1, size - 1)] + [(size,), ()]
    whole = plan(drawn(graph(nodes(edges)), 999, "x")[0], lambda shape: (40.0, 20.0))
    lines = {line.target: line for line in whole.lines}
    assert len(lines[size].pieces) < 3 * size  # and not a way of its own from each of them
