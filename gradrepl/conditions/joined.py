"""How kinds are joined, and what of plugins' crosses the link: all that a breakpoint can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, Union

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
    Norms,
)
from gradrepl.conditions.kinds import OURS
from gradrepl.event import Event

__all__ = ["Both", "Condition", "Either", "Observed", "Plugged", "Where"]


class Where(Base, frozen=True):
    """A Python expression is true here; it is asked where another condition holds."""

    expression: str
    about = frozenset[str]()
    judges = frozenset({BATCH, LINE, NODE, OP, PASS, WATCH})
    when = node_when = "any"

    def matches(self, event: Event) -> bool:
        """Is it true?"""
        return event.evaluate(self.expression)

    def possible(self, event: Event) -> bool:
        """It may be true anywhere."""
        return True


class Pair(Base, frozen=True):
    """Two conditions."""

    left: Condition
    right: Condition

    def parts(self) -> list[Base]:
        """Return those of both."""
        return self.left.parts() + self.right.parts()

    def in_file(self, file: str) -> Self:
        """Return it with the lines of both meant in ``file``."""
        return type(self)(self.left.in_file(file), self.right.in_file(file))


class Both(Pair, frozen=True):
    """Two conditions at one event."""

    def matches(self, event: Event) -> bool:
        """Do both hold?"""
        return self.left.matches(event) and self.right.matches(event)

    def events(self) -> frozenset[str]:
        """Return what one is about and the other can judge."""
        left, right = self.left, self.right
        return (left.events() & right.judged()) | (right.events() & left.judged())

    def judged(self) -> frozenset[str]:
        """Return what both can judge."""
        return self.left.judged() & self.right.judged()

    def sides(self, kind: str) -> frozenset[str]:
        """Return the sides that both look at, else 'after': everything is known then."""
        return (self.left.sides(kind) & self.right.sides(kind)) or frozenset({"after"})

    def possible(self, event: Event) -> bool:
        """Are both possible?"""
        return self.left.possible(event) and self.right.possible(event)

    def narrows(self) -> bool:
        """Does one say where not?"""
        return self.left.narrows() or self.right.narrows()

    def only_leaves(self) -> bool:
        """Does one hold at leaves only?"""
        return self.left.only_leaves() or self.right.only_leaves()

    def only_roots(self, when: str) -> bool:
        """Does one hold only where a backward begins?"""
        return self.left.only_roots(when) or self.right.only_roots(when)

    def quiet(self) -> Norms:
        """Return the norms at which one cannot hold."""
        return self.right.quiet() if self.left.quiet() == NEVER_QUIET else self.left.quiet()


class Either(Pair, frozen=True):
    """One of two conditions."""

    def matches(self, event: Event) -> bool:
        """Does one hold, of those that are asked at this side of such an event?"""
        return any(part.asked(event) and part.matches(event) for part in (self.left, self.right))

    def events(self) -> frozenset[str]:
        """Return those of both."""
        return self.left.events() | self.right.events()

    def judged(self) -> frozenset[str]:
        """Return those of both."""
        return self.left.judged() | self.right.judged()

    def sides(self, kind: str) -> frozenset[str]:
        """Return those of both."""
        return self.left.sides(kind) | self.right.sides(kind)

    def possible(self, event: Event) -> bool:
        """Is one possible?"""
        return self.left.possible(event) or self.right.possible(event)

    def narrows(self) -> bool:
        """Do both say where not?"""
        return self.left.narrows() and self.right.narrows()

    def only_leaves(self) -> bool:
        """Do both hold at leaves only?"""
        return self.left.only_leaves() and self.right.only_leaves()

    def only_roots(self, when: str) -> bool:
        """Do both hold only where a backward begins?"""
        return self.left.only_roots(when) and self.right.only_roots(when)

    def quiet(self) -> Norms:
        """Return the norms at which neither can hold."""
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
        """Does the plugin say so?"""
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
