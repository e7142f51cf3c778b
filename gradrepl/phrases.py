"""Pieces of text that every face uses: numbers, sizes, places, and the facts of a record.

Facts are (name, value) pairs; an empty value says that there is nothing to say.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator

from gradrepl import model

SHORT = {
    "float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "int64": "i64",
    "int32": "i32", "int16": "i16", "int8": "i8", "uint8": "u8", "complex64": "c64",
    "complex128": "c128",
}  # fmt: skip


def figure(value: float | None) -> str:
    """Return a number as it is shown everywhere: four digits, or '-'."""
    return "-" if value is None else f"{value:.4g}"


def describe_exit(code: int) -> str:
    """Say how a process ended: 'exited with code 3', 'killed by SIGKILL'."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def size(count: int) -> str:
    """Return a number of bytes as '32.0 KiB'."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError("the loop returns")


def place(site: model.Site | None) -> str:
    """Return 'train.py:27'."""
    return site.place if site else ""


def figures(stats: model.Stats | None) -> str:
    """Return the figures of a tensor in one phrase; nans and infs only where there are any."""
    if stats is None:
        return ""
    parts = []
    if stats.min is not None and not math.isnan(stats.min):
        parts.append(f"[{figure(stats.min)}, {figure(stats.max)}]")
    named = (("mean", stats.mean), ("norm", stats.norm))
    odd = stats.nans or stats.infs  # then these are nan or inf, and tell nothing
    parts += [
        f"{name} {figure(value)}"
        for name, value in named
        if value is not None and (math.isfinite(value) or not odd)
    ]
    bad = (("nan", stats.nans), ("inf", stats.infs), ("zero", stats.zeros))
    return "  ".join([*parts, *(f"{name} {count}" for name, count in bad if count)])


def brief(tensor: model.TensorInfo | None) -> str:
    """Return '(64, 10) f32  |g| 1.4'-like: shape, short dtype, norm."""
    if tensor is None:
        return "none"
    norm = f"  |x| {figure(tensor.stats.norm)}" if tensor.stats else ""
    return f"{tensor.shape} {SHORT.get(tensor.dtype, tensor.dtype)}{norm}"


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def line_of(site: model.Site | None) -> str:
    """Return a place with the text of its line."""
    return f"{place(site)}  {site.text}" if site else ""


def named(tensor: model.TensorInfo | None) -> str:
    """'h (64, 10) f32 [0, 3.12] mean 0.4'."""
    if tensor is None:
        return "none"
    shape = f"{tensor.shape} {SHORT.get(tensor.dtype, tensor.dtype)}"
    stats = tensor.stats
    if stats is not None and not tensor.shape and stats.min is not None:
        shape += f"  = {figure(stats.min)}"  # one number: it is its own mean and norm
        stats = None
    return "  ".join(filter(None, (tensor.name, shape, figures(stats))))


def tensor_facts(t: model.TensorInfo) -> Iterator[tuple[str, str]]:
    """Yield what is known of a tensor."""
    yield "tensor", t.name
    yield "shape", str(t.shape)
    yield "dtype", f"{t.dtype} on {t.device}, {size(t.nbytes)}"
    yield "requires_grad", _yes(t.requires_grad)
    yield "leaf", _yes(t.is_leaf)
    yield "grad_fn", t.grad_fn or ""
    yield "version", "" if t.version is None else str(t.version)
    kind = "a view, " if t.is_view else ""
    yield "layout", f"{kind}{t.layout}, stride {t.stride}, offset {t.offset}"
    yield "figures", figures(t.stats)
    yield "grad", (figures(t.grad) or "there") if t.has_grad else "None"
    yield "values", t.values


def op_facts(op: model.Op) -> Iterator[tuple[str, str]]:
    """Yield what is known of an op."""
    yield "op", f"%{op.id} {op.name}"
    yield "line", line_of(op.site)
    yield "module", " ".join(filter(None, (op.module, op.module_class)))
    for number, tensor in enumerate(op.inputs):
        yield f"input {number}", named(tensor)
    for number, tensor in enumerate(op.outputs):
        yield f"output {number}", named(tensor)
    yield "in place", "; ".join(op.bumped)
    yield "created", ", ".join(op.nodes)
    yield "mode", op.mode
    yield "took", f"{op.duration * 1000:.3g} ms" if op.duration else ""


def node_facts(node: model.Node) -> Iterator[tuple[str, str]]:
    """Yield what is known of a node."""
    yield "node", f"#{node.id} {node.name}  {node.label}".rstrip()
    yield "rule", node.rule
    yield "made by", line_of(node.site)
    yield "module", node.module
    for number, tensor in enumerate(node.grad_in):
        yield f"gradient in {number}", named(tensor)
    for number, edge in enumerate(node.edges):
        ran = number < len(node.grad_out)
        value = named(node.grad_out[number]) + "  to " if ran else "to "
        yield f"gradient out {number}", f"{value}{edge.label}"
    for saved in node.saved:
        value = named(saved.tensor) if saved.tensor else saved.value
        version = saved.tensor.version if saved.tensor else None
        seen = "" if version is None else f"  version {version}"
        yield (
            f"saved {saved.name}",
            value + seen + ("" if saved.state == "ok" else f"  {saved.state}"),
        )
    yield "hooks", f"{node.hooks} of your own" if node.hooks else ""


def stop_facts(stop: model.Stop) -> Iterator[tuple[str, str]]:
    """Yield where and why we stand."""
    what = ""
    if stop.node is not None:
        total = f" of {stop.total}" if stop.total else ""
        what = f"node #{stop.node.id} {stop.node.name} {stop.node.label}".rstrip()
        what += f", number {stop.position}{total}"
    elif stop.op is not None:
        what = f"op %{stop.op.id} {stop.op.name}"
    yield "stopped", f"{stop.when} {what}" if what else stop.phase
    yield "why", stop.reason
    yield from (("note", note) for note in stop.notes)
    yield "line", line_of(stop.site)
    yield "module", stop.module
    yield "exception", stop.exception
    if stop.op is not None and stop.node is None:
        for number, tensor in enumerate(stop.op.outputs):
            yield f"output {number}", named(tensor)
        yield "mode", stop.op.mode
    if stop.node is not None:
        for number, gradient in enumerate(stop.node.grad_in):
            yield f"gradient in {number}", named(gradient)
        for number, gradient in enumerate(stop.node.grad_out):
            yield f"gradient out {number}", named(gradient)


def breakpoint_line(row: model.BreakpointInfo) -> str:
    """Return a breakpoint with its notes."""
    ignored = f"ignored {row.ignore} more times" if row.ignore else ""
    once = "once" if row.temporary else ""
    off = "" if row.enabled else "disabled"
    hits = f"hit {row.hits} times" if row.hits else ""
    block = f"runs {' ;; '.join(row.commands)}" if row.commands else ""
    notes = ", ".join(filter(None, (off, once, hits, ignored, block)))
    return f"Breakpoint {row.id}: {row.text}" + (f"  ({notes})" if notes else "")


def comparison_facts(record: model.Comparison) -> Iterator[tuple[str, str]]:
    """Yield how far two tensors are apart."""
    yield "compared", f"{record.a} and {record.b}, {record.shape}"
    if record.equal:
        yield "equal", "every element is the same"
    else:
        yield "different", f"{record.different} of {record.elements} elements"
        place = f" at {list(record.index)}: {' and '.join(record.at)}" if record.at[0] else ""
        yield "largest difference", figure(record.max_difference) + place
        relative = "" if record.relative is None else f", {figure(record.relative)} of {record.b}"
        yield "norm of the difference", figure(record.norm) + relative
        yield "cosine", "" if record.cosine is None else f"{record.cosine:.6f}"
        yield "torch.allclose", "yes" if record.close else "no"
    yield "but", "; ".join(record.notes)


def answer(record: model.TourAnswer) -> str:
    """Return what the engine says to a guess, as a word: right, or not."""
    if record.said is None:
        return f"{record.arrived:g} arrived."
    said = "Right" if record.right else f"Not {record.said:g}"
    return f"{said}: {record.arrived:g} arrived."
