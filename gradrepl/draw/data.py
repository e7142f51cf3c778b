"""Loaders, what is wrong with them, and devices; batches and samples are in a file of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gradrepl import model
from gradrepl.draw import Look, drawing, ink, samples, times
from gradrepl.draw.findings import finding
from gradrepl.draw.ink import Line
from gradrepl.draw.numbers import count, number, percent, seconds, size
from gradrepl.draw.tables import Fact, facts, notes, table

__all__ = ["loader_facts", "samples", "worker"]

FIRST = ("prefetch_factor", "pin_memory", "persistent_workers")
"""Settings that are told beside the number of workers."""


# -- loaders -------------------------------------------------------------------------------------


@drawing.register
def _(record: model.Loader, look: Look) -> Iterable[Line]:
    yield from facts(loader_facts(record))
    yield from map(worker, record.processes)
    for each in record.findings:
        yield from finding(each, look.plain)
    yield from () if look.plain else times.step(record, look)
    yield from notes(record.notes)


def loader_facts(r: model.Loader) -> Iterator[Fact]:
    """Yield what a loader is and how far the program is with it, the important first."""
    yield "loader", f"{r.name}  {r.kind}  {r.site.place if r.site else ''}".rstrip()
    samples_ = "length unknown" if r.length is None else count(r.length, "sample")
    kind = "" if r.dataset_kind == "map" else f", {r.dataset_kind}"
    yield "dataset", f"{r.dataset}{kind}, {samples_}"
    yield "batches", _batches(r)
    yield "workers", f"{r.workers}, {r.start_method}" if r.workers else "none: in this process"
    early = [each for each in r.settings if each.name in FIRST and each.value != "None"]
    yield from map(_setting, early)
    yield "order", f"{r.order} ({r.sampler})" if r.sampler else r.order
    yield "RNG", r.generator
    yield from (_setting(each) for each in r.settings if each.name not in FIRST)
    if r.shm_free is not None and r.shm_total is not None:
        scarce = "  !" if r.shm_free < r.shm_total // 10 else ""
        yield "/dev/shm", f"{size(r.shm_free)} free of {size(r.shm_total)}{scarce}"
    if r.batch is not None:
        epoch = "" if r.epoch is None else f" of epoch {r.epoch}"
        yield "program", [ink.span(f"is at batch {r.batch}{epoch}", "here")]
    yield "watched", "yes" if r.watched else ""
    yield "synthetic", "on: your loops get one batch from memory" if r.synthetic else ""


def _batches(r: model.Loader) -> str:
    size_ = str(r.batch_size or "what the sampler says")
    last = ", the last one dropped if smaller" if r.drop_last else ""
    many = "of" if r.batches is None else f"{count(r.batches, 'batch', 'batches')} of"
    return f"{many} {size_}{last}"


def _setting(each: model.Setting) -> Fact:
    value: Line = [ink.span(each.value, "dim" if each.without_effect else "")]
    if each.without_effect:
        value.append(ink.span(f"  no effect: {each.without_effect}", "dim"))
    return each.name, value


def worker(each: model.WorkerState) -> Line:
    """Return what a worker is at, or how it ended."""
    line: Line = [(f"  worker {each.id} (pid {each.pid}) ", "name")]
    if not each.alive:
        return [*line, ink.span(f"! {each.exit or 'is gone'}", "bad")]
    since = f" for {seconds(each.seconds)}" if each.seconds is not None else ""
    at = "waits for work" if each.batch is None else f"is at batch {each.batch}{since}"
    told = (
        at,
        "" if each.busy is None else f"{percent(each.busy)} busy",
        "" if each.memory is None else size(each.memory),
        "" if each.seed is None else f"seed {each.seed}",
        f"indices {', '.join(each.indices)}…" if each.indices and each.batch is not None else "",
    )
    return [*line, ink.span(", ".join(filter(None, told)))]


@drawing.register
def _(record: model.LoaderWatch, look: Look) -> Iterable[Line]:
    if not record.on:
        return [[("loaders are not watched.", "")]]
    why = ", as a breakpoint waits for a batch" if record.breakpoints else ""
    batches, epochs = count(record.batches, "batch", "batches"), count(record.epochs, "epoch")
    so_far = f" {batches} of {epochs} so far." if record.epochs else ""
    return [[(f"the program's loops over its loaders are watched{why}.{so_far}", "")]]


@drawing.register
def _(record: model.LoaderCheck, look: Look) -> Iterable[Line]:
    yield [ink.span(f"check of {record.name}", "title")]
    for each in record.findings:
        yield from finding(each, look.plain)
    if not record.findings:
        yield [("No problem found.", "")]
    looked = "; ".join(record.looked_at)
    yield [ink.span(f"looked at {looked}, in {seconds(record.seconds)}", "dim")]


# -- devices -------------------------------------------------------------------------------------


@drawing.register
def _(record: model.Devices, look: Look) -> Iterable[Line]:
    rows = [
        (each.name, each.what if each.available else "not available",
         "" if each.total is None else f"{size(each.free or 0)} free of {size(each.total)}",
         each.why)
        for each in record.rows
    ]  # fmt: skip
    here = next((at for at, each in enumerate(record.rows) if each.name == record.chosen), None)
    return table(rows, here=here)


@drawing.register
def _(record: model.Moved, look: Look) -> Iterable[Line]:
    tensors = count(record.tensors, "tensor")
    if record.moved:
        rate = f", {size(int(record.nbytes / record.seconds))}/s" if record.seconds else ""
        took = f"{size(record.nbytes)} in {seconds(record.seconds)}{rate}"
        text = f"{number(record.moved)} of {tensors} copied to {record.device}: {took}."
    else:
        text = f"{tensors}, all of them on {record.device} already."
    yield [ink.span(f"{record.name}: {text}")]
    yield from notes(record.notes)
