"""A sample taken apart: each tensor, array, number and text in it, by key, with its figures."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import torch
from msgspec import structs

from gradrepl.engine.tensor import facts, figures
from gradrepl.model import Part, Stats

DEEP = 8
MOST = 64
"""Parts of one sample."""
TEXT = 60
LABELS = ("label", "labels", "target", "targets", "y", "class", "cls", "category")
"""Keys under which labels are kept."""
ALIKE = {int, float, bool, str}
"""What a list of is one thing: tokens, words."""
Leaf = tuple[str, Any]


def leaves(sample: Any) -> list[Leaf]:
    """Return what a sample is made of: (key, value), keys as in 'meta.size' or '1.0'."""
    return list(islice(_walk("", sample, 0, set()), MOST))


def _walk(key: str, value: Any, depth: int, above: set[int]) -> Iterator[Leaf]:
    items = None if depth >= DEEP or id(value) in above else _items(value)
    if items is None:
        yield key, value
        return
    for name, inner in items:
        yield from _walk(f"{key}.{name}" if key else name, inner, depth + 1, above | {id(value)})


def _items(value: Any) -> list[tuple[str, Any]] | None:
    """Return what a container holds by name, or None for what is one thing."""
    if isinstance(value, Mapping):
        return [(str(key), value[key]) for key in list(value)[:MOST]]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=False))
    if isinstance(value, list) and value and set(map(type, value)) <= ALIKE:
        return None
    if isinstance(value, (tuple, list)):
        return [(str(at), each) for at, each in enumerate(value[:MOST])]
    return _fields(value) if dataclasses.is_dataclass(type(value)) else None


def _fields(value: Any) -> list[tuple[str, Any]] | None:
    held = getattr(value, "__dict__", None)
    if not isinstance(held, dict):
        return None
    return [(field.name, held.get(field.name)) for field in dataclasses.fields(value)]


def _is_numpy(value: Any, kind: str) -> bool:
    """Is this of one of NumPy's classes? Without NumPy nothing is."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, getattr(numpy, kind))


def as_tensor(value: Any) -> torch.Tensor | None:
    """Return an alias of what has elements (a tensor, an array, a list of numbers), or None."""
    if isinstance(value, torch.Tensor):
        return value.detach() if figures.readable(value) else None
    try:
        if _is_numpy(value, "ndarray"):
            owned = value if value.flags.writeable else value.copy()
            return torch.from_numpy(owned.view(sys.modules["numpy"].ndarray))
        if isinstance(value, list):
            return torch.tensor(value, device="cpu")
    except (TypeError, ValueError, RuntimeError, OverflowError):  # dtypes that torch does not have
        return None
    return None


def describe(key: str, value: Any) -> Part:
    """Return what may be said of one part; for the caller to be quiet."""
    if _is_numpy(value, "ndarray"):
        part = Part(kind="array", shape=tuple(value.shape), dtype=str(value.dtype))
        return structs.replace(part, key=key, stats=_stats(as_tensor(value)))
    if _is_numpy(value, "generic"):  # before Python's own numbers and texts: some are of both
        part = Part(kind="number", shape=(), dtype=str(value.dtype))
        return structs.replace(part, key=key, stats=_single(value), text=str(value)[:TEXT])
    for kinds, about in ABOUT:
        if isinstance(value, kinds):
            return structs.replace(about(value), key=key)
    size = getattr(value, "size", None)  # a PIL image has (width, height)
    shape = tuple(size) if isinstance(size, tuple) and all(type(n) is int for n in size) else None
    return Part(key=key, kind=type(value).__name__, shape=shape)


def _tensor(value: torch.Tensor) -> Part:
    text = figures.values(value) if value.numel() == 1 else ""
    shape, dtype = facts.shape(value), facts.short(value.dtype)
    return Part(kind="tensor", shape=shape, dtype=dtype, stats=figures.stats(value), text=text)


def _number(value: float | None) -> Part:
    kind = "None" if value is None else type(value).__name__
    return Part(kind=kind, stats=_single(value), text=str(value)[:TEXT])


def _text(value: str | bytes) -> Part:
    text = value if isinstance(value, str) else repr(value[:TEXT])
    return Part(kind=type(value).__name__, shape=(len(value),), text=_short(text))


def _list(value: list[Any]) -> Part:
    alias = as_tensor(value)
    text = _short(" ".join(map(str, value[:TEXT]))) if alias is None else ""
    stats = _stats(alias) if value else None
    return Part(kind="list", shape=(len(value),), stats=stats, text=text)


ABOUT: tuple[tuple[Any, Callable[[Any], Part]], ...] = (
    (torch.Tensor, _tensor),
    ((bool, int, float, type(None)), _number),
    ((str, bytes), _text),
    (list, _list),
)


def _stats(alias: torch.Tensor | None) -> Stats | None:
    return None if alias is None else figures.stats(alias)


def _short(text: str) -> str:
    line = " ".join(text[: 4 * TEXT].split())
    return line if len(line) <= TEXT else line[: TEXT - 1] + "…"


def _single(value: Any) -> Stats | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return Stats(min=number, max=number, nans=int(math.isnan(number)), infs=int(math.isinf(number)))


def described(sample: Any) -> tuple[Part, ...]:
    """Return all parts of a sample."""
    with figures.quiet():
        return tuple(describe(key, value) for key, value in leaves(sample))


def main(parts: tuple[Part, ...]) -> Part | None:
    """Return the part that a sample is mostly made of: that with the most elements."""
    sized = [part for part in parts if part.kind in ("tensor", "array", "list")]
    if not sized:
        return parts[0] if parts else None
    return max(sized, key=lambda part: math.prod(part.shape or ()))


def label(sample: Any) -> str:
    """Return the label of a sample: what is under a key for labels, else its last whole number.

    It is '' where nothing looks like one.
    """
    named, last = _labels_in(sample)
    value: Any = next(iter(named or last), None)
    number = _whole_number(value)
    if number is None:
        return value if named and isinstance(value, str) else ""
    return str(number)


def _labels_in(sample: Any) -> tuple[list[Any], list[Any]]:
    """Return the parts under keys for labels, and of a tuple or list the last one."""
    held = leaves(sample)
    named = [value for key, value in held if key.rpartition(".")[2].lower() in LABELS]
    last = [held[-1][1]] if len(held) > 1 and isinstance(sample, (tuple, list)) else []
    return named, last


def _whole_number(value: Any) -> int | None:
    if isinstance(value, int) or _is_numpy(value, "integer"):
        return int(value)
    if isinstance(value, torch.Tensor) and value.numel() == 1 and figures.readable(value):
        with figures.quiet():
            return int(value.item()) if _is_whole(value) else None
    return None


def _is_whole(tensor: torch.Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex())


def labels_of(batch: Any) -> list[str]:
    """Return the labels in a batch that was collated: its last (or labelled) row of whole numbers.

    Empty where nothing looks like labels.
    """
    with figures.quiet():
        named, last = _labels_in(batch)
        for value in [*named, *last]:
            alias = as_tensor(value)
            if alias is not None and alias.dim() == 1:
                if _is_whole(alias):
                    return [str(int(each)) for each in alias.tolist()]
            elif isinstance(value, (list, tuple)):
                return [str(each) for each in value]
    return []
