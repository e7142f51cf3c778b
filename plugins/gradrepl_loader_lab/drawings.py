"""What the loader laboratory measured, as lines: bars for workers, a table against memory."""

from __future__ import annotations

from collections.abc import Iterator

from gradrepl import model
from gradrepl.draw import Look, ink
from gradrepl.draw.charts import bar
from gradrepl.draw.ink import Line, Row
from gradrepl.draw.numbers import count, number, seconds
from gradrepl.draw.samples import labels
from gradrepl.draw.tables import notes, table
from gradrepl_loader_lab.records import EpochRun, Synthetic, TuneRow, Tuning

INDICES = 16
"""Indices of a batch that are named."""


def tuning(record: Tuning, look: Look) -> list[Line]:
    """Return the verdict and what was measured, as bars; packed where there is little room."""
    lines: list[Line] = [ink.join(("try ", "title"), (record.verdict, "good"), gap="")]
    if record.stopped:
        lines.append([("stopped: the other numbers were not measured.", "dim")])
    if look.height is not None and look.height < len(lines) + len(record.rows):
        packed = ink.pack([_brief(row, record) for row in record.rows], look.width, 3)
        return [*lines, *(ink.fit(line, look.width) for line in packed)]
    most = max((row.samples_per_second for row in record.rows), default=0.0)
    cells = 24 if look.width is None else max(4, min(40, look.width - 44))
    return [*lines, *(_tuned(row, record, most, cells, look) for row in record.rows)]


def _tuned(row: TuneRow, record: Tuning, most: float, cells: int, look: Look) -> Line:
    line = Row([(f" {row.workers:>2} worker{' ' if row.workers == 1 else 's'} ", "name")])
    if row.failed:
        return ink.fit(Row([*line, ink.span(f"! {row.failed}", "bad")]), look.width)
    if not look.plain:
        line.append((ink.pad(bar(row.samples_per_second, most, cells), cells), "number"))
    line += [
        (f"{row.samples_per_second:>8.0f}/s  ", ""),
        (ink.pad(_mark(row, record), 10), "good"),
        (f"first after {seconds(row.first)}", "dim"),
    ]
    return ink.fit(line, look.width)


def _mark(row: TuneRow, record: Tuning) -> str:
    best = "best" if row.workers == record.best else ""
    return ", ".join(filter(None, (best, "now" if row.workers == record.now else "")))


def _brief(row: TuneRow, record: Tuning) -> Line:
    line: Line = [(f"{row.workers} worker{'' if row.workers == 1 else 's'} ", "name")]
    if row.failed:
        return [*line, ink.span(f"! {row.failed}", "bad")]
    return [*line, (f"{row.samples_per_second:.0f}/s ", ""), (_mark(row, record), "good")]


def epoch_run(record: EpochRun, look: Look) -> Iterator[Line]:
    """Yield how far the copy came, how it ended, and what took long."""
    r = record
    rate = f"{number(r.samples / r.seconds)} samples/s" if r.seconds else ""
    of = "" if r.total is None else f" of {r.total}"
    many = "batch" if r.batches == 1 and not of else "batches"
    came = f"{r.batches}{of} {many}, {count(r.samples, 'sample')}"
    yield ink.join((f"a copy of {r.loader}", "title"), came, seconds(r.seconds), rate)
    yield from _end(record)
    if r.slowest:
        slow = ", ".join(f"batch {at} ({seconds(took)})" for at, took in r.slowest)
        yield ink.join(("  waited longest for", "dim"), slow)
    if r.labels:
        yield ink.join(("  labels", "dim"), labels(r.labels))
    yield from notes(r.notes)


def _end(r: EpochRun) -> Iterator[Line]:
    if r.failed is not None:
        yield [ink.span(f"! batch {r.failed} raises {r.error}", "bad")]
        if r.hint:
            yield [ink.span(f"    {r.hint}")]
        if r.indices:
            yield ink.join(("    indices", "dim"), ", ".join(r.indices[:INDICES]))
    elif r.stopped:
        yield [(f"  stopped after batch {r.batches - 1}." if r.batches else "  stopped.", "")]
    else:
        yield [("  no batch raises.", "good")]


def against_memory(record: Synthetic, look: Look) -> list[Line]:
    """Return the loader beside memory; the verdict alone where there is little room."""
    lines = list(_compared(record))
    if look.height is not None and look.height < len(lines):
        return [[("synthetic ", "title"), ink.span(record.verdict)]]
    return lines


def _compared(record: Synthetic) -> Iterator[Line]:
    """Yield first of all whether the program's batches are replaced."""
    if record.on:
        yield [("! the program's batches are replaced by one batch from memory.", "warn")]
    title = f"{record.loader} against one batch from memory"
    yield ink.join((title, "title"), record.batch)
    copied = () if record.to_device is None else (seconds(record.to_device), "", "", "")
    measured = (
        ("the loader alone", _alone(record.real, record.real_batches)),
        ("memory alone", _alone(record.memory, record.memory_batches)),
        (f"copied to {record.device}", copied),
        ("your loop, loader", _pace(record.with_loader)),
        ("your loop, memory", _pace(record.with_memory)),
    )
    rows = [(name, *cells) for name, cells in measured if cells]
    if rows:
        yield from table(rows, ("", "a batch", "waiting", "batches", ""))
    if record.verdict:
        yield [ink.span(record.verdict)]
    yield from notes(record.notes)


def _pace(seen: model.Pace | None) -> tuple[str, ...]:
    if seen is None:
        return ()
    ready = "" if seen.ready is None else f"{seen.ready:.1f} of {seen.room or 0} ready"
    return seconds(seen.step), seconds(seen.wait), str(seen.batches), ready


def _alone(took: float | None, batches: int) -> tuple[str, ...]:
    return () if took is None else (seconds(took), seconds(took), str(batches), "")
