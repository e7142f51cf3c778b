"""How kinds are joined, what of plugins' crosses the link, and the stepping verbs.

A verb says how far to go from a stop; it is a condition like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, Union

from gradrepl.conditions.base import (
    BATCH,
    BOTH,
    LINE,
    NEVER_QUIET,
    NODE,
    OP,
    PASS,
    WATCH,
    Base,
    Event,
    Norms,
)
from gradrepl.conditions.kinds import OURS


class Where(Base, frozen=True):
    """A Python expression is true here; it is asked where another condition holds."""

    expression: str
    about = frozenset[str]()
    judges = frozenset({BATCH, LINE, NODE, OP, PASS, WATCH})
    when = node_when = "any"

    def matches(self, event: Event) -> bool:
        return event.evaluate(self.expression)

    def possible(self, event: Event) -> bool:
        return True


class Pair(Base, frozen=True):
    """Two conditions."""

    left: Condition
    right: Condition
    one_rules_out: ClassVar[bool]
    """Is ruled out what one of them rules out, or only what both do?"""

    def parts(self) -> list[Base]:
        return self.left.parts() + self.right.parts()

    def in_file(self, file: str) -> Self:
        """Return it with the lines of both meant in ``file``."""
        return type(self)(self.left.in_file(file), self.right.in_file(file))

    def _ruled_out(self, left: bool, right: bool) -> bool:
        return left or right if self.one_rules_out else left and right

    def narrows(self) -> bool:
        return self._ruled_out(self.left.narrows(), self.right.narrows())

    def only_leaves(self) -> bool:
        return self._ruled_out(self.left.only_leaves(), self.right.only_leaves())

    def only_roots(self, when: str) -> bool:
        return self._ruled_out(self.left.only_roots(when), self.right.only_roots(when))


class Both(Pair, frozen=True):
    """Two conditions at one event."""

    one_rules_out = True

    def matches(self, event: Event) -> bool:
        return self.left.matches(event) and self.right.matches(event)

    def events(self) -> frozenset[str]:
        """Return what one is about and the other can judge."""
        left, right = self.left, self.right
        return (left.events() & right.judged()) | (right.events() & left.judged())

    def judged(self) -> frozenset[str]:
        return self.left.judged() & self.right.judged()

    def sides(self, kind: str) -> frozenset[str]:
        """Return the sides that both look at, else 'after': everything is known then."""
        return (self.left.sides(kind) & self.right.sides(kind)) or frozenset({"after"})

    def possible(self, event: Event) -> bool:
        return self.left.possible(event) and self.right.possible(event)

    def quiet(self) -> Norms:
        return self.right.quiet() if self.left.quiet() == NEVER_QUIET else self.left.quiet()


class Either(Pair, frozen=True):
    """One of two conditions."""

    one_rules_out = False

    def matches(self, event: Event) -> bool:
        """Does one hold, of those that are asked at this side of such an event?"""
        return any(part.asked(event) and part.matches(event) for part in (self.left, self.right))

    def events(self) -> frozenset[str]:
        return self.left.events() | self.right.events()

    def judged(self) -> frozenset[str]:
        return self.left.judged() | self.right.judged()

    def sides(self, kind: str) -> frozenset[str]:
        return self.left.sides(kind) | self.right.sides(kind)

    def possible(self, event: Event) -> bool:
        return self.left.possible(event) or self.right.possible(event)

    def quiet(self) -> Norms:
        (a, b), (c, d) = self.left.quiet(), self.right.quiet()
        return max(a, c), min(b, d)


class Plugged(Base, frozen=True):
    """A kind that a plugin brings, as it crosses the link: the debuggee's half reads ``text``."""

    word: str
    text: str
    about: frozenset[str] = BOTH  # type: ignore[misc]
    judges: frozenset[str] = BOTH  # type: ignore[misc]
    when: str = "after"  # type: ignore[misc]
    node_when: str = "before"  # type: ignore[misc]

    def matches(self, event: Any) -> bool:
        return bool(event.ask_plugin(self.word, self.text))


class Observed(Base, frozen=True):
    """Every event, for plugins that only look; stops at none."""

    def matches(self, event: Any) -> bool:
        """Show the event; there is nothing to stop for."""
        event.show_plugins()
        return False


if TYPE_CHECKING:
    Condition = Base
else:
    Condition = Union[(*OURS, Plugged, Where, Both, Either)]


# -- the stepping verbs -------------------------------------------------------------------------


class Step(Base, frozen=True):
    """The next op or node, ``count`` times."""

    count: int = 1

    def matches(self, event: Event) -> bool:
        return True


class First(Base, frozen=True):
    """Before the very next op, or at the very next node: how a script starts."""

    when = "before"
    why: str = "start"
    """What is said of the stop."""

    def matches(self, event: Event) -> bool:
        return True


class FirstNode(Base, frozen=True):
    """The very next node of a backward, whatever ops come before."""

    about = frozenset({NODE})

    def matches(self, event: Event) -> bool:
        return event.kind == NODE


class Next(Base, frozen=True):
    """The next that is not inside a child module, and no mere passing on of a gradient."""

    count: int = 1

    def matches(self, event: Event) -> bool:
        return not event.deeper() and not event.trivial()


class Return(Base, frozen=True):
    """The end of the current module's call, or of its part of the backward."""

    def matches(self, event: Event) -> bool:
        return event.left_module()


class Until(Base, frozen=True):
    """A later line of this frame (``line`` 0), or at least that line or node."""

    number: int = 0

    def matches(self, event: Event) -> bool:
        if event.kind == NODE and self.number:
            return event.number >= self.number
        return event.past_line()

    def possible(self, event: Event) -> bool:
        """Is the node that far? Of a later line that is not known before."""
        return self.matches(event) if self.number else super().possible(event)


class UntilCondition(Base, frozen=True):
    """Where a condition holds, as a breakpoint used once."""

    condition: Condition

    def matches(self, event: Event) -> bool:
        return self.condition.matches(event)


class Into(Base, frozen=True):
    """The first call inside the next op."""

    def matches(self, event: Event) -> bool:
        """The engine opens the next op; its first event inside is the stop."""
        return True


class Finish(Base, frozen=True):
    """After the current node has run, its outgoing gradients known."""

    node_when = "after"
    about = frozenset({NODE})

    def matches(self, event: Event) -> bool:
        """The first node that is done is the one we stood at."""
        return event.kind == NODE


class Continue(Base, frozen=True):
    """No stop but at a breakpoint."""

    about = frozenset[str]()

    def matches(self, event: Event) -> bool:
        return False


Verb = Step | First | FirstNode | Next | Return | Until | UntilCondition | Into | Finish | Continue
