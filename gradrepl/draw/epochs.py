"""Epochs, a loader against one batch from memory, and how far something long is."""

from __future__ import annotations

from collections.abc import Iterable

from gradrepl import model
from gradrepl.draw import Look, charts, drawing, ink
from gradrepl.draw.ink import Line
from gradrepl.draw.numbers import count, seconds, times
from gradrepl.draw.samples import labels
from gradrepl.draw.tables import notes

CELLS = 20
"""Width of a bar."""
FEW, SOME, INDICES = 4, 8, 16
"""Repeated indices, missing ones, and those of a batch that are named."""


# -- how far something is ------------------------------------------------------------------------


@drawing.register
def _(record: model.Progress, look: Look) -> Iterable[Line]:
    return [progress(record, look)]


def progress(record: model.Progress, look: Look) -> Line:
    """Return the one line that says how far something is."""
    of = "" if record.total is None else f" of {record.total}"
    drawn = ""
    if record.total and not look.plain:
        drawn = charts.progress(record.done, record.total, CELLS, look.ascii)
    stop = "" if record.over else record.stop
    what = f"{record.what}: {record.done}{of} {record.unit}"
    line = ink.join((drawn, "good"), what, seconds(record.seconds), record.more, (stop, "key"))
    return ink.fit(line, look.width)


# -- epochs --------------------------------------------------------------------------------------


def _of(batches: int, total: int | None, samples: int) -> str:
    of = "" if total is None else f" of {total}"
    many = "batch" if batches == 1 and not of else "batches"
    return f"{batches}{of} {many}, {count(samples, 'sample')}"


@drawing.register
def _(record: model.Epoch, look: Look) -> Iterable[Line]:
    r = record
    name = "the epoch that would begin now" if r.number is None else f"epoch {r.number}"
    state = "over" if r.ended else "left before its end" if r.left_off else "running"
    begun = r.batches or r.number is not None
    yield ink.join((f"{name} of {r.loader}", "title"), state if begun else "")
    left = "" if r.left is None else f", {count(r.left, 'sample')} left"
    yield ink.join(f"  {_of(r.batches, r.total, r.samples)}{left}")
    if r.so_far is not None and r.batches:
        yield ink.join("  so far", visits(r.so_far, r.length, over=r.ended))
    if r.whole is not None:
        yield ink.join("  all of it", visits(r.whole, r.length, over=True))
    if r.labels:
        part = f"labels of {r.labels_of}" if r.labels_of < r.samples else "labels"
        yield ink.join((f"  {part}", "dim"), labels(r.labels))
    if len(r.known) > 1:
        yield ink.join(("  epochs seen", "dim"), ", ".join(map(str, r.known)))
    yield from notes(filter(None, (r.how, *r.notes)))


def visits(seen: model.Visits, length: int | None, *, over: bool) -> str:
    """Say how often indices come: '1797 samples, each once', or which ones do not."""
    told = [count(seen.samples, "sample")]
    if seen.repeated:
        some = ", ".join(f"{index} ({times(many)})" for index, many in seen.repeats[:FEW])
        told.append(f"{seen.repeated} more than once: {some}")
    else:
        told.append("none twice")
    if seen.never and over:
        more = "..." if seen.never > len(seen.missing[:SOME]) else ""
        told.append(f"{seen.never} of {length} never: {', '.join(seen.missing[:SOME])}{more}")
    elif seen.never == 0:
        told.append(f"all {length} of the dataset")
    return "; ".join(told)
