"""What is known of one tensor; modules, Functions and graphs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType

from gradrepl import model
from gradrepl.phrases import SHORT, figure, named, place, size, tensor_facts
from gradrepl.render.pieces import Look, columns, facts, line, render, window

BLOCKS = " ▁▂▃▄▅▆▇█"
PLAIN_BLOCKS = " .:-=+*#@"


def bars(histogram: model.Histogram, ascii_only: bool) -> str:
    """Return the counts as characters, the tallest one full; what is not zero is never empty."""
    blocks = PLAIN_BLOCKS if ascii_only else BLOCKS
    top = max(histogram.counts)
    return "".join(blocks[-(-count * 8 // top)] if top else blocks[0] for count in histogram.counts)


@render.register
def _(record: model.Tensor, look: Look) -> RenderableType:
    return facts(_tensor(record, look), look)


def _tensor(t: model.Tensor, look: Look) -> Iterator[tuple[str, str]]:
    for name, value in tensor_facts(t):
        if name == "figures":
            yield name, value
            yield "spread", _spread(t.histogram, look) if t.histogram else ""
        elif name == "leaf":
            yield name, f"{value}: {t.leaf_why.partition(': ')[2]}" if t.leaf_why else value
        elif name == "grad_fn":
            yield name, ", ".join(filter(None, (value, _seq(t)))) if value else ""
            for number, each in enumerate(t.inputs):
                yield f"  input {number}", f"{each.node}  {each.label}".rstrip()
        elif name == "layout":
            yield name, ", ".join(filter(None, (value, t.memory_format)))
            yield "storage", _storage(t)
        elif name == "grad":
            yield name, value if t.has_grad and t.grad_state == "ok" else _no_grad(t, value)
        elif name == "tensor":
            others = [other for other in t.names if other != value]
            kind = "" if t.kind == "Tensor" else f"  ({t.kind})"
            yield name, value + kind
            yield "also", ", ".join(others)
        else:
            yield name, value
    yield from t.more
    yield "made by", op_ref(t.made_by) if t.made_by else ""
    for hook in t.hooks:
        yield hook.kind, _owner(hook)
    for use in t.used_by:
        yield "used by", op_ref(use) + (", which wrote to it" if use.wrote else "")
    if t.used_total > len(t.used_by):
        yield "used by", f"{t.used_total - len(t.used_by)} ops before these"


def _seq(t: model.Tensor) -> str:
    return "" if t.sequence is None else f"number {t.sequence}"


def _no_grad(t: model.Tensor, value: str) -> str:
    return f"{value}  {t.grad_why}" if t.has_grad else t.grad_why or value


def _spread(histogram: model.Histogram, look: Look) -> str:
    low, high = figure(histogram.low), figure(histogram.high)
    part = ""
    if histogram.sampled:
        part = f"  ({histogram.looked_at:,} of {histogram.total:,} elements looked at)"
    if look.plain:
        return f"from {low} to {high}: {' '.join(map(str, histogram.counts))}{part}"
    return f"{low} |{bars(histogram, look.ascii)}| {high}{part}"


def _storage(t: model.Tensor) -> str:
    if not t.storage:
        return ""
    others = f", with {', '.join(t.shares)}" if t.shares else ", nobody else in reach lives in it"
    return f"{t.storage}, {size(t.storage_nbytes)}{others}"


def op_ref(op: model.OpRef) -> str:
    """Return '%4 relu  in act  train.py:27  h = self.act(z)'."""
    where = f"{place(op.site)}  {clip(op.site.text)}" if op.site else ""
    module = f"in {op.module}" if op.module else ""
    return "  ".join(filter(None, (f"%{op.id} {op.name}", op.mode, module, where)))


def clip(text: str, width: int = 60) -> str:
    """Return ``text`` no longer than ``width``."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _owner(hook: model.HookInfo) -> str:
    return "  ".join(filter(None, (hook.owner, hook.place, "torch's own" if hook.ours else "")))


# -- modules -----------------------------------------------------------------------------------


