"""When to stop: one struct per kind. Breakpoints and the stepping verbs are both conditions.

A face parses them (``conditions_parser``), the engine evaluates them: ``condition.matches(event)``
asks an :class:`~gradrepl.event.Event` that the engine made of an op or a node. ``about`` names the
events that a condition is about by itself, ``judges`` those that it can judge when combined with
another: ``norm > 3`` alone is about gradients, ``op linear and norm > 3`` about an op's outputs.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, ClassVar

import msgspec

from gradrepl.event import Event

OP, NODE, PASS, LINE = "op", "node", "pass", "line"
BOTH = frozenset({OP, NODE})


class Base(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """Answers 'why stop at this event?'."""

    about: ClassVar[frozenset[str]] = BOTH
    judges: ClassVar[frozenset[str]] = BOTH
    when: ClassVar[str] = "after"
    """Which side of an op it looks at; 'any' for both."""
    node_when: ClassVar[str] = "before"
    """Which side of a node it looks at."""
    reads_values: ClassVar[bool] = False
    """Needs the elements of tensors, not only what they are."""

    def matches(self, event: Any) -> bool:
        """Is this event one to stop at?"""
        raise TypeError(f"{type(self).__name__} does not judge events")


# -- kinds of breakpoints ----------------------------------------------------------------------


class Line(Base, frozen=True):
    """Before a line runs; an empty ``file`` is the current one. With ``op``: an op of that line."""

    file: str
    line: int
    about: ClassVar[frozenset[str]] = frozenset({LINE})
    judges: ClassVar[frozenset[str]] = frozenset({LINE, OP})
    when: ClassVar[str] = "before"

    def matches(self, event: Event) -> bool:
        """Is a frame at the line?"""
        return event.at(self.file, self.line)


class InFunction(Base, frozen=True):
    """At the first line of a function of this name. With ``op``: an op inside of it."""

    function: str
    about: ClassVar[frozenset[str]] = frozenset({LINE})
    judges: ClassVar[frozenset[str]] = frozenset({LINE, OP})
    when: ClassVar[str] = "before"

    def matches(self, event: Event) -> bool:
        """Are we in the function?"""
        return event.inside(self.function)


class OpIs(Base, frozen=True):
    """An op whose name matches a pattern."""

    pattern: str
    about: ClassVar[frozenset[str]] = frozenset({OP})
    judges: ClassVar[frozenset[str]] = frozenset({OP})

    def matches(self, event: Event) -> bool:
        """Is the op's name like the pattern?"""
        return event.kind == OP and fnmatchcase(event.name, self.pattern)


class NodeIs(Base, frozen=True):
    """A node whose name matches a pattern; ``AddmmBackward`` means ``AddmmBackward*``."""

    pattern: str
    about: ClassVar[frozenset[str]] = frozenset({NODE})
    judges: ClassVar[frozenset[str]] = frozenset({NODE})

    def matches(self, event: Event) -> bool:
        """Is the node's name like the pattern, with or without its number?"""
        return event.kind == NODE and (
            fnmatchcase(event.name, self.pattern)
            or fnmatchcase(event.name.rstrip("0123456789"), self.pattern)
        )


class InModule(Base, frozen=True):
    """An op or node inside a module: its path, or a pattern; ``encoder`` includes all below."""

    path: str

    def matches(self, event: Event) -> bool:
        """Is the module this one or below it?"""
        module = event.module
        return fnmatchcase(module, self.path) or fnmatchcase(module, self.path + ".*")


class LeafIs(Base, frozen=True):
    """The accumulation into a leaf."""

    name: str
    about: ClassVar[frozenset[str]] = frozenset({NODE})
    judges: ClassVar[frozenset[str]] = frozenset({NODE})

    def matches(self, event: Event) -> bool:
        """Is this the leaf's AccumulateGrad?"""
        leaf = event.leaf()
        return bool(leaf) and fnmatchcase(leaf, self.name)


class Named(Base, frozen=True):
    """A variable's tensor: the op that used it or made it, the node behind it."""

    name: str

    def matches(self, event: Event) -> bool:
        """Is the variable among the labels?"""
        return self.name in event.labels()


class NonFinite(Base, frozen=True):
    """'nan' or 'inf' born here: in what was made, and not in what it was made of."""

    what: str
    when: ClassVar[str] = "after"
    node_when: ClassVar[str] = "any"
    reads_values: ClassVar[bool] = True

    def matches(self, event: Event) -> bool:
        """Was it born here?"""
        return event.born(self.what)


class NormIs(Base, frozen=True):
    """A gradient (or, combined with ``op``, an output) whose L2 norm compares so."""

    limit: float
    below: bool = False
    about: ClassVar[frozenset[str]] = frozenset({NODE})
    reads_values: ClassVar[bool] = True

    def matches(self, event: Event) -> bool:
        """Is any norm beyond the limit? A nan is."""
        if self.below:
            return any(norm < self.limit for norm in event.norms())
        return any(not norm <= self.limit for norm in event.norms())


class NoGradient(Base, frozen=True):
    """At the end of a backward: a parameter got no gradient."""

    about: ClassVar[frozenset[str]] = frozenset({PASS})
    judges: ClassVar[frozenset[str]] = frozenset({PASS})

    def matches(self, event: Event) -> bool:
        """Is any parameter without a gradient?"""
        return event.kind == PASS and bool(event.missing())


