"""Epochs, a loader against one batch from memory, and how far something long is."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType

from gradrepl import model
from gradrepl.render.data import duration
from gradrepl.render.pieces import Look, columns, line, render

CELLS = 20
"""Width of a bar."""


@render.register
def _(record: model.Progress, look: Look) -> RenderableType:
    return line(look, progress(record, look))


def progress(record: model.Progress, look: Look) -> str:
    """Return the one line that says how far something is."""
    of = "" if record.total is None else f" of {record.total}"
    said = [f"{record.what}: {record.done}{of} {record.unit}"]
    if record.total and not look.plain:
        full = min(CELLS, CELLS * record.done // record.total)
        drawn = ("#" * full).ljust(CELLS, ".") if look.ascii else ("█" * full).ljust(CELLS, "░")
        said.insert(0, drawn)
    said += [duration(record.seconds), record.more, "" if record.over else record.stop]
    return "  ".join(filter(None, said))


@render.register
def _(record: model.Epoch, look: Look) -> RenderableType:
    return Group(*(line(look, *parts) for parts in _epoch(record)))


def _epoch(r: model.Epoch) -> Iterator[tuple[str | tuple[str, str], ...]]:
    name = "the epoch that would begin now" if r.number is None else f"epoch {r.number}"
    of = "" if r.total is None else f" of {r.total}"
    state = "over" if r.ended else "left before its end" if r.left_off else "running"
    state = state if r.batches or r.number is not None else ""
    yield (f"{name} of {r.loader}", "bold"), state
    left = "" if r.left is None else f", {r.left} samples left"
    yield (f"  {r.batches}{of} batches, {r.samples} samples{left}",)
    if r.so_far is not None and r.batches:
        yield "  so far", visits(r.so_far, r.length, over=r.ended)
    if r.whole is not None:
        yield "  all of it", visits(r.whole, r.length, over=True)
    if r.labels:
        said = ", ".join(f"{label}: {count}" for label, count in r.labels)
        part = f"labels of {r.labels_of}" if r.labels_of < r.samples else "labels"
        yield (f"  {part}", "dim"), said
    if len(r.known) > 1:
        yield ("  epochs seen", "dim"), ", ".join(map(str, r.known))
    for text in filter(None, (r.how, *r.notes)):
        yield ((f"({text})", "dim"),)


def visits(found: model.Visits, length: int | None, *, over: bool) -> str:
    """Say how often indices come: '1797 samples, each once', or which ones do not."""
    said = [f"{found.samples} samples"]
    if found.repeated:
        some = ", ".join(f"{index} ({times} times)" for index, times in found.repeats[:4])
        said.append(f"{found.repeated} more than once: {some}")
    else:
        said.append("none twice")
    if found.never and over:
        more = "..." if found.never > len(found.missing[:8]) else ""
        said.append(f"{found.never} of {length} never: {', '.join(found.missing[:8])}{more}")
    elif found.never == 0:
        said.append(f"all {length} of the dataset")
    return "; ".join(said)


@render.register
def _(record: model.EpochRun, look: Look) -> RenderableType:
    return Group(*(line(look, *parts) for parts in _run(record)))


def _run(r: model.EpochRun) -> Iterator[tuple[str | tuple[str, str], ...]]:
    of = "" if r.total is None else f" of {r.total}"
    rate = f"{r.samples / r.seconds:.0f} samples/s" if r.seconds else ""
    yield (
        (f"a copy of {r.loader}", "bold"), f"{r.batches}{of} batches, {r.samples} samples",
        duration(r.seconds), rate,
    )  # fmt: skip
    if r.failed is not None:
        yield ((f"! batch {r.failed} raises {r.error}", "red"),)
        if r.hint:
            yield (f"    {r.hint}",)
        if r.indices:
            yield ("    indices", "dim"), ", ".join(r.indices[:16])
    elif r.stopped:
        yield (f"  stopped after batch {r.batches - 1}." if r.batches else "  stopped.",)
    else:
        yield ("  no batch raises.",)
    if r.slowest:
        said = ", ".join(f"batch {number} ({duration(took)})" for number, took in r.slowest)
        yield ("  waited longest for", "dim"), said
    if r.labels:
        yield ("  labels", "dim"), ", ".join(f"{label}: {count}" for label, count in r.labels)
    yield from (((f"({note})", "dim"),) for note in r.notes)


def pace(found: model.Pace) -> tuple[str, ...]:
    """Return the cells of a line about the program's own steps."""
    ready = "" if found.ready is None else f"{found.ready:.1f} of {found.room or 0} ready"
    return duration(found.step), duration(found.wait), str(found.batches), ready


@render.register
def _(record: model.Synthetic, look: Look) -> RenderableType:
    head = line(look, (f"{record.loader} against one batch from memory", "bold"), record.batch)
    rows: list[tuple[str, ...]] = [("", "a batch", "waiting", "batches", "")]
    if record.real is not None:
        took = duration(record.real)
        rows.append(("the loader alone", took, took, str(record.real_batches), ""))
    if record.memory is not None:
        took = duration(record.memory)
        rows.append(("memory alone", took, took, str(record.memory_batches), ""))
    if record.to_device is not None:
        rows.append((f"copied to {record.device}", duration(record.to_device), "", "", ""))
    if record.with_loader is not None:
        rows.append(("your loop, loader", *pace(record.with_loader)))
    if record.with_memory is not None:
        rows.append(("your loop, memory", *pace(record.with_memory)))
    table = [columns(rows, look)] if len(rows) > 1 else []
    notes = [line(look, (f"({note})", "dim")) for note in record.notes]
    return Group(head, *table, *([line(look, record.verdict)] if record.verdict else []), *notes)
