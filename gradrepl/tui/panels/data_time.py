"""Where the time of a step goes: waiting for data, or computing; and what was measured about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from msgspec.structs import replace

from gradrepl import draw, model
from gradrepl.draw import Look, data, ink
from gradrepl.draw.answers import progress
from gradrepl.draw.ink import Line, span
from gradrepl.model.answers import Progress
from gradrepl.tui.panels.base import Paper

WIDE = 120
"""Cells from which on the caption is a sentence."""
NOTHING: Line = [("Nothing is measured yet.", "")]
HINTS = (
    (":loader watch", "how long the program's loops wait for each batch"),
    (":watch grads", "forward, backward and optimizer, too"),
    ("t", "a copy of the loader with 0, 1, 2, 4 workers"),
    (":synthetic", "the loader against one batch from memory"),
)


def drawn(
    loader: model.Loader, measured: Iterable[model.Record], look: Look, height: int
) -> list[Line]:
    """Return all that is known about the time; without anything, how to come to know it."""
    lines = data.step_time(loader, look, height)
    for record in measured:
        lines += draw.lines(record, replace(look, height=height - len(lines)))
    if not lines:
        return nothing(look, height)
    missing = loader.timing is None and loader.pace is not None and len(lines) < height
    more: Line = [(":watch grads", "key"), (" tells forward, backward and optimizer", "dim")]
    return [*lines, ink.fit(more, look.width)] if missing else lines


def nothing(look: Look, height: int) -> list[Line]:
    """Return how to come to know where the time goes, in as many lines as there are."""
    known: list[Line] = [[(ink.pad(key, 15), "key"), (text, "dim")] for key, text in HINTS]
    lines = [NOTHING, *known] if height > len(known) else known
    return [ink.fit(line, look.width) for line in lines[: max(1, height)]]


class TimePane(Paper):
    """The time of a step, workers and queue, and what was measured of the loader."""

    NAME: ClassVar[str] = "Time"
    HELP: ClassVar[str] = (
        "Where the time of a step goes, as far as it was measured: waiting for data, forward, "
        "backward, optimizer; █ is drawn to scale. Below stands what was measured of the loader "
        "itself, with 0, 1, 2 and 4 workers (t). ! marks what failed, and a full /dev/shm."
    )
    loader: model.Loader | None = None
    progress: Progress | None = None

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._measured: dict[type, Any] = {}
        """By class, the last that was measured of any loader."""

    def keep(self, record: model.Record) -> bool:
        """Keep what was measured; return whether there is room to show it whole."""
        self.progress = None
        self._measured[type(record)] = record
        self.resized()
        return self.visible_now and len(draw.lines(record, self.look)) <= self.size.height

    def show(self, loader: model.Loader | None) -> None:
        """Show what is known of this loader."""
        self.loader = loader
        self.resized()

    def resized(self) -> None:
        """Draw for this size."""
        loader, width, height = self.loader, self.room, self.size.height
        if self.progress is not None:
            self.caption("Time", self.progress.what)
            self.write([progress(self.progress, self.look)])
            return
        if loader is None:
            self.caption("Time")
            self.write([])
            return
        steps = loader.timing.steps if loader.timing else loader.pace.batches if loader.pace else 0
        title = "Where the time of a step goes" if width >= WIDE else "Time"
        last = f", last {steps} steps" if steps > 1 else ""
        said, told = f"{title}{last}", data.step_verdict(loader)
        fits = len(said) + len(told) + 4 < width
        self.caption(said, told if fits else "")
        mine = [each for each in self._measured.values() if each.loader == loader.name]
        lines = drawn(loader, mine, self.look, height - (not fits))
        role = "warn" if "bound" in told else "good"
        self.write([*lines, *([] if fits else ink.wrap([span(told, role)], width, 2))])
