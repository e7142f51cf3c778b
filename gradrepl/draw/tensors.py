"""What may be said of one tensor: in a phrase, as facts, and how far two are apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import get_type_hints

from gradrepl import model
from gradrepl.draw import Look, drawing, ink
from gradrepl.draw.charts import histogram
from gradrepl.draw.ink import Line
from gradrepl.draw.numbers import broken, count, dtype, elements, number, percent, shape, size
from gradrepl.draw.tables import Fact, facts

STATES = {"changed in place": "bad", "freed": "warn", "packed": "dim"}
"""How what has become of a saved value is written."""
LONG = 60
"""Characters of a line of source that are shown behind a fact."""


# -- in a phrase ---------------------------------------------------------------------------------


def bad(stats: model.Stats | None) -> str:
    """Return 'nan 3  inf 1 !' of a tensor that has any, else nothing."""
    if stats is None or not (stats.nans or stats.infs):
        return ""
    parts = (("nan", stats.nans), ("inf", stats.infs))
    return "  ".join(f"{name} {many}" for name, many in parts if many) + " !"


def statistics(stats: model.Stats | None, sizes: tuple[int, ...] | None = None) -> Line:
    """Return 'min 0  max 3.12  mean 0.41  norm 28.5  zero 51.2%'; nan and inf where there are any.

    What is nan only because an element is, tells nothing and is left out.
    """
    if stats is None:
        return []
    odd = bad(stats)
    ordered = stats.min is not None and not math.isnan(stats.min)
    named = [("min", stats.min), ("max", stats.max)] if ordered else []
    sums = (("mean", stats.mean), ("norm", stats.norm))
    named += [each for each in sums if not (odd and broken(each[1]))]
    texts = [(name, number(value)) for name, value in named if value is not None]
    if stats.zeros:
        texts.append(("zero", _zeros(stats.zeros, sizes)))
    parts: list[Line] = [[(f"{name} ", "dim"), (text, "number")] for name, text in texts]
    if odd:
        parts.append([(odd, "bad")])
    return next(iter(ink.pack(parts, None)), [])


def _zeros(zeros: int, sizes: tuple[int, ...] | None) -> str:
    total = elements(sizes) if sizes is not None else 0
    return percent(zeros / total) if total else f"{zeros}"


def kind(info: model.TensorInfo) -> str:
    """Return ``(64, 128) f32``."""
    return f"{shape(info.shape)} {dtype(info.dtype)}"


def named(info: model.TensorInfo | None) -> Line:
    """Return 'h  (64, 10) f32  min 0  max 3.12  mean 0.4'; a single number as '= 2.5'."""
    if info is None:
        return [("none", "dim")]
    line = ink.join((info.name, "name"), kind(info))
    stats = info.stats
    if stats is not None and not info.shape and stats.mean is not None:
        role = "bad" if broken(stats.mean) else "number"
        return [*line, ("  = ", "dim"), (number(stats.mean), role)]
    return ink.behind(line, statistics(stats, info.shape))


def short(info: model.TensorInfo | None) -> Line:
    """Return 'z  (64, 10) f32  norm 1.4', or in place of the norm what is wrong."""
    if info is None:
        return [("none", "dim")]
    wrong = bad(info.stats)
    norm = f"norm {number(info.stats.norm)}" if info.stats and not wrong else ""
    return ink.join((info.name, "name"), kind(info), (norm, "number"), (wrong, "bad"))


def brief(info: model.TensorInfo) -> str:
    """Return '(64, 10) f32  norm 1.4': shape, dtype, norm."""
    norm = f"  norm {number(info.stats.norm)}" if info.stats else ""
    return kind(info) + norm


def saved_value(saved: model.Saved) -> Line:
    """Return 'h  (64, 128) f32  version 0', and what has become of it."""
    line = named(saved.tensor) if saved.tensor else [ink.span(saved.value)]
    version = saved.tensor.version if saved.tensor else None
    if version is not None:
        line = [*line, (f"  version {version}", "dim")]
    if saved.state == "ok":
        return line
    mark = "  ! " if saved.state == "changed in place" else "  "
    return [*line, ink.span(mark + saved.state, STATES.get(saved.state, "dim"))]


def yes(flag: bool | None) -> str:
    """Return 'yes', 'no', or '-' where nobody knows."""
    return "-" if flag is None else "yes" if flag else "no"


def source_line(site: model.Site | None) -> str:
    """Return a place with the text of its line."""
    return f"{site.place}  {site.text.strip()}" if site else ""


# -- as facts ------------------------------------------------------------------------------------


TITLED = [
    (meta.title, field)
    for field, hint in get_type_hints(model.TensorInfo, include_extras=True).items()
    for meta in getattr(hint, "__metadata__", ())
]
"""The facts that the record itself names."""


def tensor_facts(t: model.TensorInfo) -> Iterator[Fact]:
    """Yield what is known of a tensor without asking for more."""
    yield "tensor", t.name
    yield "shape", shape(t.shape)
    yield "dtype", f"{t.dtype} on {t.device}, {size(t.nbytes)}"
    for title, field in TITLED:
        value = getattr(t, field)
        yield title, yes(value) if isinstance(value, bool) else "" if value is None else str(value)
    yield "layout", layout(t)
    yield "statistics", statistics(t.stats, t.shape)
    yield "grad", (statistics(t.grad, t.shape) or "there") if t.has_grad else "None"
    yield "values", t.values


def layout(t: model.TensorInfo) -> str:
    """Return how a tensor lies in its memory."""
    view = "a view, " if t.is_view else ""
    return f"{view}{t.layout}, stride {t.stride}, offset {t.offset}"


@drawing.register
def _(record: model.TensorInfo, look: Look) -> Iterable[Line]:
    return facts(tensor_facts(record))


@drawing.register
def _(record: model.Tensor, look: Look) -> Iterable[Line]:
    return facts(_everything(record, look))


def _everything(t: model.Tensor, look: Look) -> Iterator[Fact]:
    """Yield the facts of a tensor with all that somebody asked for put where it belongs."""
    for name, value in tensor_facts(t):
        yield name, _explained(t, name, value)
        yield from _after(t, name, look)
    yield from t.more
    yield "made by", _op(t.made_by) if t.made_by else ""
    for hook in t.hooks:
        yield hook.kind, owner(hook)
    for use in t.used_by:
        yield "used by", _op(use) + (", which wrote to it" if use.wrote else "")
    before = t.used_total - len(t.used_by)
    yield "used by", f"{count(before, 'op')} before these" if before > 0 else ""


def _explained(t: model.Tensor, name: str, value: str | Line) -> str | Line:
    """Return the value of a fact with its reason, where there is one."""
    if not isinstance(value, str):
        return value
    match name:
        case "tensor":
            return value + ("" if t.kind == "Tensor" else f"  ({t.kind})")
        case "leaf" if t.leaf_why:
            return f"{value}: {t.leaf_why.partition(': ')[2]}"
        case "grad_fn" if value and t.sequence is not None:
            return f"{value}, number {t.sequence}"
        case "layout" if t.memory_format:
            return f"{value}, {t.memory_format}"
        case "grad" if not (t.has_grad and t.grad_state == "ok"):
            return f"{value}  {t.grad_why}" if t.has_grad else t.grad_why or value
    return value


def _after(t: model.Tensor, name: str, look: Look) -> Iterator[Fact]:
    """Yield the facts that follow on the one of this name."""
    match name:
        case "tensor":
            yield "also", ", ".join(other for other in t.names if other != t.name)
        case "grad_fn":
            for at, each in enumerate(t.inputs):
                yield f"  input {at}", f"{each.node}  {each.label}".rstrip()
        case "layout" if t.storage:
            shared = ", ".join(t.shares)
            with_ = f"shared with {shared}" if shared else "not shared with another variable"
            yield "storage", f"{t.storage}, {size(t.storage_nbytes)}, {with_}"
        case "statistics" if t.histogram:
            yield "histogram", _histogram(t.histogram, look)


def _histogram(bins: model.Histogram, look: Look) -> str:
    low, high = number(bins.low), number(bins.high)
    part = f"  ({bins.looked_at:,} of {count(bins.total, 'element')})" if bins.sampled else ""
    if look.plain:
        return f"from {low} to {high}: {' '.join(map(str, bins.counts))}{part}"
    return f"{low} |{histogram(bins.counts, look.ascii)}| {high}{part}"


def _op(op: model.OpRef) -> str:
    """Return '%4 relu  in act  train.py:27  h = self.act(z)'."""
    where = f"{op.site.place}  {ink.clip(op.site.text, LONG)}" if op.site else ""
    module = f"in {op.module}" if op.module else ""
    return ink.listed(f"%{op.id} {op.name}", op.mode, module, where, gap="  ")


def owner(hook: model.HookInfo) -> str:
    """Return whose a hook is, and where it is defined."""
    return ink.listed(hook.owner, hook.place, "torch's own" if hook.ours else "", gap="  ")


# -- two tensors ---------------------------------------------------------------------------------


@drawing.register
def _(record: model.Comparison, look: Look) -> Iterable[Line]:
    return facts(_apart(record))


def _apart(record: model.Comparison) -> Iterator[Fact]:
    yield "compared", f"{record.a} and {record.b}, {record.shape}"
    if record.equal:
        yield "equal", "every element is the same"
    else:
        yield "different", f"{record.different} of {count(record.elements, 'element')}"
        at = f" at {list(record.index)}: {' and '.join(record.at)}" if record.at[0] else ""
        yield "largest difference", number(record.max_difference) + at
        relative = "" if record.relative is None else f", {number(record.relative)} of {record.b}"
        yield "norm of the difference", number(record.norm) + relative
        yield "cosine", "" if record.cosine is None else f"{record.cosine:.6f}"
        yield "torch.allclose", yes(record.close)
    yield "but", "; ".join(record.notes)
