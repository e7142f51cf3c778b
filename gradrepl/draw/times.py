"""Where the time of a step goes: waiting for data, or computing; and what was measured about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gradrepl import model
from gradrepl.draw import Look, ink
from gradrepl.draw.charts import strip
from gradrepl.draw.ink import Line, Row
from gradrepl.draw.numbers import percent, seconds, size
from gradrepl.model.data import SeenBatch

WIDE = 120
"""Cells from which on names are written out."""
WIDTH = 80
"""Cells of bars where nobody says how many."""
GAP, FIGURE = 3, 9
"""Cells between two costs, and of a duration after its bar."""


class Cost(NamedTuple):
    """A part of a step, with its name written out and short."""

    name: str
    short: str
    seconds: float

    def said(self, width: int) -> str:
        """Return the name that there is room for."""
        return self.name if width >= WIDE else self.short


def costs(timing: model.Timing | None, pace: model.Pace | None) -> list[Cost]:
    """Return what a step is made of; waiting comes first."""
    if timing is not None:
        made = [Cost("wait for batch", "wait", timing.data)]
        if timing.to_device is not None:
            made.append(Cost("host to device", "to dev", timing.to_device))
        made += [
            Cost("forward", "fwd", timing.forward),
            Cost("backward", "bwd", timing.backward),
            Cost("optimizer", "opt", timing.optimizer),
        ]
        if timing.watching > timing.total / 20:
            made.append(Cost("watching", "watch", timing.watching))
        return made
    if pace is not None:
        rest = max(0.0, pace.step - pace.wait)
        return [Cost("wait for batch", "wait", pace.wait), Cost("the rest", "rest", rest)]
    return []


def bars(parts: Sequence[Cost], end: Line, width: int) -> list[Line]:
    """Return the waiting on one line, the other costs on the next, all to one scale."""
    first, others = parts[0], parts[1:]
    wait, rest = first.seconds, sum(cost.seconds for cost in others)
    label = 8 if width < WIDE else 16
    room = width - label - FIGURE - (ink.width(end) + GAP if end else 0)
    taken = sum(len(cost.said(width)) + 1 + FIGURE + GAP for cost in others) - GAP
    scale = min(
        max(4, room) / wait if wait > 0 else 1e12,
        max(4, width - taken) / rest if rest > 0 else 1e12,
    )
    line = [(ink.pad(first.said(width), label), "title"), *_bar(wait, scale, "warn")]
    second: Line = []
    for cost in others:
        second += [(" " * GAP, "")] if second else []
        second += [(f"{cost.said(width)} ", "title"), *_bar(cost.seconds, scale, "number")]
    return [Row(ink.between(line, end, width)), Row(ink.fit(second, width))]


def _bar(duration: float, scale: float, role: str) -> Line:
    cells = max(1, int(duration * scale)) if duration > 0 else 0
    return [("█" * cells, role), (f" {seconds(duration)}", "")]


def busy(loader: model.Loader) -> Line:
    """Return the busy share of each worker: 'w0 busy 96%  w1 97%'."""
    parts = [
        f"w{each.id} {'' if at else 'busy '}{percent(each.busy)}"
        for at, each in enumerate(loader.processes[:8])
        if each.busy is not None
    ]
    return [("  ".join(parts), "dim")] if parts else []


def queue(loader: model.Loader) -> Line:
    """Return how many batches lie ready, and what room /dev/shm has for them."""
    line: Line = []
    pace = loader.pace
    if loader.ready is not None:
        of = "" if pace is None or pace.room is None else f" of {pace.room}"
        line += [("queue ", "title"), (f"{loader.ready}{of} ready", "")]
    if pace is not None and pace.ready is not None:
        line.append((f" (mean {pace.ready:.1f})", "dim"))
    if line and loader.shm_free is not None and loader.shm_total is not None:
        scarce = loader.shm_free < loader.shm_total // 10
        text = f"   /dev/shm {size(loader.shm_free)} free{' !' if scarce else ''}"
        line.append((text, "warn" if scarce else "dim"))
    return line


def waits(fetched: Sequence[SeenBatch], width: int, ascii: bool = False) -> Line:
    """Return how long the program waited for each of the last batches, as columns."""
    if len(fetched) < 2:
        return []
    took = [each.wait for each in fetched]
    longest = max(range(len(took)), key=took.__getitem__)
    worst = f"  longest {seconds(took[longest])}, batch {fetched[longest].number}"
    cells = max(4, min(len(took), width - 8 - len(worst)))
    drawn = strip(took, cells, ascii)
    return Row([("waits   ", "title"), (drawn, "warn"), (worst, "dim")])


def step(loader: model.Loader, look: Look, height: int = 8) -> list[Line]:
    """Return where the time of the program's steps with a loader goes, as far as it is known."""
    width = look.width or WIDTH
    parts = costs(loader.timing, loader.pace)
    working, ready = busy(loader), queue(loader)
    waiting = waits(loader.seen, width, look.ascii)
    lines: list[Line] = []
    if parts:
        end = [*working, ("   ", ""), *ready] if width >= WIDE and ready else working
        lines = bars(parts, end, width)
        if width < WIDE and ready and height > 3:
            lines.append(ready)
    elif working or ready:
        lines = [Row(ink.fit([*working, *([("   ", "")] if working else []), *ready], width))]
    if waiting and (height > 3 or not parts):
        lines.append(waiting)
    if look.width is None and lines and (text := verdict(loader)):
        lines.append([ink.span(f"{text}.", "warn" if "bound" in text else "good")])
    return lines


def verdict(loader: model.Loader) -> str:
    """Return what holds the step up, short."""
    if loader.synthetic:
        return "one batch from memory: :synthetic off"
    seen = loader.timing or loader.pace
    return seen.verdict.rstrip(".") if seen else ""
