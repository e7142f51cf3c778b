"""What a loader is: its settings, what is wrong with it, its classes, the batch looked at last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

from gradrepl import model
from gradrepl.draw import charts as pictures
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, Role, span
from gradrepl.model.data import Finding, WorkerState
from gradrepl.phrases import place, size
from gradrepl.tui import figures
from gradrepl.tui.panels import tensor_lines
from gradrepl.tui.panels.base import Paper

Fact = tuple[str, str, Role]
NARROW = 38
"""Cells below which facts stand side by side instead of in a table."""
TALL, FIRST = 22, 6
"""Lines from which on all facts come first, and how many come first where there are fewer."""
NAMES = 10
"""Cells of the names in that table."""
SHORTER = {"prefetch_factor": "prefetch", "persistent_workers": "persistent",
           "worker_init_fn": "init_fn", "collate_fn": "collate", "pin_memory": "pin"}  # fmt: skip
SHORT = ("prefetch_factor", "pin_memory", "persistent_workers")
"""Settings that are told beside the number of workers."""
COLLATED = 6
"""Parts of a batch that are listed."""
SCARCE = 0.5
"""A class with less than this share of what an even one would have is marked."""


def facts(loader: model.Loader) -> Iterator[Fact]:
    """Yield what the loader is, the important first."""
    kind = "" if loader.dataset_kind == "map" else f", {loader.dataset_kind}"
    samples = "" if loader.length is None else f", {loader.length:,} samples"
    yield "dataset", f"{loader.dataset}{kind}{samples}", ""
    batch = loader.batch_size or "?"
    dropped = ", last dropped" if loader.drop_last else ""
    many = "" if loader.batches is None else f"{loader.batches:,} "
    yield "batches", f"{many}of {batch}{dropped}", ""
    yield "workers", f"{loader.workers} {loader.start_method}".strip(), "number"
    for each in loader.settings:
        if each.name in SHORT and each.value != "None":
            yield _setting(each)
    yield "order", loader.order, ""
    yield "drawn by", loader.generator, "dim"
    for each in loader.settings:
        if each.name not in SHORT:
            yield _setting(each)
    if loader.shm_free is not None and loader.shm_total is not None:
        scarce = loader.shm_free < loader.shm_total // 10
        role = "warn" if scarce else ""
        free = f"{size(loader.shm_free)} free of {size(loader.shm_total)}"
        yield "/dev/shm", free + (" !" if scarce else ""), role
    if loader.batch is not None:
        epoch = "" if loader.epoch is None else f" of epoch {loader.epoch}"
        yield "its loop", f"got batch {loader.batch}{epoch}", "here"
    if loader.site is not None:
        yield "made at", place(loader.site), "dim"


def _setting(each: model.Setting) -> Fact:
    name = SHORTER.get(each.name, each.name)
    value = {"True": "yes", "False": "no"}.get(each.value, each.value)
    if each.without_effect:
        return name, f"{value} (no effect)", "dim"
    return name, value, ""


def table(found: Sequence[Fact], width: int) -> list[Line]:
    """Return facts one below the other, or where it is narrow side by side."""
    if width < NARROW:
        pairs: list[Line] = [[(f"{name} ", "dim"), span(text, role)] for name, text, role in found]
        packed = tensor_lines.pack(pairs, width)
        return [part for line in packed for part in ink.wrap(line, width, 2)]
    lines: list[Line] = []
    for name, text, role in found:
        key = ink.pad(name, max(NAMES, len(name)) + 1)
        lines += ink.wrap([(key, "dim"), span(text, role)], width, NAMES + 1)
    return lines


def wrong(findings: Sequence[Finding], width: int) -> list[Line]:
    """Return findings: what, and what to change where."""
    lines: list[Line] = []
    for found in findings:
        bad = {"error": "bad", "warning": "warn"}.get(found.severity)
        mark = ("! ", bad) if bad else ("· ", "dim")
        lines += ink.wrap([mark, span(found.what, bad or "dim")], width, 2)
        if found.why:
            lines += _below([span(found.why, "dim")], width)
        if found.do:
            lines += _below([span(found.do)], width)
        if found.site is not None:
            at, text = f"  {place(found.site)}  ", found.site.text.strip()
            lines.append(ink.fit([span(at, "name"), span(text, "code")], width))
    return lines


def _below(line: Line, width: int) -> list[Line]:
    return [[("  ", ""), *part] for part in ink.wrap(line, width - 2)]


def ordered(classes: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return classes by name; numbers as numbers."""

    def key(item: tuple[str, int]) -> tuple[bool, int, str]:
        number = item[0].lstrip("-").isdecimal()
        return not number, int(item[0]) if number else 0, item[0]

    return sorted(classes, key=key)