@render.register
def _(record: model.Modules, look: Look) -> RenderableType:
    rows = [row for module in record.rows for row in _module_rows(module)]
    last = record.first + len(record.rows)
    more = [] if last >= record.total and not record.first else [
        window(record.first, len(record.rows), record.total, "modules", look)
    ]  # fmt: skip
    notes = [line(look, note) for note in _notes(record)]
    return Group(columns(rows, look), *more, *notes)


Cells = tuple[str, str, str, str, str]


def _module_rows(row: model.ModuleRow) -> Iterator[Cells]:
    """Yield the lines of a module: its own, its hooks', and those of what it keeps."""
    inside = "  " * (row.depth + 1)
    notes = [
        "" if row.training else "eval",
        row.ran if row.ran == "no op yet" else "",
        f"{row.hidden} modules folded" if row.hidden else "",
        f"the same module as {row.same_as}" if row.same_as else "",
    ]
    about = clip(f"{row.kind}({row.about})", 48) if row.about else row.kind
    count = f"{row.total:,}" if row.total else ""
    name = "  " * row.depth + (row.name or row.path)
    yield name, about, count, _grad(row.grad), _notes_of(notes)
    for hook in row.hooks:
        if not hook.ours:
            yield f"{inside}{hook.kind}", _owner(hook), "", "", ""
    for each in row.parameters:
        shape = f"{each.shape} {SHORT.get(each.dtype, each.dtype)}"
        count = f"{each.count:,}" if each.first and not each.buffer else ""
        norm = "" if each.norm is None or each.grad != "ok" else f"  |g| {figure(each.norm)}"
        yield inside + each.name, shape, count, _grad(each.grad) + norm, _parameter_notes(each)


def _grad(state: str) -> str:
    return f"grad {state}" if state else ""


def _notes_of(notes: list[str]) -> str:
    return ", ".join(filter(None, notes))


def _parameter_notes(row: model.ParameterRow) -> str:
    if row.buffer:
        return "buffer" if row.persistent else "buffer, not in the state_dict"
    return _notes_of([
        "" if row.requires_grad else "frozen",
        f"tied to {', '.join(row.tied)}" if row.tied else "",
        "in no optimizer" if row.optimized == "no" and row.requires_grad else "",
    ])  # fmt: skip


def _notes(record: model.Modules) -> Iterator[str]:
    """Yield what is to be said below the tree."""
    frozen = record.parameters - record.trainable
    yield (
        f"{record.parameters:,} parameters in {record.tensors} tensors"
        + (f", {frozen:,} of them frozen" if frozen else "")
    )  # fmt: skip
    names = ", ".join(record.optimizers)
    if record.missed_total:
        missed = ", ".join(record.missed[:8])
        more = f" and {record.missed_total - 8} more" if record.missed_total > 8 else ""
        yield f"not in {names}: {missed}{more}"
    if record.unknown:
        tensors = "1 tensor" if record.unknown == 1 else f"{record.unknown} tensors"
        yield f"{names} has {tensors} that nothing in reach has"
    for each in record.strays:
        lost = ", in no optimizer" if each.optimized == "no" else ""
        yield f"{each.name} {each.shape} is in no module: {each.why}{lost}"
    if not record.recorded:
        yield "which modules have run is not known: no op of theirs was recorded"


# -- Functions ---------------------------------------------------------------------------------


@render.register
def _(record: model.FunctionInfo, look: Look) -> RenderableType:
    parts: list[RenderableType] = [facts(_function(record), look)]
    if record.module_class:
        title = f"{record.module or record.module_class} is a Module: it keeps weights"
        parts.append(line(look, (title, "bold")))
        kept = [_kept(each) for each in record.parameters]
        parts.append(columns(kept, look) if kept else line(look, "  no parameters, no buffers"))
    if record.nodes:
        parts.append(line(look, ("its call made these Functions: they keep none", "bold")))
        made = [(n.name, n.label, n.op, n.place, _bytes(n.saved_nbytes)) for n in record.nodes]
        parts.append(columns(made, look))
    for title, source in (("forward", record.forward_source), ("backward", record.backward_source)):
        if source:
            parts.append(line(look, (title, "bold")))
            parts += [line(look, f"  {text}") for text in source.split("\n")]
    return Group(*parts)