class ShapeIs(Base, frozen=True):
    """An output or gradient of this shape; -1 is any size."""

    shape: tuple[int, ...]

    def matches(self, event: Event) -> bool:
        """Has any tensor this shape?"""
        return any(
            len(shape) == len(self.shape)
            and all(want in (-1, size) for want, size in zip(self.shape, shape, strict=True))
            for shape in event.shapes()
        )


class Where(Base, frozen=True):
    """Another condition, where also a Python expression is true."""

    condition: Condition
    expression: str

    def matches(self, event: Event) -> bool:
        """Does the condition hold, and the expression?"""
        return self.condition.matches(event) and event.evaluate(self.expression)


class Both(Base, frozen=True):
    """Two conditions at one event."""

    left: Condition
    right: Condition

    def matches(self, event: Event) -> bool:
        """Do both hold?"""
        return self.left.matches(event) and self.right.matches(event)


class Either(Base, frozen=True):
    """One of two conditions."""

    left: Condition
    right: Condition

    def matches(self, event: Event) -> bool:
        """Does one hold?"""
        return self.left.matches(event) or self.right.matches(event)


Simple = (
    Line | InFunction | OpIs | NodeIs | InModule | LeafIs | Named | NonFinite | NormIs
    | NoGradient | ShapeIs
)  # fmt: skip
Condition = Simple | Where | Both | Either


def events(condition: Condition) -> frozenset[str]:
    """Return the kinds of event that ``condition`` must be asked about."""
    match condition:
        case Where(inner, _):
            return events(inner)
        case Either(left, right):
            return events(left) | events(right)
        case Both(left, right):
            return (events(left) & judged(right)) | (events(right) & judged(left))
    return condition.about


def judged(condition: Condition) -> frozenset[str]:
    """Return the kinds of event that ``condition`` has an opinion on."""
    match condition:
        case Where(inner, _):
            return judged(inner)
        case Either(left, right):
            return judged(left) | judged(right)
        case Both(left, right):
            return judged(left) & judged(right)
    return condition.judges


def sides(condition: Condition, kind: str) -> frozenset[str]:
    """Return 'before', 'after' or both: the sides of a ``kind`` of event to ask at."""
    match condition:
        case Where(inner, _):
            return sides(inner, kind)
        case Both(left, right):
            common = sides(left, kind) & sides(right, kind)
            return common or frozenset({"after"})
        case Either(left, right):
            return sides(left, kind) | sides(right, kind)
    side = condition.node_when if kind == NODE else condition.when
    return frozenset({"before", "after"}) if side == "any" else frozenset({side})


def possible(condition: Base, event: Event) -> bool:
    """Could the condition hold at this node, whatever its gradients will be?

    Asked once for each node before a backward: where the answer is no, there is no hook.
    """
    match condition:
        case Where(inner, _):
            return possible(inner, event)
        case Both(left, right):
            return possible(left, event) and possible(right, event)
        case Either(left, right):
            return possible(left, event) or possible(right, event)
        case NodeIs() | InModule() | LeafIs() | Named():
            return condition.matches(event)
        case Until(number) if number:
            return condition.matches(event)
    return NODE in events(condition)  # type: ignore[arg-type]


# -- verbs: how far to go from a stop ----------------------------------------------------------


class Step(Base, frozen=True):
    """The next op or node, ``count`` times."""

    count: int = 1

    def matches(self, event: Event) -> bool:
        """Any event is a step."""
        return True


class First(Base, frozen=True):
    """Before the very next op, or at the very next node: how a script starts."""

    when: ClassVar[str] = "before"

    def matches(self, event: Event) -> bool:
        """Any event is the first."""
        return True


class FirstNode(Base, frozen=True):
    """The very next node of a backward, whatever ops come before."""

    about: ClassVar[frozenset[str]] = frozenset({NODE})

    def matches(self, event: Event) -> bool:
        """Any node is the first."""
        return event.kind == NODE


class Next(Base, frozen=True):
    """The next that is not inside a child module, and no mere passing on of a gradient."""

    count: int = 1

    def matches(self, event: Event) -> bool:
        """Is it on this level, or above?"""
        return not event.deeper() and not event.trivial()


class Return(Base, frozen=True):
    """The end of the current module's call, or of its part of the backward."""

    def matches(self, event: Event) -> bool:
        """Have we left it?"""
        return event.left_module()


class Until(Base, frozen=True):
    """A later line of this frame (``line`` 0), or at least that line or node."""

    number: int = 0

    def matches(self, event: Event) -> bool:
        """Are we past it?"""
        if event.kind == NODE and self.number:
            return event.number >= self.number
        return event.past_line()


class UntilCondition(Base, frozen=True):
    """Where a condition holds, as a breakpoint used once."""

    condition: Condition

    def matches(self, event: Event) -> bool:
        """Does it hold?"""
        return self.condition.matches(event)


class Into(Base, frozen=True):
    """The first call inside the next op."""

    def matches(self, event: Event) -> bool:
        """The engine opens the next op; its first event inside is the stop."""
        return True


class Finish(Base, frozen=True):
    """After the current node has run, its outgoing gradients known."""

    node_when: ClassVar[str] = "after"
    about: ClassVar[frozenset[str]] = frozenset({NODE})

    def matches(self, event: Event) -> bool:
        """The first node that is done is the one we stood at."""
        return event.kind == NODE


class Continue(Base, frozen=True):
    """No stop but at a breakpoint."""

    about: ClassVar[frozenset[str]] = frozenset()

    def matches(self, event: Event) -> bool:
        """Never."""
        return False


Verb = Step | First | FirstNode | Next | Return | Until | UntilCondition | Into | Finish | Continue
