"""What a condition asks, what it is asked, and what a kind of breakpoint has besides.

``about`` names the events that a kind is about by itself, ``judges`` those that it can judge when
it is joined with another: ``norm > 3`` alone is about gradients, ``op linear and norm > 3`` about
an op's outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import msgspec

OP, NODE, PASS, LINE, WATCH, BATCH = "op", "node", "pass", "line", "watch", "batch"
BOTH = frozenset({OP, NODE})
Norms = tuple[float, float]
"""The smallest and the largest of a range."""
NEVER_QUIET: Norms = (math.inf, -math.inf)


class Event:
    """What can be stopped at: one op, one node, a line, the end of a backward, a batch.

    The engine makes one and fills in what is so; what it does not say is not there.
    """

    kind = ""
    """'op', 'node', 'pass', 'batch'..."""
    when = "after"
    """'before' or 'after' it ran."""
    name = ""
    """'relu', 'AddmmBackward0'."""
    number = 0
    """Id of the op or node."""
    module = ""
    """Module path, or empty."""

    def at(self, file: str, line: int) -> bool:
        """Is a frame of the user's at this line?"""
        return False

    def inside(self, function: str) -> bool:
        """Is this inside of a function of this name, or, of a line, its first?"""
        return False

    def labels(self) -> Sequence[str]:
        """Names that the user knows the op's inputs and outputs, or the node, by."""
        return ()

    def leaf(self) -> str:
        """Name of the leaf that this node accumulates into, or empty."""
        return ""

    def leaf_names(self) -> Sequence[str]:
        """All spellings of it: with and without the variable of its model."""
        return ()

    def module_paths(self) -> Sequence[str]:
        """All spellings of the module path."""
        return (self.module,)

    def shapes(self) -> Sequence[tuple[int, ...]]:
        """Shapes of outputs (op) or gradients (node)."""
        return ()

    def norms(self) -> Sequence[float]:
        """L2 norms of outputs or gradients."""
        return ()

    def born(self, what: str) -> bool:
        """Does 'nan' or 'inf' show in what it made and not in what it was made of?"""
        return False

    def missing(self) -> Sequence[str]:
        """At the end of a pass: parameters that got no gradient."""
        return ()

    def verdicts(self) -> Sequence[str]:
        """At the end of a watched backward: the verdicts that parameters have got by it."""
        return ()

    def indices(self) -> Sequence[str]:
        """Of a batch: the dataset indices in it, as they are written in Python."""
        return ()

    def targets(self) -> Sequence[str]:
        """Of a batch: the labels in it."""
        return ()

    def extra(self) -> dict[str, Any]:
        """Return the names that typed code has here besides the user's: ``out``, ``grad_in``..."""
        return {}

    def evaluate(self, expression: str) -> bool:
        """Truth of a Python expression at this event."""
        return False

    def deeper(self) -> bool:
        """Is this in a child call (module, or a call inside an op) of where we stood?"""
        return False

    def trivial(self) -> bool:
        """AccumulateGrad, or a node of a view: it only passes a gradient on."""
        return False

    def left_module(self) -> bool:
        """Has the module call in which we stood come to its end?"""
        return True

    def past_line(self) -> bool:
        """Is this a later line of the frame in which we stood, or has it returned?"""
        return True


class Base(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """Answers 'why stop at this event?'."""

    about: ClassVar[frozenset[str]] = BOTH
    judges: ClassVar[frozenset[str]] = BOTH
    when: ClassVar[str] = "after"
    """Which side of an op it looks at; 'any' for both."""
    node_when: ClassVar[str] = "before"
    """Which side of a node it looks at."""
    known: ClassVar[bool] = False
    """Is its answer at a node known before the backward, whatever the gradients will be?"""

    def matches(self, event: Any) -> bool:
        """Is this event one to stop at?"""
        raise TypeError(f"{type(self).__name__} does not judge events")

    def events(self) -> frozenset[str]:
        """Return the kinds of event that it must be asked about."""
        return self.about

    def judged(self) -> frozenset[str]:
        """Return the kinds of event that it has an opinion on."""
        return self.judges

    def sides(self, kind: str) -> frozenset[str]:
        """Return 'before', 'after' or both: the sides of a ``kind`` of event to ask at."""
        side = self.node_when if kind == NODE else self.when
        return frozenset({"before", "after"}) if side == "any" else frozenset({side})

    def asked(self, event: Event) -> bool:
        """Is this an event, and the side of it, that it must be asked about?"""
        return event.kind in self.events() and (
            event.kind == PASS or event.when in self.sides(event.kind)
        )

    def possible(self, event: Event) -> bool:
        """Could it hold at this node, whatever its gradients will be?

        Asked once for each node before a backward: where the answer is no, there is no hook.
        """
        return self.matches(event) if self.known else NODE in self.events()

    def narrows(self) -> bool:
        """Are there nodes at which it is known beforehand not to hold?"""
        return self.known or NODE not in self.events()

    def only_leaves(self) -> bool:
        """Can it hold at leaves only?"""
        return False

    def only_roots(self, when: str) -> bool:
        """Can it hold at this side of nodes only where a backward begins?"""
        return False

    def quiet(self) -> Norms:
        """Return the norms at which it cannot hold at a node, if those of all gradients are such.

        A hook asks it only beyond them: what it waits for costs no more than a comparison.
        """
        return NEVER_QUIET

    def parts(self) -> list[Base]:
        """Return the simple conditions that it is made of."""
        return [self]

    def in_file(self, file: str) -> Self:
        """Return it with its bare line numbers meant in ``file``."""
        return self


class Kind(Base, frozen=True):
    """A kind of breakpoint: ``b WORD TEXT`` is ``read(TEXT)``.

    >>> class Early(Kind, frozen=True):
    ...     word, usage = "early", "early N"
    ...     help = "b early 3: after each of the first 3 ops."
    ...     about = judges = frozenset({"op"})
    ...     number: int
    ...
    ...     def matches(self, event):
    ...         return event.number <= self.number
    >>> Early.read("3")
    Early(number=3)
    """

    word: ClassVar[str] = ""
    """What is typed first; of a place, which begins with no word, what the help calls it."""
    also: ClassVar[tuple[str, ...]] = ()
    """Other spellings of the word."""
    usage: ClassVar[str] = ""
    """How it is written, after ``b``."""
    help: ClassVar[str] = ""
    """An example, and where it stops."""
    form: ClassVar[str] = "text"
    """What ``read`` takes: 'text' after the word, 'optional' text, 'name': text without a blank,
    'word': the word alone, or 'place': all that is typed."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the condition that ``text`` spells: its first field, unless that is overridden.

        Raises:
            ConditionError: it spells none. Of any other error the usage is the hint.
        """
        fields = msgspec.structs.fields(cls)
        given = [msgspec.convert(text, fields[0].type, strict=False)] if text and fields else []
        return cls(*given)
