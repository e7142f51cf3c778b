"""A tensor, described in a few lines: shared by the inspector's drawings."""

from __future__ import annotations

from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.model import Stats, TensorInfo
from gradrepl.tui import figures


def head(info: TensorInfo, width: int) -> Line:
    """Return shape, dtype, device and bytes."""
    dtype = info.dtype.removeprefix("torch.") if width >= 40 else figures.dtype(info.dtype)
    left = [
        span(figures.shape(info.shape), "number"),
        span(f" {dtype} {info.device}"),
    ]
    if info.layout != "strided":
        left.append(span(f" {info.layout}", "warn"))
    return ink.between(left, [span(figures.size(info.nbytes), "dim")], width)


def stats(figure: Stats | None, info: TensorInfo, width: int) -> list[Line]:
    """Return the figures that there are, as many to a line as fit."""
    if figure is None:
        return []
    if not info.shape and figure.mean is not None:  # one number is its own mean and norm
        bad = figures.broken(figure)
        return [[("= ", "dim"), (figures.number(figure.mean), "bad" if bad else "number")]]
    pairs = [
        ("min", figures.number(figure.min)),
        ("max", figures.number(figure.max)),
        ("mean", figures.number(figure.mean)),
        ("norm", figures.norm(figure.norm)),
        ("zero", figures.share(figure.zeros, info.shape)),
        ("nan", str(figure.nans) if figure.nans is not None else "-"),
        ("inf", str(figure.infs) if figure.infs is not None else "-"),
    ]
    shown = [(name, text) for name, text in pairs if text != "-"]
    return pack([_pair(name, text) for name, text in shown], width)


def _pair(name: str, text: str) -> Line:
    bad = name in ("nan", "inf") and text != "0"
    return [(name + " ", "dim"), (text + (" !" if bad else ""), "bad" if bad else "number")]


def pack(parts: list[Line], width: int, gap: int = 2) -> list[Line]:
    """Return ``parts`` side by side, on as many lines as they need."""
    lines: list[Line] = []
    for part in parts:
        if lines and ink.width(lines[-1]) + gap + ink.width(part) <= width:
            lines[-1] = [*lines[-1], (" " * gap, ""), *part]
        else:
            lines.append(part)
    return lines


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def autograd(info: TensorInfo, width: int) -> list[Line]:
    """Return what autograd knows of the tensor."""
    parts: list[Line] = [
        [
            ("requires_grad ", "dim"),
            (_yes(info.requires_grad), "good" if info.requires_grad else ""),
        ],
        [("leaf ", "dim"), (_yes(info.is_leaf), "leaf" if info.is_leaf else "")],
    ]
    if info.version is not None:
        parts.append([("version ", "dim"), (str(info.version), "number")])
    if info.is_view:
        parts.append([("a view", "")])
    lines: list[Line] = []
    if info.grad_fn:
        lines.append([("grad_fn ", "dim"), span(info.grad_fn, "name")])
    lines += pack(parts, width)
    if info.grad is not None:
        lines.append([("grad |g| ", "dim"), (figures.norm(info.grad.norm), "number"),
                      (_bad(info.grad), "bad")])  # fmt: skip
    elif info.requires_grad and info.is_leaf:
        lines.append([("grad ", "dim"), ("there" if info.has_grad else "None", "")])
    return lines


def _bad(figure: Stats) -> str:
    text = figures.broken(figure)
    return f"  {text} !" if text else ""


def values(info: TensorInfo, width: int) -> list[Line]:
    """Return its values as text, when they are known and not said already."""
    if not info.values or (not info.shape and info.stats is not None):
        return []
    parts = info.values.split("\n")
    return [[], section("values", "", width),
            *(line for part in parts for line in ink.wrap([span(part)], width, 1))]  # fmt: skip


def section(title: str, note: str, width: int) -> Line:
    """Return a heading inside a panel."""
    return ink.between([(title, "title")], [span(note, "dim")] if note else [], width)


def whole(info: TensorInfo, width: int) -> list[Line]:
    """Return everything about a tensor."""
    lines = [head(info, width), *stats(info.stats, info, width), *autograd(info, width)]
    if info.stride and width >= 44:
        text = f"stride {figures.shape(info.stride)}  offset {info.offset}"
        lines.append([(text, "dim")])
    return [*lines, *values(info, width)]


def brief(info: TensorInfo | None, width: int, label: str) -> Line:
    """Return one line: label, name, shape, and what is wrong with it."""
    if info is None:
        return [span(label, "dim"), ("none", "dim")]
    name = f"{info.name} " if info.name else ""
    left = [span(label, "dim"), span(name, "name"), span(figures.tensor(info), "number")]
    end: Line = []
    if info.stats is not None:
        bad = figures.broken(info.stats)
        end = [span(f"{bad} !", "bad")] if bad else [
            ("|x| ", "dim"), (figures.norm(info.stats.norm), "number")
        ]  # fmt: skip
    elif info.version and not info.is_view:
        end = [(f"v{info.version}", "dim")]
    return ink.between(left, end, width, must=bool(figures.broken(info.stats)))
