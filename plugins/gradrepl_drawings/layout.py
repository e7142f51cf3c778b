"""Where the boxes of a picture lie, and which way its lines go.

Each group is laid out by itself, from the inside outwards: its children in layers, the targets of
a gradient below its source, so that groups never overlap. A line into or out of a group goes
through a port on its edge. All lines of a group that lead to one node share one way, as the lanes
beside a list do: through every layer that they pass they have a place of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gradrepl_drawings.folding import Group, Shape

GAP_X, GAP_Y, PADDING, TITLE = 18.0, 26.0, 12.0, 18.0
LANE = 10.0
SWEEPS = 4
FAR = 60_000
"""Places of lines in one group; beyond that, lines that pass many layers go straight."""

Size = Callable[[Shape], tuple[float, float]]


@dataclass(eq=False)
class Box:
    """A child of a group, or a place that a line passes through, in one layer."""

    width: float
    height: float
    shape: Shape | None = None
    inner: Plan | None = None
    target: int = 0
    """Of a line's place: the id of the node that it leads to."""
    x: float = 0.0
    """Of its middle, measured from the left edge of its group."""
    y: float = 0.0
    """Of its upper edge."""
    up: list[tuple[Box, float, float]] = field(default_factory=list)
    """Boxes of layers above with a line to here: how far from their middles it begins, and how
    far from the middle of this box it ends."""
    down: list[tuple[Box, float, float]] = field(default_factory=list)

    def enters(self, target: int) -> float:
        """Return how far from the middle a line to ``target`` comes in."""
        return 0.0 if self.inner is None else self.inner.ports_in[target] - self.width / 2

    def leaves(self, target: int) -> float:
        """Return how far from the middle a line to ``target`` goes out."""
        return 0.0 if self.inner is None else self.inner.ports_out[target] - self.width / 2


@dataclass(eq=False)
class Line:
    """The lines of one group that lead to one node: pieces from a point to the next."""

    target: int
    pieces: list[tuple[float, float, float, float]]
    ends: bool
    """Does it end at the node itself, and not at the edge of the group?"""
    counts: list[tuple[float, float, int]]
    """(x, y, how many) where several edges lead from one node to another."""


@dataclass(eq=False)
class Plan:
    """A group laid out: its boxes and lines, measured from its upper left corner."""

    group: Group
    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    ports_in: dict[int, float] = field(default_factory=dict)
    ports_out: dict[int, float] = field(default_factory=dict)


def plan(group: Group, size: Size) -> Plan:
    """Lay out a whole graph; ``size`` gives width and height of a shape."""
    arriving: dict[int, list[Shape]] = {}
    _index(group, arriving)
    return _Layout(group, size, arriving).plan


def _index(group: Group, arriving: dict[int, list[Shape]]) -> None:
    for child in group.children:
        if isinstance(child, Group):
            _index(child, arriving)
        else:
            for target in child.to:
                arriving.setdefault(target, []).append(child)


