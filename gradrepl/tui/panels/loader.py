"""What a loader is, and where the time of a step goes: waiting for its data, or computing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

from msgspec.structs import replace

from gradrepl import draw, model
from gradrepl.commands import registry
from gradrepl.draw import Look, broken, ink, samples
from gradrepl.draw.answers import finding, progress
from gradrepl.draw.data import loader_facts, step_time, step_verdict, worker
from gradrepl.draw.ink import Line, span
from gradrepl.draw.numbers import count
from gradrepl.draw.tables import facts, notes
from gradrepl.tui.panels.base import Drawing
from gradrepl.tui.views import BY_NAME

TALL, FIRST = 22, 6
"""Lines from which on all facts come first, and how many come first where there are fewer."""
WIDE = 120
"""Cells from which on the caption is a sentence."""


class Classes(NamedTuple):
    """How often each label came, and in what."""

    said: str
    counts: tuple[tuple[str, int], ...]


def classes_of(record: Any) -> Classes:
    """Return the labels that an epoch, a batch or a record for this pane tells of."""
    match record:
        case model.Epoch(labels=labels, labels_of=many, number=number):
            of = "the next epoch" if number is None else f"epoch {number}"
            return Classes(f"{count(many, 'sample')} of {of}", labels)
        case model.Batch(labels=labels, number=number):
            return Classes(f"batch {number}", labels)
        case model.Record(PANE="classes", labels=labels, samples=many):  # type: ignore[misc]
            return Classes(f"{count(many, 'sample')} of an epoch", labels)
    return Classes("", ())


def draw_loader(
    loader: model.Loader,
    batch: model.Batch | None,
    check: model.LoaderCheck | None,
    classes: Classes,
    look: Look,
    height: int = 0,
) -> list[Line]:
    """Return all of it, what is wrong before what is merely so where there is not much room."""
    findings = [*loader.findings, *(check.findings if check else ())]
    serious = [each for each in findings if each.severity != "note"]
    known = [*facts(loader_facts(loader))][1:]  # its name is the caption
    first = FIRST if serious or height < TALL else len(known)
    lines: list[Line] = [*known[:first], *_findings(serious)]
    lines += _seen(loader, batch, classes, look.width)
    if known[first:]:
        lines += [[("more", "title")], *known[first:]]
    lines += _findings(each for each in findings if each.severity == "note")
    lines += notes(loader.notes)
    if check is not None:
        lines += notes(["; ".join(check.looked_at)], "checked: {}")
    else:
        lines.append([(":loader check", "key"), (" looks for silent faults", "dim")])
    return [part for line in lines for part in broken(line, look.width)]


def _seen(
    loader: model.Loader, batch: model.Batch | None, classes: Classes, width: int | None
) -> Iterator[Line]:
    """Yield what was seen of it so far: classes, a batch, its processes."""
    if classes.counts:
        yield [("classes ", "title"), span(classes.said, "dim")]
        yield from samples.classes(classes.counts, width or 60)
    if batch is not None:
        yield [(f"batch {batch.number}", "title")]
        yield from samples.about_batch(batch)
    if loader.processes:
        yield [("workers", "title")]
        yield from map(worker, loader.processes)


def _findings(findings: Iterable[model.Finding]) -> Iterator[Line]:
    for each in findings:
        yield from finding(each)


class LoaderPane(Drawing):
    """The DataLoader that the program is at: its settings (those that have no effect here are
    said so), its sampler, seed and workers. ! is a warning with the line to change, · a hint.
    Below it how often each class came; ! marks a scarce one.
    """

    NAME: ClassVar[str] = "Loader"
    record: model.Loader | None = None
    looked_at: model.Batch | None = None
    """The batch that was looked at."""
    check: model.LoaderCheck | None = None
    balance = False
    """Only the classes, larger."""
    _counted: Any = None

    def tally(self, record: Any) -> None:
        """Take the labels that were counted in an epoch, if there were any."""
        if record.labels:
            self._counted = record
            self.resized()

    @property
    def checked(self) -> model.LoaderCheck | None:
        """What was looked for in this loader."""
        same = self.check is not None and self.record and self.check.name == self.record.name
        return self.check if same else None

    def counted(self) -> Classes:
        """Return the labels that were counted over the most samples."""
        whole = self._counted
        if whole is not None and self.record is not None and whole.loader == self.record.name:
            return classes_of(whole)
        return classes_of(self.looked_at)

    def captions(self) -> tuple[str, str]:
        """Return how many warnings there are; of the classes, what they were counted in."""
        if self.balance:
            return "Classes", f"{self.counted().said}   esc back".strip()
        if self.record is None:
            return self.NAME, ""
        findings = [*self.record.findings, *(self.checked.findings if self.checked else ())]
        many = sum(each.severity != "note" for each in findings)
        return self.NAME, count(many, "warning") if many else ""

    def resized(self) -> None:
        """Draw for this width."""
        self.balance = self.balance and self.record is not None and self.has_class("-maximised")
        super().resized()

    def drawn(self) -> list[Line]:
        loader, classes = self.record, self.counted()
        if loader is None:
            return []
        if self.balance:
            none: Line = [("No labels were seen so far: n looks at a batch.", "dim")]
            return samples.classes(classes.counts, self.room, shares=True) or [none]
        height = self.size.height
        return draw_loader(loader, self.looked_at, self.checked, classes, self.look, height)


# -- time ----------------------------------------------------------------------------------------


def draw_time(
    loader: model.Loader, measured: Iterable[model.Record], look: Look, height: int
) -> list[Line]:
    """Return all that is known about the time; without anything, how to come to know it."""
    lines = step_time(loader, look, height)
    for record in measured:
        lines += draw.lines(record, replace(look, height=height - len(lines)))
    if not lines:
        return nothing(look, height)
    missing = loader.timing is None and loader.pace is not None and len(lines) < height
    more: Line = [(":watch grads", "key"), (" tells forward, backward and optimizer", "dim")]
    return [*lines, ink.fit(more, look.width)] if missing else lines


def nothing(look: Look, height: int) -> list[Line]:
    """Return how to come to know where the time goes, in as many lines as there are."""
    brought = "synthetic" in registry.COMMANDS
    ways = (
        (":loader watch", "how long the program's loops wait for each batch"),
        (":watch grads", "forward, backward and optimizer, too"),
        *((key.shown, key.help) for key in BY_NAME["data"].brought),
        *([(":synthetic", "the loader against one batch from memory")] if brought else []),
    )
    lines: list[Line] = [[(ink.pad(key, 15), "key"), (text, "dim")] for key, text in ways]
    if height > len(lines):
        lines.insert(0, [("Nothing is measured yet.", "")])
    return [ink.fit(line, look.width) for line in lines[: max(1, height)]]


class TimePane(Drawing):
    """Where the time of a step goes, as far as it was measured: waiting for data, forward,
    backward, optimizer; █ is drawn to scale. Below stands what was measured of the loader
    itself, as with several numbers of workers. ! marks what failed, and a full /dev/shm.
    """

    NAME: ClassVar[str] = "Time"
    record: model.Loader | None = None
    progress: model.Progress | None = None

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self._measured: dict[type, Any] = {}
        """By class, the last that was measured of any loader."""

    def keep(self, record: model.Record) -> bool:
        """Keep what was measured; return whether there is room to show it whole."""
        self.progress = None
        self._measured[type(record)] = record
        self.resized()
        return self.visible_now and len(draw.lines(record, self.look)) <= self.size.height

    def verdict(self) -> tuple[str, str, bool]:
        """Return the caption and the verdict, and whether that fits into the caption."""
        loader = self.record
        if loader is None:
            return self.NAME, "", True
        steps = loader.timing.steps if loader.timing else loader.pace.batches if loader.pace else 0
        title = "Where the time of a step goes" if self.room >= WIDE else "Time"
        title += f", last {steps} steps" if steps > 1 else ""
        verdict = step_verdict(loader)
        return title, verdict, len(title) + len(verdict) + 4 < self.room

    def captions(self) -> tuple[str, str]:
        """Return what is measured now; else the verdict, if there is the room."""
        if self.progress is not None:
            return self.NAME, self.progress.what
        title, verdict, fits = self.verdict()
        return title, verdict if fits else ""

    def drawn(self) -> list[Line]:
        """Return how far a measurement is; else what was measured."""
        if self.progress is not None:
            return [progress(self.progress, self.look)]
        if self.record is None:
            return []
        _, verdict, fits = self.verdict()
        mine = [each for each in self._measured.values() if each.loader == self.record.name]
        lines = draw_time(self.record, mine, self.look, self.size.height - (not fits))
        role = "warn" if "bound" in verdict else "good"
        return [*lines, *([] if fits else ink.wrap([span(verdict, role)], self.room, 2))]
