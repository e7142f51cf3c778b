"""The stepping verbs: how far to go from a stop. Each is a condition like any other."""

from __future__ import annotations

from gradrepl.conditions.base import NODE, Base
from gradrepl.conditions.joined import Condition
from gradrepl.event import Event


class Step(Base, frozen=True):
    """The next op or node, ``count`` times."""

    count: int = 1

    def matches(self, event: Event) -> bool:
        """Any event is a step."""
        return True


class First(Base, frozen=True):
    """Before the very next op, or at the very next node: how a script starts."""

    when = "before"
    why: str = "start"
    """What is said of the stop."""

    def matches(self, event: Event) -> bool:
        """Any event is the first."""
        return True


class FirstNode(Base, frozen=True):
    """The very next node of a backward, whatever ops come before."""

    about = frozenset({NODE})

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

    def possible(self, event: Event) -> bool:
        """Is the node that far? Of a later line that is not known before."""
        return self.matches(event) if self.number else super().possible(event)


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

    node_when = "after"
    about = frozenset({NODE})

    def matches(self, event: Event) -> bool:
        """The first node that is done is the one we stood at."""
        return event.kind == NODE


class Continue(Base, frozen=True):
    """No stop but at a breakpoint."""

    about = frozenset[str]()

    def matches(self, event: Event) -> bool:
        """Never."""
        return False


Verb = Step | First | FirstNode | Next | Return | Until | UntilCondition | Into | Finish | Continue