class _Layout:
    """Lays out one group."""

    def __init__(self, group: Group, size: Size, arriving: dict[int, list[Shape]]) -> None:
        self.plan = Plan(group)
        self.inside: dict[int, Box] = {}
        """By id of a shape in here: the child that it is, or is in."""
        self.sources: dict[int, dict[int, Box]] = {}
        """By id of a target: the children that lines to it come from."""
        self.counted: dict[tuple[int, int], int] = {}
        self.whole = not group.path
        for child in group.children:
            self._add(child, size, arriving)
        self._entries = [t for t in self.inside if self._comes_from_outside(t, arriving)]
        self._layers()
        for sweep in range(SWEEPS):
            self._sort(downwards=sweep % 2 == 0)
        for sweep in range(SWEEPS):
            self._place(downwards=sweep % 2 == 1)
        self._heights()
        self._draw()

    def _add(self, child: Shape | Group, size: Size, arriving: dict[int, list[Shape]]) -> None:
        if isinstance(child, Shape):
            width, height = size(child)
            box = Box(width, height, shape=child)
            self.inside[child.node.id] = box
            for target, count in child.to.items():
                self.sources.setdefault(target, {})[id(box)] = box
                if count > 1:
                    self.counted[id(box), target] = count
        else:
            layout = _Layout(child, size, arriving)
            inner = layout.plan
            box = Box(inner.width, inner.height, inner=inner)
            self.inside |= dict.fromkeys(layout.inside, box)
            for target in inner.ports_out:
                self.sources.setdefault(target, {})[id(box)] = box
        self.plan.boxes.append(box)

    def _comes_from_outside(self, target: int, arriving: dict[int, list[Shape]]) -> bool:
        return any(source.node.id not in self.inside for source in arriving.get(target, ()))

    # -- layers --------------------------------------------------------------------------------

    def _layers(self) -> None:
        """Give each child its layer, and each line a place in the layers that it passes."""
        rank = dict.fromkeys(map(id, self.plan.boxes), 1)
        goals = self._goals()
        for box in self.plan.boxes:  # a source stands before its targets
            for goal in goals.get(id(box), ()):
                rank[id(goal)] = max(rank[id(goal)], rank[id(box)] + 1)
        self.last = max(rank.values(), default=0) + 1
        self.layers: list[list[Box]] = [[] for _ in range(self.last + 1)]
        self.rank = rank
        for box in self.plan.boxes:
            self.layers[rank[id(box)]].append(box)
        self.entry: dict[int, Box] = {}
        for target in self._entries:
            self.entry[target] = self._lane(target, 0)
        self.exits = [t for t in self.sources if t not in self.inside]
        self.exit = {target: self._lane(target, self.last) for target in self.exits}
        self._ways()

    def _goals(self) -> dict[int, list[Box]]:
        """Return for each box those that its lines lead to."""
        goals: dict[int, list[Box]] = {}
        for target, sources in self.sources.items():
            goal = self.inside.get(target)
            for source in sources.values():
                if goal is not None and goal is not source:
                    goals.setdefault(id(source), []).append(goal)
        return goals

    def _lane(self, target: int, layer: int) -> Box:
        box = Box(LANE, 0.0, target=target)
        self.rank[id(box)] = layer
        self.layers[layer].append(box)
        return box

    def _ways(self) -> None:
        """Lead every line through the layers between its ends."""
        self.ways: list[tuple[int, list[tuple[Box, Box]]]] = []
        room = FAR
        for target in dict.fromkeys([*self.sources, *self.entry]):
            goal = self.inside.get(target) or self.exit[target]
            sources = [s for s in self.sources.get(target, {}).values() if s is not goal]
            if target in self.entry:
                sources.append(self.entry[target])
            if not sources:
                continue
            low = min(self.rank[id(source)] for source in sources) + 1
            high = self.rank[id(goal)]
            lanes: dict[int, Box] = {}
            if high - low <= room:
                lanes = {layer: self._lane(target, layer) for layer in range(low, high)}
                room -= len(lanes)
            pieces = [(s, lanes.get(self.rank[id(s)] + 1, goal)) for s in sources]
            pieces += [(box, lanes.get(layer + 1, goal)) for layer, box in lanes.items()]
            _join(target, pieces)
            self.ways.append((target, pieces))

    # -- order and places ----------------------------------------------------------------------

    def _sort(self, downwards: bool) -> None:
        """Order each layer by where the lines of the layer before come from."""
        order: dict[int, float] = {}
        layers = self.layers if downwards else self.layers[::-1]
        for layer in layers:
            if order:
                before = {id(box): place for place, box in enumerate(layer)}
                keys = {}
                for box in layer:
                    seen = [
                        order[id(other)] + shift / 10_000
                        for other, shift, _ in (box.up if downwards else box.down)
                        if id(other) in order
                    ]
                    keys[id(box)] = sum(seen) / len(seen) if seen else before[id(box)]
                layer.sort(key=lambda box: keys[id(box)])
            size = max(1, len(layer))
            middle = (size - 1) / 2
            order |= {id(box): place - middle for place, box in enumerate(layer)}

    def _place(self, downwards: bool) -> None:
        """Move the boxes of each layer to where their lines want them, without overlapping."""
        for layer in self.layers if downwards else self.layers[::-1]:
            wanted, weights = [], []
            for box in layer:
                near = box.up if downwards else box.down
                seen = [other.x + shift - own for other, shift, own in near]
                wanted.append(sum(seen) / len(seen) if seen else box.x)
                weights.append((4.0 if box.target else 1.0) if seen else 0.2)
            for box, x in zip(layer, _apart(layer, wanted, weights), strict=True):
                box.x = x

    def _heights(self) -> None:
        """Give each layer its height, then measure everything from the upper left corner."""
        plan = self.plan
        padding, y, wide = 0.0, 0.0, 0.0
        if not self.whole:
            padding, y, wide = PADDING, TITLE, title_width(plan.group) + 2 * PADDING
        boxes = [box for layer in self.layers for box in layer]
        left = min((box.x - box.width / 2 for box in boxes), default=0.0)
        right = max((box.x + box.width / 2 for box in boxes), default=0.0)
        plan.width = right - left + 2 * padding
        shift = padding - left + max(0.0, wide - plan.width) / 2
        plan.width = max(plan.width, wide)
        self.tops: list[tuple[float, float]] = []
        for number, layer in enumerate(self.layers):
            height = max((box.height for box in layer), default=0.0)
            for box in layer:
                box.x += shift
                box.y = y
            self.tops.append((y, y + height))
            edge = number == 0 or number >= self.last - 1
            y += height + (padding if edge else GAP_Y)
        plan.height = y - padding

    # -- lines ---------------------------------------------------------------------------------

    def _draw(self) -> None:
        plan = self.plan
        plan.ports_in = {target: box.x for target, box in self.entry.items()}
        plan.ports_out = {target: box.x for target, box in self.exit.items()}
        for target, pieces in self.ways:
            found, counts = [], []
            for upper, lower in pieces:
                x1, y1 = upper.x + upper.leaves(target), self._bottom(upper)
                x2, y2 = lower.x + lower.enters(target), self._top(lower)
                if upper.target:
                    found.append((x1, self._top(upper), x1, y1))
                found.append((x1, y1, x2, y2))
                count = self.counted.get((id(upper), target))
                if count:
                    counts.append((x1, y1, count))
            goal = self.inside.get(target)
            if goal is None:
                end = self.exit[target]
                found.append((end.x, self._top(end), end.x, plan.height))
            ends = goal is not None and goal.shape is not None
            plan.lines.append(Line(target, found, ends, counts))

    def _top(self, box: Box) -> float:
        """Return where lines to the box end."""
        layer = self.rank[id(box)]
        return 0.0 if layer == 0 else box.y if not box.target else self.tops[layer][0]

    def _bottom(self, box: Box) -> float:
        return self.tops[self.rank[id(box)]][1] if box.target else box.y + box.height


