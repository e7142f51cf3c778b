"""The kinds of condition: one struct each, and how they are joined."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, ClassVar

import msgspec

from gradrepl.event import Event
from gradrepl.model.health import PROBLEMS

OP, NODE, PASS, LINE, WATCH = "op", "node", "pass", "line", "watch"
BATCH = "batch"
BOTH = frozenset({OP, NODE})
BAD = "bad"
"""Any verdict that something is wrong."""


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
        return any(
            fnmatchcase(module, self.path) or fnmatchcase(module, self.path + ".*")
            for module in event.module_paths()
        )


class LeafIs(Base, frozen=True):
    """The accumulation into a leaf."""

    name: str
    about: ClassVar[frozenset[str]] = frozenset({NODE})
    judges: ClassVar[frozenset[str]] = frozenset({NODE})

    def matches(self, event: Event) -> bool:
        """Is this the leaf's AccumulateGrad?"""
        return any(fnmatchcase(leaf, self.name) for leaf in event.leaf_names())


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


class VerdictIs(Base, frozen=True):
    """At the end of a backward: a parameter has got this verdict, or with ``bad`` a bad one."""

    word: str
    about: ClassVar[frozenset[str]] = frozenset({WATCH})
    judges: ClassVar[frozenset[str]] = frozenset({WATCH, PASS})

    def matches(self, event: Event) -> bool:
        """Is it among the new verdicts?"""
        wanted = PROBLEMS if self.word == BAD else (self.word,)
        return any(word in wanted for word in event.verdicts())


class BatchIs(Base, frozen=True):
    """A DataLoader has handed over batch ``number`` of an epoch, counted from 0."""

    number: int
    about: ClassVar[frozenset[str]] = frozenset({BATCH})
    judges: ClassVar[frozenset[str]] = frozenset({BATCH})

    def matches(self, event: Event) -> bool:
        """Is it this batch?"""
        return event.kind == BATCH and event.number == self.number


class IndexIs(Base, frozen=True):
    """A DataLoader has handed over a batch with this dataset index in it."""

    index: str
    about: ClassVar[frozenset[str]] = frozenset({BATCH})
    judges: ClassVar[frozenset[str]] = frozenset({BATCH})

    def matches(self, event: Event) -> bool:
        """Is the index in the batch?"""
        return event.kind == BATCH and self.index in event.indices()


class LabelIs(Base, frozen=True):
    """A DataLoader has handed over a batch with a sample of this label in it."""

    label: str
    about: ClassVar[frozenset[str]] = frozenset({BATCH})
    judges: ClassVar[frozenset[str]] = frozenset({BATCH})
    reads_values: ClassVar[bool] = True

    def matches(self, event: Event) -> bool:
        """Is the label in the batch?"""
        return event.kind == BATCH and self.label in event.targets()


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


class Plugged(Base, frozen=True):
    """A kind that a plugin brings: ``word`` names it, ``text`` is what follows the word."""

    word: str
    text: str
    about: frozenset[str] = BOTH  # type: ignore[misc]
    judges: frozenset[str] = BOTH  # type: ignore[misc]
    when: str = "after"  # type: ignore[misc]
    node_when: str = "before"  # type: ignore[misc]
    reads_values: ClassVar[bool] = True

    def matches(self, event: Any) -> bool:
        """Does the plugin say so?"""
        return bool(event.ask_plugin(self.word, self.text))


class Observed(Base, frozen=True):
    """Every event, for plugins that only look; stops at none."""

    about: ClassVar[frozenset[str]] = BOTH
    judges: ClassVar[frozenset[str]] = BOTH

    def matches(self, event: Any) -> bool:
        """Show the event; there is nothing to stop for."""
        event.show_plugins()
        return False


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
        """Does one hold, of those that are asked at this side of such an event?"""
        from gradrepl.conditions.asking import asked

        return any(asked(part, event) and part.matches(event) for part in (self.left, self.right))


Simple = (
    Line | InFunction | OpIs | NodeIs | InModule | LeafIs | Named | NonFinite | NormIs
    | NoGradient | ShapeIs | VerdictIs | BatchIs | IndexIs | LabelIs | Plugged
)  # fmt: skip
Condition = Simple | Where | Both | Either