def _kept(row: model.ParameterRow) -> tuple[str, ...]:
    shape = f"{row.shape} {SHORT.get(row.dtype, row.dtype)}"
    return row.name, shape, _grad(row.grad), _parameter_notes(row)


def _function(record: model.FunctionInfo) -> Iterator[tuple[str, str]]:
    what = "a Function of your own" if record.custom else "a Function of torch's"
    label = record.label if record.label != record.of else ""
    yield "function", "  ".join(filter(None, (record.name, f"of {record.of}", label)))
    yield "kind", ", ".join(filter(None, (what, record.kind)))
    yield "number", "" if record.sequence is None else str(record.sequence)
    yield "defined", place(record.source_site)
    for saved in record.saved:
        if "_sym_" in saved.name:  # sizes that torch keeps in case they are symbols
            continue
        yield f"saved {saved.name}", saved_text(saved)
    for name, value in record.attributes:
        yield f"ctx.{name}", value
    needs = (f"{n}: {'yes' if need else 'no'}" for n, need in enumerate(record.needs_input_grad))
    yield "needs_input_grad", "  ".join(needs)


def saved_text(saved: model.Saved) -> str:
    """Return 'h (64, 128) f32  version 0'."""
    value = named(saved.tensor) if saved.tensor else saved.value
    version = saved.tensor.version if saved.tensor else None
    seen = "" if version is None else f"  version {version}"
    return value + seen + ("" if saved.state == "ok" else f"  {saved.state}")


def _bytes(count: int | None) -> str:
    return f"saved {size(count)}" if count else ""


# -- graphs ------------------------------------------------------------------------------------


@render.register
def _(record: model.GraphView, look: Look) -> RenderableType:
    here = next((n for n, row in enumerate(record.rows) if row.state == "here"), None)
    rows = [
        (row.lanes, f"#{row.id}", row.name, _label(row), "" if row.op is None else f"%{row.op}",
         place(row.site), _norm(row), _saved(row), _state(row))
        for row in record.rows
    ]  # fmt: skip
    return Group(columns(_without_empty(rows), look, here), *_below(record, look))


def _label(row: model.NodeRow) -> str:
    return f"{row.label}  ({row.nodes} nodes)" if row.folded else row.label


def _saved(row: model.NodeRow) -> str:
    """Return 'saved 12 B: self v0': what it saved, in which version, without shapes."""
    what = ", ".join(re.sub(r" \(.*?\)", "", each) for each in row.saved)
    return ": ".join(filter(None, (_bytes(row.saved_nbytes), what)))


def _norm(row: model.NodeRow) -> str:
    return "" if row.norm is None else f"|g| {figure(row.norm)}"


def _state(row: model.NodeRow) -> str:
    stale = "stale: changed in place" if row.state == "stale" else row.state
    return stale if stale != "predicted" else ""


def _without_empty(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Leave out the columns in which nothing stands."""
    wanted = [any(column) for column in zip(*rows, strict=True)]
    return [tuple(c for c, keep in zip(row, wanted, strict=True) if keep) for row in rows]


def _below(record: model.GraphView, look: Look) -> Iterator[RenderableType]:
    shown, total = len(record.rows), record.total
    what = f"rows with '{record.pattern}'" if record.pattern else "rows"
    if total is None:
        yield line(look, (f"{record.first + 1}-{record.first + shown} of many {what}", "dim"))
    elif shown < total or record.pattern:
        yield window(record.first, shown, total, what, look)
    saved = "" if record.saved_nbytes is None else f", {size(record.saved_nbytes)} saved"
    leaves = f" and {record.leaves} leaves" if record.leaves else ""
    root = f" of {record.root}" if record.root else ""
    depth = "" if record.depth is None else f", modules folded at depth {record.depth}"
    text = f"graph{root}: {record.nodes:,} nodes{leaves}, {record.edges:,} edges{saved}{depth}"
    yield line(look, (text, "dim"))
    if not record.recorded:
        text = "its forward was not recorded: modules and lines are not known"
        yield line(look, (text, "dim"))