def title_width(group: Group) -> float:
    """Return the room that the title of a group needs."""
    return 6.4 * len(title(group))


def title(group: Group) -> str:
    """Return 'fc1 (Linear)'."""
    return f"{group.path} ({group.kind})" if group.kind else group.path


def _apart(layer: list[Box], wanted: Iterable[float], weights: list[float]) -> list[float]:
    """Return places as near to the wanted ones as the widths of the boxes allow, in their order.

    The sum of the weighted squares of the distances is least: neighbours that would overlap are
    pooled into blocks, as in isotonic regression.
    """
    offsets, offset = [], 0.0
    for place, box in enumerate(layer):
        if place:
            before = layer[place - 1]
            gap = LANE if box.target and before.target else GAP_X
            offset += before.width / 2 + gap + box.width / 2
        offsets.append(offset)
    blocks: list[tuple[float, float, int]] = []
    """(sum of the weighted goals, sum of the weights, boxes)"""
    for goal, shift, weight in zip(wanted, offsets, weights, strict=True):
        block = ((goal - shift) * weight, weight, 1)
        while blocks and blocks[-1][0] / blocks[-1][1] >= block[0] / block[1]:
            total, known, count = blocks.pop()
            block = (block[0] + total, block[1] + known, block[2] + count)
        blocks.append(block)
    found: list[float] = []
    for total, weight, count in blocks:
        for _ in range(count):
            found.append(total / weight + offsets[len(found)])
    return found


def _join(target: int, pieces: list[tuple[Box, Box]]) -> None:
    """Tell the boxes at both ends of each piece of a line of one another."""
    for upper, lower in pieces:
        out, into = upper.leaves(target), lower.enters(target)
        upper.down.append((lower, into, out))
        lower.up.append((upper, out, into))
