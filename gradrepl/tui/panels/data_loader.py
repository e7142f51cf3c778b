"""What a loader is: its settings, what is wrong with it, its classes, the batch looked at last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

from gradrepl import model
from gradrepl.draw import Look, broken, samples
from gradrepl.draw.answers import finding
from gradrepl.draw.data import loader_facts, worker
from gradrepl.draw.ink import Line, span
from gradrepl.draw.numbers import count
from gradrepl.draw.tables import facts, notes
from gradrepl.tui.panels.base import Paper

TALL, FIRST = 22, 6
"""Lines from which on all facts come first, and how many come first where there are fewer."""


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


def drawn(
    loader: model.Loader, batch: model.Batch | None, check: model.LoaderCheck | None,
    classes: Classes, look: Look, height: int = 0,
) -> list[Line]:  # fmt: skip
    """Return all of it, what is wrong before what is merely so where there is not much room."""
    sections = _sections(loader, batch, check, classes, look, height)
    return [part for line in sections for part in broken(line, look.width)]


def _sections(
    loader: model.Loader, batch: model.Batch | None, check: model.LoaderCheck | None,
    classes: Classes, look: Look, height: int,
) -> Iterator[Line]:  # fmt: skip
    found = [*loader.findings, *(check.findings if check else ())]
    serious = [each for each in found if each.severity != "note"]
    known = [*facts(loader_facts(loader))][1:]  # its name is the caption
    first = FIRST if serious or height < TALL else len(known)
    yield from known[:first]
    yield from _findings(serious)
    if classes.counts:
        yield [("classes ", "title"), span(classes.said, "dim")]
        yield from samples.classes(classes.counts, look.width or 60)
    if batch is not None:
        yield [(f"batch {batch.number}", "title")]
        yield from samples.about_batch(batch)
    if loader.processes:
        yield [("workers", "title")]
        yield from map(worker, loader.processes)
    if known[first:]:
        yield [("more", "title")]
        yield from known[first:]
    yield from _findings(each for each in found if each.severity == "note")
    yield from notes(loader.notes)
    if check is not None:
        yield from notes(["; ".join(check.looked_at)], "checked: {}")
    else:
        yield [(":loader check", "key"), (" looks for silent faults", "dim")]


def _findings(found: Iterable[model.Finding]) -> Iterator[Line]:
    for each in found:
        yield from finding(each)


class LoaderPane(Paper):
    """The loader; or, when that is asked for, its classes alone."""

    NAME: ClassVar[str] = "Loader"
    HELP: ClassVar[str] = (
        "The DataLoader that the program is at: its settings (those that have no effect here "
        "are said so), its sampler, seed and workers. ! is a warning with the line to change, · "
        "a hint. Below it how often each class came; ! marks a scarce one."
    )
    loader: model.Loader | None = None
    looked_at: model.Batch | None = None
    check: model.LoaderCheck | None = None
    balance = False
    """Only the classes, larger."""
    _counted: Any = None

    def show(self, loader: model.Loader | None, batch: model.Batch | None) -> None:
        """Show a loader, and with it the batch that was looked at."""
        self.loader, self.looked_at = loader, batch
        self.resized()

    def tally(self, record: Any) -> None:
        """Take the labels that were counted in an epoch, if there were any."""
        if record.labels:
            self._counted = record
            self.resized()

    def counted(self) -> Classes:
        """Return the labels that were counted over the most samples."""
        whole = self._counted
        if whole is not None and self.loader is not None and whole.loader == self.loader.name:
            return classes_of(whole)
        return classes_of(self.looked_at)

    def resized(self) -> None:
        """Draw for this width."""
        loader = self.loader
        self.balance = self.balance and self.has_class("-maximised")
        if loader is None:
            self.caption("Loader")
            self.write([])
            return
        classes = self.counted()
        if self.balance:
            self.caption("Classes", f"{classes.said}   esc back".strip())
            none: list[Line] = [[("No labels were seen so far: n looks at a batch.", "dim")]]
            self.write(samples.classes(classes.counts, self.room, shares=True) or none)
            return
        check = self.check if self.check is not None and self.check.name == loader.name else None
        findings = [*loader.findings, *(check.findings if check else ())]
        many = sum(each.severity != "note" for each in findings)
        self.caption("Loader", count(many, "warning") if many else "")
        height = self.size.height
        self.write(drawn(loader, self.looked_at, check, classes, self.look, height))
