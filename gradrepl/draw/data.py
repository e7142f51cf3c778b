"""Loaders, epochs, the time of a step, devices; batches and samples are in a file of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gradrepl import model
from gradrepl.draw import Look, drawing, ink, samples
from gradrepl.draw.answers import finding
from gradrepl.draw.charts import strip
from gradrepl.draw.ink import Line, Row
from gradrepl.draw.numbers import count, number, of, percent, seconds, size, times
from gradrepl.draw.samples import labels
from gradrepl.draw.tables import Fact, facts, notes, table
from gradrepl.model.data import SeenBatch

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
    yield from () if look.plain else step_time(record, look)
    yield from notes(record.notes)


def loader_facts(r: model.Loader) -> Iterator[Fact]:
    """Yield what a loader is and how far the program is with it, the important first."""
    yield "loader", f"{r.name}  {r.kind}  {r.site.place if r.site else ''}".rstrip()
    samples_ = "length unknown" if r.length is None else count(r.length, "sample")
    kind = "" if r.dataset_kind == "map" else f", {r.dataset_kind}"
    yield "dataset", f"{r.dataset}{kind}, {samples_}"
    yield "batches", _batches(r)
    yield "workers", f"{r.workers}, {r.start_method}" if r.workers else "none: in this process"
    early = [each for each in r.settings if each.name in FIRST]
    yield from (_setting(each) for each in early if each.value != "None")
    yield "order", f"{r.order} ({r.sampler})" if r.sampler else r.order
    yield "RNG", r.generator
    yield from (_setting(each) for each in r.settings if each not in early)
    yield from _loader_state(r)


def _loader_state(r: model.Loader) -> Iterator[Fact]:
    free, scarce = _shm(r)
    yield "/dev/shm", free and f"{free} of {size(r.shm_total or 0)}{'  !' if scarce else ''}"
    if r.batch is not None:
        epoch = "" if r.epoch is None else f" of epoch {r.epoch}"
        yield "program", [ink.span(f"is at batch {r.batch}{epoch}", "here")]
    yield "watched", "yes" if r.watched else ""
    yield "synthetic", "on: your loops get one batch from memory" if r.synthetic else ""


def _shm(r: model.Loader) -> tuple[str, bool]:
    """Return how much of /dev/shm is free, where it is known, and whether that is scarce."""
    if r.shm_free is None or r.shm_total is None:
        return "", False
    return f"{size(r.shm_free)} free", r.shm_free < r.shm_total // 10


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
    state = ink.listed(
        at,
        "" if each.busy is None else f"{percent(each.busy)} busy",
        "" if each.memory is None else size(each.memory),
        "" if each.seed is None else f"seed {each.seed}",
        f"indices {', '.join(each.indices)}…" if each.indices and each.batch is not None else "",
    )
    return [*line, ink.span(state)]


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
    rows = []
    for each in record.rows:
        free = "" if each.total is None else f"{size(each.free or 0)} free of {size(each.total)}"
        what = each.what if each.available else "not available"
        rows.append((each.name, what, free, each.why))
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


# -- epochs ----------------------------------------------------------------------------------------


FEW, SOME, INDICES = 4, 8, 16
"""Repeated indices, missing ones, and those of a batch that are named."""


def _of(batches: int, total: int | None, samples: int) -> str:
    many = "batch" if batches == 1 and total is None else "batches"
    return f"{batches}{of(total)} {many}, {count(samples, 'sample')}"


@drawing.register
def _(record: model.Epoch, look: Look) -> Iterable[Line]:
    r = record
    name = "the epoch that would begin now" if r.number is None else f"epoch {r.number}"
    state = "over" if r.ended else "left before its end" if r.left_off else "running"
    begun = r.batches or r.number is not None
    yield ink.join((f"{name} of {r.loader}", "title"), state if begun else "")
    left = "" if r.left is None else f", {count(r.left, 'sample')} left"
    yield ink.join(f"  {_of(r.batches, r.total, r.samples)}{left}")
    part = f"labels of {r.labels_of}" if r.labels_of < r.samples else "labels"
    pairs = (
        ("  so far", visits(r.so_far, r.length, over=r.ended) if r.batches else ""),
        ("  all of it", visits(r.whole, r.length, over=True)),
        ((f"  {part}", "dim"), labels(r.labels)),
        (("  epochs seen", "dim"), ", ".join(map(str, r.known)) if len(r.known) > 1 else ""),
    )
    yield from (ink.join(name, text) for name, text in pairs if text)
    yield from notes(filter(None, (r.how, *r.notes)))


def visits(seen: model.Visits | None, length: int | None, *, over: bool) -> str:
    """Say how often indices come: '1797 samples, each once', or which ones do not."""
    if seen is None:
        return ""
    parts = [count(seen.samples, "sample")]
    if seen.repeated:
        some = ", ".join(f"{index} ({times(many)})" for index, many in seen.repeats[:FEW])
        parts.append(f"{seen.repeated} more than once: {some}")
    else:
        parts.append("none twice")
    if seen.never and over:
        more = "..." if seen.never > len(seen.missing[:SOME]) else ""
        parts.append(f"{seen.never} of {length} never: {', '.join(seen.missing[:SOME])}{more}")
    elif seen.never == 0:
        parts.append(f"all {length} of the dataset")
    return "; ".join(parts)


# -- where the time of a step goes: waiting for data, or computing ---------------------------------


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
        room = of(None if pace is None else pace.room)
        line += [("queue ", "title"), (f"{loader.ready}{room} ready", "")]
    if pace is not None and pace.ready is not None:
        line.append((f" (mean {pace.ready:.1f})", "dim"))
    free, scarce = _shm(loader)
    if line and free:
        line.append((f"   /dev/shm {free}{' !' if scarce else ''}", "warn" if scarce else "dim"))
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


def step_time(loader: model.Loader, look: Look, height: int = 8) -> list[Line]:
    """Return where the time of the program's steps with a loader goes, as far as it is known."""
    width = look.width or WIDTH
    parts = costs(loader.timing, loader.pace)
    lines = _step_lines(parts, busy(loader), queue(loader), width, height)
    waiting = waits(loader.seen, width, look.ascii)
    if waiting and (height > 3 or not parts):
        lines.append(waiting)
    if look.width is None and lines and (text := step_verdict(loader)):
        lines.append([ink.span(f"{text}.", "warn" if "bound" in text else "good")])
    return lines


def _step_lines(
    parts: Sequence[Cost], working: Line, ready: Line, width: int, height: int
) -> list[Line]:
    """Return the bars, and beside or below them the workers and what lies ready."""
    gap: Line = [("   ", "")]
    if not parts:
        line = Row([*working, *(gap if working else []), *ready])
        return [ink.fit(line, width)] if line else []
    if width >= WIDE and ready:
        return bars(parts, [*working, *gap, *ready], width)
    return [*bars(parts, working, width), *([ready] if ready and height > 3 else [])]


def step_verdict(loader: model.Loader) -> str:
    """Return what holds the step up, short."""
    if loader.synthetic:
        return "one batch from memory: :synthetic off"
    seen = loader.timing or loader.pace
    return seen.verdict.rstrip(".") if seen else ""
