"""What is to be watched, and by which limits: may be said before torch is there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from gradrepl import conditions as c
from gradrepl import protocol as p
from gradrepl.engine.boundary import Part
from gradrepl.engine.observers import BackwardCall, Look, Observer
from gradrepl.engine.session import Answer, Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.errors import UsageError
from gradrepl.model.health import HealthLimits, Watching

if TYPE_CHECKING:
    from gradrepl.engine.health.watch import HealthWatch


class Gradients(Observer):
    """What of the gradients is watched, and what watches it once that is needed and torch there."""

    built_in = True

    def __init__(self, session: Session) -> None:
        self.session, self.stepper = session, session.stepper
        self.asked = Watching()
        self.limits = HealthLimits()
        self.watch: HealthWatch | None = None

    @cached_property
    def part(self) -> Part:
        """Where it fails, no gradient is watched any more."""
        return Part("watching gradients", self.rearm)

    def watching(self) -> Watching:
        """Return what is watched, for whatever reason."""
        if not self.part.works:
            return Watching()
        return replace(self.asked, breakpoints=self.stepper.armed.judges_gradients())

    @property
    def meets_backwards(self) -> bool:  # type: ignore[override]
        """Is anything watched?"""
        return self.watch is not None and self.watch.on

    def rearm(self) -> None:
        """Have in place what watches gradients, if anything is to be watched."""
        watching = self.watching()
        if self.watch is None and (watching.grads or watching.breakpoints):
            from gradrepl.engine.health.watch import HealthWatch

            self.watch = HealthWatch(self.session, lambda: self.limits)
        if self.watch is not None:
            self.watch.place(watching)

    def restart(self) -> None:
        """The time at a stop is none of the program's steps."""
        if self.watch is not None:
            self.watch.clock.restart()

    def rest(self) -> None:
        """Watch nothing any more."""
        self.asked = Watching()

    def begins(self, call: BackwardCall) -> Look | None:
        """Return what looks at a backward that is watched."""
        return None if self.watch is None or not self.watch.on else self.watch.begins(call)

    def ended(self) -> None:
        """Stop where a breakpoint waits for what parameters are now."""
        armed = self.stepper.armed
        if self.watch is not None and self.watch.new and armed.wants(c.WATCH):
            from gradrepl.engine.health.tracked import WatchEvent

            self.stepper.event(WatchEvent(self.stepper, armed.anchor, self.watch.new))

    def verdicts(self) -> Sequence[str]:
        """Return the verdicts that parameters have got by the last backward."""
        return [] if self.watch is None else [each.word for each, _ in self.watch.new]


@on(p.WatchHealth)
def _(request: p.WatchHealth, session: Session, place: Place) -> Answer:
    gradients = session.state(Gradients)
    asked = gradients.asked
    if request.off:
        asked = Watching()
    else:
        asked = replace(
            asked,
            grads=asked.grads or request.grads or request.nodes,
            nodes=asked.nodes or request.nodes,
            statistics=request.statistics if request.nodes else asked.statistics,
            every=asked.every if request.every is None else request.every,
        )
    if asked.every < 1:
        raise UsageError(f"every {asked.every} makes no sense.", "Write: watch grads every 10")
    gradients.asked = asked
    session.stepper.rearm()
    return gradients.watching()


@on(p.SetHealth)
def _(request: p.SetHealth, session: Session, place: Place) -> Answer:
    gradients = session.state(Gradients)
    if not request.name:
        return gradients.limits
    fields = {field.name: field for field in msgspec.structs.fields(HealthLimits)}
    if request.name not in fields:
        raise UsageError(
            f"there is no limit 'health.{request.name}'.", f"There are {', '.join(fields)}."
        )
    value = fields[request.name].default if request.value is None else request.value
    if float(value).is_integer():
        value = int(value)
    given = {**msgspec.structs.asdict(gradients.limits), request.name: value}
    try:
        gradients.limits = msgspec.convert(given, HealthLimits)
    except msgspec.ValidationError as error:
        what = str(error).partition(" - at ")[0]
        raise UsageError(f"health.{request.name} cannot be {value:g}: {what}.") from None
    return gradients.limits
