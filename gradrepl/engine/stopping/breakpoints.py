"""What is armed: the verb that was given at the last stop, and the breakpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

import msgspec

from gradrepl import conditions as c
from gradrepl.errors import UsageError
from gradrepl.model import BreakpointInfo, Breakpoints


@dataclass
class Anchor:
    """Where we stood when a verb was given: what 'deeper' and 'left' are measured from."""

    phase: str = ""
    frame: FrameType | None = None
    module_frames: Sequence[FrameType] = ()
    module: str = ""
    depth: int = 0
    number: int = 0
    """A line given to ``until``; 0 for any later one."""
    fetch: FrameType | None = None
    """The call inside which a DataLoader made a batch there."""

    def __post_init__(self) -> None:
        self.line = self.frame.f_lineno if self.frame else 0


class Breakpoint(msgspec.Struct):
    """A condition that stays, and what has become of it."""

    id: int
    condition: c.Condition
    text: str
    temporary: bool = False
    enabled: bool = True
    ignore: int = 0
    hits: int = 0
    commands: tuple[str, ...] = ()

    def record(self) -> BreakpointInfo:
        """Return what a client may know."""
        return msgspec.convert(self, BreakpointInfo, from_attributes=True)


class Hit(msgspec.Struct, frozen=True):
    """Why to stop, and at which breakpoints."""

    reason: str
    breakpoints: tuple[int, ...] = ()


class Armed:
    """Answers 'why stop at this event?' from the verb and the breakpoints."""

    def __init__(self) -> None:
        self.verb: c.Verb = c.Continue()
        self.anchor = Anchor()
        self.breakpoints: dict[int, Breakpoint] = {}
        self.always: tuple[c.Observed, ...] = ()
        """Asked about everything, for plugins that look on; they stop at nothing."""
        self._left = 0
        self._last = 0

    # -- the verb ----------------------------------------------------------------------------

    def go(self, verb: c.Verb, anchor: Anchor) -> None:
        """Take ``verb`` as the way to go on from ``anchor``."""
        self.verb, self.anchor = verb, anchor
        self._left = getattr(verb, "count", 1)

    def rest(self) -> None:
        """Forget the verb: we stopped, or what it was given for is over."""
        self.go(c.Continue(), Anchor())

    def _active(self) -> list[c.Base]:
        conditions = [each.condition for each in self.breakpoints.values() if each.enabled]
        return [*conditions, *self.always, _inner(self.verb)]

    def wants(self, kind: str) -> bool:
        """Must anything be asked about events of this kind?"""
        return any(kind in each.events() for each in self._active())

    def judges_gradients(self) -> bool:
        """Does anything wait for a verdict on a gradient?"""
        parts = (part for each in self._active() for part in each.parts())
        return any(c.WATCH in part.about for part in parts)

    def asking(self, kind: str, when: str) -> list[c.Base]:
        """Return the conditions that must be asked at this side of events of this kind."""
        return [
            each for each in self._active() if kind in each.events() and when in each.sides(kind)
        ]

    def batches(self) -> frozenset[int] | None:
        """Return the numbers of the only batches that need be asked about; None: all of them."""
        asking = [each for each in self._active() if c.BATCH in each.events()]
        numbers = [each.number for each in asking if isinstance(each, c.BatchIs)]
        return frozenset(numbers) if len(numbers) == len(asking) else None

    def lines(self) -> tuple[list[c.Line], frozenset[str]]:
        """Return the lines and the functions that must be watched."""
        watched = [each for each in self._active() if c.LINE in each.events()]
        parts = [part for each in watched for part in each.parts()]
        return (
            [part for part in parts if isinstance(part, c.Line)],
            frozenset(part.function for part in parts if isinstance(part, c.InFunction)),
        )

    def why(self, event: c.Event) -> Hit | None:
        """Return why to stop at ``event``, or None to go on."""
        for look in self.always:
            if look.asked(event):
                look.matches(event)
        hits = [each for each in list(self.breakpoints.values()) if self._hit(each, event)]
        stepped = self._stepped(event)
        if not hits and not stepped:
            return None
        for each in hits:
            if each.temporary:
                del self.breakpoints[each.id]
        words = [f"breakpoint {each.id}: {each.text}" for each in hits]
        if stepped:
            words.append(_name(self.verb))
        return Hit(", ".join(words), tuple(each.id for each in hits))

    def _stepped(self, event: c.Event) -> bool:
        verb = _inner(self.verb)
        if not verb.asked(event) or not verb.matches(event):
            return False
        self._left -= 1
        return self._left <= 0

    def _hit(self, each: Breakpoint, event: c.Event) -> bool:
        if not each.enabled or not each.condition.asked(event):
            return False
        if not each.condition.matches(event):
            return False
        each.hits += 1
        if each.ignore:
            each.ignore -= 1
            return False
        return True

    # -- breakpoints -------------------------------------------------------------------------

    def add(self, condition: c.Condition, text: str, temporary: bool) -> BreakpointInfo:
        """Set a breakpoint."""
        self._last += 1
        self.breakpoints[self._last] = Breakpoint(self._last, condition, text, temporary)
        return self.breakpoints[self._last].record()

    def list(self) -> Breakpoints:
        """Return all breakpoints."""
        return Breakpoints(rows=tuple(each.record() for each in self.breakpoints.values()))

    def change(
        self, number: int, action: str, count: int, text: str, commands: tuple[str, ...]
    ) -> BreakpointInfo | Breakpoints:
        """Change one breakpoint, or with ``number`` 0 all of them.

        Raises:
            UsageError: there is no such breakpoint.
            ConditionError: ``text`` is no condition.
        """
        if number and number not in self.breakpoints:
            known = ", ".join(map(str, self.breakpoints)) or "none"
            raise UsageError(
                f"there is no breakpoint {number}.", f"':breakpoints' lists them: {known}."
            )
        chosen = [self.breakpoints[number]] if number else list(self.breakpoints.values())
        for each in chosen:
            self._change(each, action, count, text, commands)
        return chosen[0].record() if number else self.list()

    def _change(
        self, each: Breakpoint, action: str, count: int, text: str, commands: tuple[str, ...]
    ) -> None:
        match action:
            case "enable" | "disable":
                each.enabled = action == "enable"
            case "clear":
                del self.breakpoints[each.id]
            case "ignore":
                each.ignore = max(0, count)
            case "commands":
                each.commands = commands
            case "condition":
                each.condition = c.only_where(each.condition, text)
                place = each.text.partition(",")[0].strip()
                each.text = f"{place}, {text}" if text else place
            case _:
                raise UsageError(f"a breakpoint cannot be told to '{action}'.")


def _inner(verb: c.Verb) -> c.Base:
    return verb.condition if isinstance(verb, c.UntilCondition) else verb


def _name(verb: c.Verb) -> str:
    if isinstance(verb, c.First):
        return verb.why
    if isinstance(verb, c.FirstNode):
        return "first node"
    return "until" if isinstance(verb, c.UntilCondition) else type(verb).__name__.lower()