def bars(classes: Sequence[tuple[str, int]], width: int, shares: bool = False) -> list[Line]:
    """Return a bar for each class, side by side where names are short and there is no room.

    With ``shares`` one below the other, with the share of each, what is scarce marked.
    """
    found = ordered(classes)
    if not found:
        return []
    most = max(number for _, number in found)
    total = sum(number for _, number in found)
    name = min(width // 3, max(ink.width([(label, "")]) for label, _ in found))
    digits = len(str(most))
    across = 2 if not shares and width < NARROW and name <= 4 and len(found) > 4 else 1
    cell = (width - 2 * (across - 1)) // across
    cells = max(2, cell - name - digits - 3 - (8 if shares else 0))
    down = -(-len(found) // across)
    drawn = []
    for label, number in found:
        full = pictures.bar(number, most, cells)
        beside = ink.right(str(number), digits) if shares else str(number)
        space = " " * (cells + digits - len(full) - len(beside))
        line: Line = [(f" {ink.right(label, name)} ", "name"), (full, "number")]
        line += [(f"{space} {beside}" if shares else f" {beside}{space}", "")]
        if shares:
            scarce = number * len(found) < SCARCE * total
            text = ink.right(f"{number / total:.1%}", 7) + ("!" if scarce else " ")
            line.append((text, "warn" if scarce else "dim"))
        drawn.append(line)
    return [
        [part for at in range(row, len(drawn), down) for part in ([*drawn[at], ("  ", "")])][:-1]
        for row in range(down)
    ]


def _workers(processes: Sequence[WorkerState], width: int) -> list[Line]:
    """Return one line a worker: what it is at, or how it ended."""
    lines: list[Line] = []
    for each in processes:
        line: Line = [(f" worker {each.id} ", "name")]
        if not each.alive:
            line.append(span(f"! {each.exit or 'is gone'}", "bad"))
        elif each.batch is None:
            line.append(("waits for work", "dim"))
        else:
            since = f" for {figures.seconds(each.seconds)}" if each.seconds is not None else ""
            line.append(span(f"at batch {each.batch}{since}"))
        memory = "" if each.memory is None else f"  {size(each.memory)}"
        seed = "" if each.seed is None else f"  seed {each.seed}"
        for text in (memory, seed):
            line += [(text, "dim")] if ink.width(line) + len(text) <= width else []
        lines.append(ink.fit(line, width))
    return lines


def _batch(batch: model.Batch, width: int) -> list[Line]:
    """Return what is known of the batch beside its rows."""
    lines: list[Line] = []
    for part in batch.collated[:COLLATED]:
        shape = "" if part.shape is None else f" {figures.shape(part.shape)}"
        text = f"{shape} {figures.dtype(part.dtype) or part.kind}"
        lines += ink.wrap([(" collated ", "dim"), span(part.key, "name"), span(text)], width, 2)
    if len(batch.collated) > COLLATED:
        lines.append([(f" and {len(batch.collated) - COLLATED} parts more", "dim")])
    took = f" fetched here in {figures.seconds(batch.seconds)}"
    wait = "" if batch.wait is None else f", the program waited {figures.seconds(batch.wait)}"
    lines += ink.wrap([span(took + wait, "dim")], width, 2)
    if batch.how:
        lines += ink.wrap([span(f" {batch.how}", "dim")], width, 2)
    for note in batch.notes:
        lines += ink.wrap([span(f" ({note})", "dim")], width, 2)
    return lines


class Classes(NamedTuple):
    """How often each label came, and in what."""

    said: str
    counts: tuple[tuple[str, int], ...]


def classes_of(record: model.Epoch | model.EpochRun | model.Batch | None) -> Classes:
    """Return the labels that ``record`` tells of."""
    match record:
        case model.Epoch(labels=labels, labels_of=many, number=number):
            of = "the next epoch" if number is None else f"epoch {number}"
            return Classes(f"{many:,} samples of {of}", labels)
        case model.EpochRun(labels=labels, samples=samples):
            return Classes(f"{samples:,} samples of an epoch", labels)
        case model.Batch(labels=labels, number=number):
            return Classes(f"batch {number}", labels)
    return Classes("", ())


def draw(
    loader: model.Loader, batch: model.Batch | None, check: model.LoaderCheck | None,
    classes: Classes, width: int, height: int = 0,
) -> list[Line]:  # fmt: skip
    """Return all of it, what is wrong before what is merely so where there is not much room."""
    found = [*loader.findings, *(check.findings if check else ())]
    serious = [each for each in found if each.severity != "note"]
    known = list(facts(loader))
    first = FIRST if serious or height < TALL else len(known)
    lines = table(known[:first], width)
    lines += wrong(serious, width)
    if classes.counts:
        title: Line = [("classes ", "title"), span(classes.said, "dim")]
        lines += [*ink.wrap(title, width), *bars(classes.counts, width)]
    if batch is not None:
        lines += [[(f"batch {batch.number}", "title")], *_batch(batch, width)]
    if loader.processes:
        lines += [[("workers", "title")], *_workers(loader.processes, width)]
    if known[first:]:
        lines += [[("more", "title")], *table(known[first:], width)]
    lines += wrong([each for each in found if each.severity == "note"], width)
    for note in loader.notes:
        lines += ink.wrap([span(f"({note})", "dim")], width, 2)
    if check is not None:
        seen = "; ".join(check.looked_at)
        lines += ink.wrap([span(f"checked: {seen}", "dim")], width, 2)
    else:
        lines += ink.wrap([(":loader check", "key"), (" looks for silent faults", "dim")], width)
    return lines


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
    _counted: model.Epoch | model.EpochRun | None = None

    def show(self, loader: model.Loader | None, batch: model.Batch | None) -> None:
        """Show a loader, and with it the batch that was looked at."""
        self.loader, self.looked_at = loader, batch
        self.resized()

    def tally(self, record: model.Epoch | model.EpochRun) -> None:
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
            self.write(bars(classes.counts, self.room, shares=True) or none)
            return
        check = self.check if self.check is not None and self.check.name == loader.name else None
        findings = [*loader.findings, *(check.findings if check else ())]
        many = sum(each.severity != "note" for each in findings)
        self.caption("Loader", f"{many} warning{'s' * (many != 1)}" if many else "")
        self.write(draw(loader, self.looked_at, check, classes, self.room, self.size.height))
