"""Loaders, batches, samples, and what was found out about them."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from gradrepl import model
from gradrepl.draw import charts as pictures
from gradrepl.phrases import SHORT, figure, figures, place, size
from gradrepl.render.pieces import Look, columns, facts, line, render

ROWS = 16
"""Rows of a batch that are listed."""
SPARKS, SPARKS_ASCII = "▁▂▃▄▅▆▇█", "_.-=+*#@"
MARKS = {"error": "! ", "warning": "! ", "note": "  "}


def duration(seconds: float | None) -> str:
    """Return '3.2 ms' or '1.4 s'."""
    if seconds is None:
        return ""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def kind_of(part: model.Part) -> str:
    """Return '(1, 28, 28) f32' of a part, or what else it is."""
    shape = "" if part.shape is None else str(part.shape)
    kind = SHORT.get(part.dtype, part.dtype) or part.kind
    return " ".join(filter(None, (shape, kind)))


def span(low: float | None, high: float | None) -> str:
    """Return '0..1'."""
    return "" if low is None or high is None else f"{figure(low + 0.0)}..{figure(high + 0.0)}"


def _finding(found: model.Finding, look: Look) -> Iterator[Text]:
    style = {"error": "red", "warning": "yellow"}.get(found.severity, "")
    mark = f"{found.severity}: " if look.plain else MARKS.get(found.severity, "  ")
    yield line(look, (mark + found.what, style), place(found.site))
    if found.why:
        yield line(look, (f"    {found.why}", "dim"))
    if found.do:
        yield line(look, f"    {found.do}")


@render.register
def _(record: model.Loader, look: Look) -> RenderableType:
    head = facts(_loader(record), look)
    workers = [line(look, f"  {text}") for text in map(_worker, record.processes)]
    said = [text for found in record.findings for text in _finding(found, look)]
    return Group(head, *workers, *said)


def _loader(r: model.Loader) -> Iterator[tuple[str, str]]:
    yield "loader", f"{r.name}  {r.kind}  {place(r.site)}".rstrip()
    samples = "length unknown" if r.length is None else f"{r.length} samples"
    yield "dataset", f"{r.dataset}, {r.dataset_kind}, {samples}"
    many = "unknown" if r.batches is None else str(r.batches)
    last = ", the last one dropped if smaller" if r.drop_last else ""
    yield "batches", f"{many} of {r.batch_size or 'what the sampler says'}{last}"
    yield "order", f"{r.order} ({r.sampler})"
    yield "drawn from", r.generator
    yield "workers", f"{r.workers}, {r.start_method}" if r.workers else "none: in this process"
    for each in r.settings:
        effect = f"  no effect: {each.without_effect}" if each.without_effect else ""
        yield each.name, each.value + effect
    if r.shm_free is not None and r.shm_total is not None:
        yield "/dev/shm", f"{size(r.shm_free)} free of {size(r.shm_total)}"
    if r.batch is not None:
        epoch = "" if r.epoch is None else f" of epoch {r.epoch}"
        yield "the program", f"has got batch {r.batch}{epoch}"
    if r.ready is not None:
        yield "ready now", f"{r.ready} batches" if r.ready != 1 else "1 batch"
    if r.pace is not None:
        yield "a step", f"{duration(r.pace.step)}, of which waiting {duration(r.pace.wait)}"
        yield "verdict", r.pace.verdict
    yield "watched", "yes" if r.watched else ""
    yield "synthetic", "on: your loops get one batch from memory" if r.synthetic else ""
    yield "note", " ".join(r.notes)


def _worker(worker: model.WorkerState) -> str:
    head = f"worker {worker.id} (pid {worker.pid})"
    if not worker.alive:
        return f"{head} {worker.exit}"
    busy = "" if worker.busy is None else f", {worker.busy:.0%} busy"
    if worker.batch is None:
        return f"{head} waits for work{busy}"
    indices = f", indices {', '.join(worker.indices)}…" if worker.indices else ""
    since = f" for {duration(worker.seconds)}" if worker.seconds is not None else ""
    return f"{head} is at batch {worker.batch}{since}{busy}{indices}"


@render.register
def _(record: model.LoaderWatch, look: Look) -> RenderableType:
    if not record.on:
        return line(look, "loaders are not watched.")
    why = ", as a breakpoint waits for a batch" if record.breakpoints else ""
    seen = f" {record.batches} batches of {record.epochs} epochs so far." if record.epochs else ""
    return line(look, f"the program's loops over its loaders are watched{why}.{seen}")


@render.register
def _(record: model.Batch, look: Look) -> RenderableType:
    of = "" if record.total is None else f" of {record.total}"
    worker = "" if record.worker is None else f"worker {record.worker}"
    head = line(
        look, (f"batch {record.number}{of}  {record.loader}", "bold"), f"{record.size} samples",
        worker, f"fetched in {duration(record.seconds)}", (record.how, "dim"),
    )  # fmt: skip
    parts: list[RenderableType] = [head]
    if record.problem:
        parts.append(line(look, (f"! {record.problem}", "red")))
    rows = [_row(row, look) for row in record.rows[:ROWS]]
    if rows:
        parts.append(columns([("#", "index", "label", "shape", "range", "took", ""), *rows], look))
    more = record.size - len(rows)
    parts += [line(look, (f"  and {more} more", "dim"))] if more > 0 else []
    parts += [line(look, f"! {odd.sentence}") for odd in record.odd if odd.what != "raises"][:ROWS]
    if record.collated:
        made = ", ".join(f"{p.key}: {kind_of(p)}" if p.key else kind_of(p) for p in record.collated)
        parts.append(line(look, ("collated", "dim"), made))
    if record.labels:
        said = ", ".join(f"{label}: {count}" for label, count in record.labels)
        parts.append(line(look, ("labels", "dim"), said))
    return Group(*parts, *(line(look, (f"({note})", "dim")) for note in record.notes))


def _row(row: model.SampleRow, look: Look) -> tuple[str, ...]:
    shape = "" if row.shape is None else str(row.shape)
    kind = f"{shape} {SHORT.get(row.dtype, row.dtype)}".strip()
    mark = "!" if row.odd and not look.plain else ""
    odd = row.error or ", ".join(row.odd)
    return (
        f"{mark}{row.place}", row.index, row.label, kind, span(row.min, row.max),
        duration(row.seconds), odd,
    )  # fmt: skip


@render.register
def _(record: model.Sample, look: Look) -> RenderableType:
    of = "" if record.length is None else f" of {record.length}"
    worker = "" if record.worker is None else f"worker {record.worker}, seed {record.seed}"
    label = f"label {record.label}" if record.label else ""
    head = line(
        look, (f"{record.dataset}[{record.index}]{of}", "bold"), label,
        f"took {duration(record.seconds)}", worker, place(record.site),
    )  # fmt: skip
    body = [text for part in record.parts for text in _part(part, look)]
    steps = [_step(step) for step in record.steps]
    table = [columns([("step", "took", "made", "range", ""), *steps], look)] if steps else []
    odd = [line(look, (f"! {text}", "red")) for text in record.odd]
    random = ", ".join(record.random)
    drew = [line(look, ("draws from", "dim"), random)] if random else []
    notes = [line(look, (f"({note})", "dim")) for note in record.notes]
    return Group(head, *body, *table, *odd, *drew, *notes)


def _part(part: model.Part, look: Look) -> Iterator[Text]:
    key = f"{part.key}: " if part.key else ""
    text = part.text if part.kind != "tensor" or part.text else ""
    told = "" if part.kind in ("int", "float", "bool", "number") else figures(part.stats)
    yield line(look, f"  {key}{kind_of(part)}", told, text)
    if look.plain:
        return
    if part.lines:
        for row in pictures.ramp(part.lines):
            yield line(look, f"    {row}".rstrip() or " ")
    elif len(part.values) > 1:
        yield line(look, f"    {_spark(part.values, look)}")


def _spark(values: tuple[float, ...], look: Look) -> str:
    marks = SPARKS_ASCII if look.ascii else SPARKS
    finite = [v for v in values if v - v == 0]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    scale = (len(marks) - 1) / (high - low) if high > low else 0.0
    return "".join(marks[int((v - low) * scale)] if v - v == 0 else "!" for v in values[:64])


def _step(step: model.TransformStep) -> tuple[str, ...]:
    stats = step.out.stats
    low, high = (stats.min, stats.max) if stats else (None, None)
    bad = "first NaN !" if step.first_nan else f"{step.nans} NaN" if step.nans else ""
    return step.name, duration(step.seconds), kind_of(step.out), span(low, high), bad


@render.register
def _(record: model.LoaderCheck, look: Look) -> RenderableType:
    said = [text for found in record.findings for text in _finding(found, look)]
    nothing = [] if said else [line(look, "nothing wrong was found.")]
    seen = "; ".join(record.looked_at)
    tail = line(look, (f"looked at {seen}, in {duration(record.seconds)}", "dim"))
    return Group(line(look, (f"check of {record.name}", "bold")), *said, *nothing, tail)


@render.register
def _(record: model.Tuning, look: Look) -> RenderableType:
    rows = [_tuned(row, record) for row in record.rows]
    head = ("workers", "samples/s", "batches", "first after", "")
    stopped = [line(look, "stopped: the other numbers were not measured.")] * record.stopped
    return Group(columns([head, *rows], look), line(look, record.verdict), *stopped)


def _tuned(row: model.TuneRow, record: model.Tuning) -> tuple[str, ...]:
    if row.failed:
        return str(row.workers), "-", "", "", row.failed
    note = "best" if row.workers == record.best else ""
    note += (", " if note else "") + "now" if row.workers == record.now else ""
    rate = f"{row.samples_per_second:.0f}"
    return str(row.workers), rate, str(row.batches), duration(row.first), note


@render.register
def _(record: model.Devices, look: Look) -> RenderableType:
    rows = []
    for each in record.rows:
        free, total = each.free or 0, each.total or 0
        memory = f"{size(free)} free of {size(total)}" if each.total is not None else ""
        rows.append((each.name, each.what if each.available else "not available", memory, each.why))
    here = next((n for n, e in enumerate(record.rows) if e.name == record.chosen), None)
    return columns(rows, look, here)


@render.register
def _(record: model.Moved, look: Look) -> RenderableType:
    tensors = "1 tensor" if record.tensors == 1 else f"{record.tensors} tensors"
    if not record.moved:
        text = f"{record.name}: {tensors}, all of them on {record.device} already."
    else:
        rate = f", {size(int(record.nbytes / record.seconds))}/s" if record.seconds else ""
        text = (
            f"{record.name}: {record.moved} of {tensors} copied to {record.device}: "
            f"{size(record.nbytes)} in {duration(record.seconds)}{rate}."
        )
    return Group(line(look, text), *(line(look, (f"({n})", "dim")) for n in record.notes))
