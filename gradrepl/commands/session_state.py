"""What outlives a debuggee: the breakpoints and displays that a restart sets again."""

from __future__ import annotations

from collections.abc import Iterator

from gradrepl import model, protocol
from gradrepl.conditions import parse


class SessionState:
    """The breakpoints as last seen, and the displays."""

    def __init__(self) -> None:
        self.breakpoints: dict[int, model.BreakpointInfo] = {}
        self.displays: list[str] = []
        self.watching = model.Watching()
        self.limits = model.HealthLimits()
        self._taken: model.Stop | None = None

    def note(self, record: model.Record | None) -> None:
        """Learn from a record that passes by."""
        match record:
            case model.BreakpointInfo():
                self.breakpoints[record.id] = record
            case model.Breakpoints(rows=rows):
                self.breakpoints = {row.id: row for row in rows}
            case model.Watching():
                self.watching = record
            case model.HealthLimits():
                self.limits = record

    def requests(self) -> Iterator[protocol.Request]:
        """Yield what sets everything again in a fresh debuggee."""
        for expression in self.displays:
            yield protocol.Display(expression=expression)
        yield from self._watched()
        old, self.breakpoints = self.breakpoints, {}
        for number, known in enumerate(old.values(), 1):
            yield protocol.SetBreakpoint(
                condition=parse(known.text), text=known.text, temporary=known.temporary
            )
            if known.ignore:
                yield protocol.ChangeBreakpoint(id=number, action="ignore", count=known.ignore)
            if known.commands:
                yield protocol.ChangeBreakpoint(
                    id=number, action="commands", commands=known.commands
                )
            if not known.enabled:
                yield protocol.ChangeBreakpoint(id=number, action="disable")

    def _watched(self) -> Iterator[protocol.Request]:
        """Yield what watches the same again, with the same limits."""
        limits, usual = self.limits, model.HealthLimits()
        for name in limits.__struct_fields__:
            if getattr(limits, name) != getattr(usual, name):
                yield protocol.SetHealth(name=name, value=getattr(limits, name))
        seen = self.watching
        if seen.grads or seen.nodes:
            yield protocol.WatchHealth(
                grads=seen.grads, nodes=seen.nodes, statistics=seen.statistics, every=seen.every
            )

    def commands_of(self, stop: model.Stop) -> list[str]:
        """Return the lines that belong to the breakpoints of ``stop``."""
        known = [self.breakpoints[at] for at in stop.breakpoints if at in self.breakpoints]
        return [line for each in known for line in each.commands]

    def take_commands(self, stop: model.Stop) -> list[str]:
        """Return the same lines, once for each stop."""
        if stop is self._taken:
            return []
        self._taken = stop
        lines = self.commands_of(stop)
        for at in stop.breakpoints:
            if at in self.breakpoints and self.breakpoints[at].temporary:
                del self.breakpoints[at]
        return lines
