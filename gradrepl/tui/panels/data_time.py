"""Where the time of a step goes: waiting for data, or computing; and what was measured about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from gradrepl import model
from gradrepl.draw import charts as pictures
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.model.data import SeenBatch, TuneRow
from gradrepl.model.epochs import Pace, Progress
from gradrepl.model.health import Timing
from gradrepl.phrases import size
from gradrepl.tui import figures
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.panels.tensor_lines import pack

WIDE = 120
"""Cells from which on names are written out."""
GAP = 3
FIGURE = 9
"""Cells of a duration after its bar."""
NOTHING = (
    ("Nothing is measured yet.", ""),
    (":loader watch", "how long the program's loops wait for each batch"),
    (":watch grads", "forward, backward and optimizer, too"),
    ("t", "a copy of the loader with 0, 1, 2, 4 workers"),
    (":synthetic", "the loader against one batch from memory"),
)


class Cost(NamedTuple):
    """A part of a step, with its name written out and short."""

    name: str
    short: str
    seconds: float

    def said(self, width: int) -> str:
        """Return the name that there is room for."""
        return self.name if width >= WIDE else self.short


def costs(timing: Timing | None, pace: Pace | None) -> list[Cost]:
    """Return what a step is made of; waiting comes first."""
    if timing is not None:
        found = [Cost("wait for batch", "wait", timing.data)]
        if timing.to_device is not None:
            found.append(Cost("host to device", "to dev", timing.to_device))
        found += [
            Cost("forward", "fwd", timing.forward),
            Cost("backward", "bwd", timing.backward),
            Cost("optimizer", "opt", timing.optimizer),
        ]
        if timing.watching > timing.total / 20:
            found.append(Cost("watching", "watch", timing.watching))
        return found
    if pace is not None:
        rest = max(0.0, pace.step - pace.wait)
        return [Cost("wait for batch", "wait", pace.wait), Cost("the rest", "rest", rest)]
    return []


def bars(found: Sequence[Cost], tail: Line, width: int) -> list[Line]:
    """Return the waiting on one line, the other costs on the next, all to one scale."""
    first, others = found[0], found[1:]
    wait, rest = first.seconds, sum(cost.seconds for cost in others)
    label = 8 if width < WIDE else 16
    room = width - label - FIGURE - (ink.width(tail) + GAP if tail else 0)
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
    return [ink.between(line, tail, width), ink.fit(second, width)]


def _bar(seconds: float, scale: float, role: str) -> Line:
    cells = max(1, int(seconds * scale)) if seconds > 0 else 0
    return [("█" * cells, role), (f" {figures.seconds(seconds)}", "")]


def workers(loader: model.Loader) -> Line:
    """Return the busy share of each worker: 'w0 busy 96%  w1 97%'."""
    parts = [
        f"w{each.id} {'busy ' if not number else ''}{each.busy:.0%}"
        for number, each in enumerate(loader.processes[:8])
        if each.busy is not None
    ]
    return [span("  ".join(parts), "dim")] if parts else []


def queue(loader: model.Loader) -> Line:
    """Return how many batches lie ready, and what room /dev/shm has for them."""
    line: Line = []
    room = loader.pace.room if loader.pace is not None else None
    if loader.ready is not None:
        of = "" if room is None else f" of {room}"
        line += [("queue ", "title"), (f"{loader.ready}{of} ready", "")]
    if loader.pace is not None and loader.pace.ready is not None:
        line.append((f" (mean {loader.pace.ready:.1f})", "dim"))
    if line and loader.shm_free is not None and loader.shm_total is not None:
        scarce = loader.shm_free < loader.shm_total // 10
        text = f"   /dev/shm {size(loader.shm_free)} free" + (" !" if scarce else "")
        line.append((text, "warn" if scarce else "dim"))
    return line


def waits(seen: Sequence[SeenBatch], width: int) -> Line:
    """Return how long the program waited for each of the last batches, as columns."""
    if len(seen) < 2:
        return []
    found = [each.wait for each in seen]
    longest = max(range(len(found)), key=found.__getitem__)
    worst = f"  longest {figures.seconds(found[longest])}, batch {seen[longest].number}"
    cells = max(4, min(len(found), width - 8 - len(worst)))
    return [("waits   ", "title"), (pictures.strip(found, cells), "warn"), span(worst, "dim")]


def tuned(tuning: model.Tuning, width: int, height: int) -> list[Line]:
    """Return the verdict of a measurement, and what was measured, as bars if there is room."""
    lines: list[Line] = ink.wrap([("try ", "title"), span(tuning.verdict, "good")], width, 4)
    if tuning.stopped:
        lines.append([("stopped: the other numbers were not measured", "dim")])
    if height < len(lines) + len(tuning.rows):
        parts = [_brief(row, tuning) for row in tuning.rows]
        return [*lines, *(ink.fit(line, width) for line in pack(parts, width, 3))]
    most = max((row.samples_per_second for row in tuning.rows), default=0.0)
    for row in tuning.rows:
        line: Line = [(f" {row.workers:>2} workers ", "name")]
        if row.failed:
            line.append(span(f"! {row.failed}", "bad"))
        else:
            cells = max(4, min(40, width - 44))
            full = pictures.bar(row.samples_per_second, most, cells)
            line += [(ink.pad(full, cells), "number"), (f"{row.samples_per_second:>8.0f}/s  ", ""),
                     (ink.pad(_mark(row, tuning), 6), "good"),
                     span(f"first after {figures.seconds(row.first)}", "dim")]  # fmt: skip
        lines.append(ink.fit(line, width))
    return lines


def _mark(row: TuneRow, tuning: model.Tuning) -> str:
    return "best" if row.workers == tuning.best else "now" if row.workers == tuning.now else ""


def _brief(row: TuneRow, tuning: model.Tuning) -> Line:
    line: Line = [(f"{row.workers} workers ", "name")]
    if row.failed:
        return [*line, span(f"! {row.failed}", "bad")]
    return [*line, (f"{row.samples_per_second:.0f}/s ", ""), (_mark(row, tuning), "good")]


def progress(now: Progress, width: int) -> list[Line]:
    """Return how far something long is."""
    of = "" if now.total is None else f" of {now.total}"
    text = f"{now.what}  {now.done}{of} {now.unit}  {figures.seconds(now.seconds)}  {now.more}"
    lines: list[Line] = []
    if now.total:
        cells = width // 2
        full = min(cells, now.done * cells // now.total)
        lines.append([("█" * full, "good"), ("─" * (cells - full), "dim")])
    return [*lines, ink.fit([span(text.rstrip()), span(f"   {now.stop}", "key")], width)]


def draw(
    loader: model.Loader, tuning: model.Tuning | None, synthetic: model.Synthetic | None,
    width: int, height: int,
) -> list[Line]:  # fmt: skip
    """Return all that is known about the time; without anything, how to come to know it."""
    found = costs(loader.timing, loader.pace)
    lines: list[Line] = []
    busy, ready, each = workers(loader), queue(loader), waits(loader.seen, width)
    if found:
        tail = busy if width < WIDE or not ready else [*busy, ("   ", ""), *ready]
        lines += bars(found, tail, width)
        if width < WIDE and ready and height > 3:
            lines.append(ready)
    elif busy or ready:
        lines.append(ink.fit([*busy, ("   ", ""), *ready], width))
    if each and (height > 3 or not found):
        lines.append(each)
    if tuning is not None:
        lines += tuned(tuning, width, height - len(lines))
    if synthetic is not None and synthetic.verdict:
        lines += ink.wrap([("synthetic ", "title"), span(synthetic.verdict)], width, 2)
    if lines:
        missing = loader.timing is None and loader.pace is not None and len(lines) < height
        more: Line = [(":watch grads", "key"), (" tells forward, backward and optimizer", "dim")]
        return [*lines, ink.fit(more, width)] if missing else lines
    return nothing(width, height)


def nothing(width: int, height: int) -> list[Line]:
    """Return how to come to know where the time goes, in as many lines as there are."""
    known: list[Line] = [[(ink.pad(key, 15), "key"), (text, "dim")] for key, text in NOTHING[1:]]
    lines: list[Line] = [[NOTHING[0]], *known] if height > len(known) else known
    return [ink.fit(line, width) for line in lines[: max(1, height)]]


class TimePane(Paper):
    """The time of a step, workers and queue, and what tuning found."""

    NAME: ClassVar[str] = "Time"
    HELP: ClassVar[str] = (
        "Where the time of a step goes, as far as it was measured: waiting for data, forward, "
        "backward, optimizer; █ is drawn to scale. Below stands what was measured of the loader "
        "itself, with 0, 1, 2 and 4 workers (t). ! marks what failed, and a full /dev/shm."
    )
    loader: model.Loader | None = None
    tuning: model.Tuning | None = None
    synthetic: model.Synthetic | None = None
    progress: Progress | None = None

    def show(self, loader: model.Loader | None) -> None:
        """Show what is known of this loader."""
        self.loader = loader
        self.resized()

    def resized(self) -> None:
        """Draw for this size."""
        loader, width, height = self.loader, self.room, self.size.height
        if self.progress is not None:
            self.caption("Time", self.progress.what)
            self.write(progress(self.progress, width))
            return
        if loader is None:
            self.caption("Time")
            self.write([])
            return
        steps = loader.timing.steps if loader.timing else loader.pace.batches if loader.pace else 0
        title = "Where the time of a step goes" if width >= WIDE else "Time"
        last = f", last {steps} steps" if steps > 1 else ""
        said, told = f"{title}{last}", verdict(loader)
        fits = len(said) + len(told) + 4 < width
        self.caption(said, told if fits else "")
        mine = self.tuning if self.tuning and self.tuning.name == loader.name else None
        proved = self.synthetic if self.synthetic and self.synthetic.loader == loader.name else None
        lines = draw(loader, mine, proved, width, height - (not fits))
        role = "warn" if "bound" in told else "good"
        self.write([*lines, *([] if fits else ink.wrap([span(told, role)], width, 2))])


def verdict(loader: model.Loader) -> str:
    """Return what holds the step up, short."""
    said = loader.timing.verdict if loader.timing else loader.pace.verdict if loader.pace else ""
    if loader.synthetic:
        return "one batch from memory: :synthetic off"
    return said.rstrip(".")
