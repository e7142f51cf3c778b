"""A sample taken apart: each tensor, array, number and text in it, by key, with its figures."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import torch

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
    found: list[Leaf] = []
    for key, value in _walk("", sample, 0, set()):
        found.append((key, value))
        if len(found) >= MOST:
            break
    return found


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
    if isinstance(value, (tuple, list)):
        if isinstance(value, list) and value and {type(each) for each in value} <= ALIKE:
            return None
        return [(str(place), each) for place, each in enumerate(value[:MOST])]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return [(name, vars(value).get(name, None)) for name in names] if _plain(value) else None
    return None


def _plain(value: Any) -> bool:
    return isinstance(getattr(value, "__dict__", None), dict)


def as_tensor(value: Any) -> torch.Tensor | None:
    """Return an alias of what has elements (a tensor, an array, a list of numbers), or None."""
    if isinstance(value, torch.Tensor):
        return value.detach() if figures.readable(value) else None
    numpy = sys.modules.get("numpy")
    try:
        if numpy is not None and isinstance(value, numpy.ndarray):
            owned = value if value.flags.writeable else value.copy()
            return torch.from_numpy(owned.view(numpy.ndarray))
        if isinstance(value, list):
            return torch.tensor(value, device="cpu")
    except (TypeError, ValueError, RuntimeError, OverflowError):  # dtypes that torch does not have
        return None
    return None


def describe(key: str, value: Any) -> Part:
    """Return what may be said of one part; for the caller to be quiet."""
    numpy = sys.modules.get("numpy")
    if isinstance(value, torch.Tensor):
        return Part(
            key=key, kind="tensor", shape=facts.shape(value), dtype=facts.short(value.dtype),
            stats=figures.stats(value), text=figures.values(value) if value.numel() == 1 else "",
        )  # fmt: skip
    if numpy is not None and isinstance(value, numpy.ndarray):
        alias = as_tensor(value)
        return Part(
            key=key, kind="array", shape=tuple(value.shape), dtype=str(value.dtype),
            stats=None if alias is None else figures.stats(alias),
        )  # fmt: skip
    if numpy is not None and isinstance(value, numpy.generic):
        return Part(
            key=key, kind="number", shape=(), dtype=str(value.dtype),
            stats=_single(value), text=str(value)[:TEXT],
        )  # fmt: skip
    if value is None or isinstance(value, (bool, int, float)):
        kind = "None" if value is None else type(value).__name__
        return Part(key=key, kind=kind, stats=_single(value), text=str(value)[:TEXT])
    if isinstance(value, (str, bytes)):
        shown = value if isinstance(value, str) else repr(value[:TEXT])
        return Part(
            key=key, kind=type(value).__name__, shape=(len(value),), text=_short(shown)
        )  # fmt: skip
    if isinstance(value, list):
        alias = as_tensor(value)
        return Part(
            key=key, kind="list", shape=(len(value),),
            stats=None if alias is None or not value else figures.stats(alias),
            text=_short(" ".join(map(str, value[:TEXT]))) if alias is None else "",
        )  # fmt: skip
    size = getattr(value, "size", None)  # a PIL image has (width, height)
    shape = tuple(size) if isinstance(size, tuple) and all(type(n) is int for n in size) else None
    return Part(key=key, kind=type(value).__name__, shape=shape)


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
    """Return the label of a sample: what is under a key for labels, else its last whole number."""
    value = label_value(sample)
    return "" if value is None else str(value)


def label_value(sample: Any) -> int | str | None:
    """Return a label as what it is, or None where nothing looks like one."""
    found = leaves(sample)
    for key, value in found:
        if key.rpartition(".")[2].lower() in LABELS:
            told = _whole_number(value)
            return value if told is None and isinstance(value, str) else told
    if len(found) > 1 and isinstance(sample, (tuple, list)):
        return _whole_number(found[-1][1])
    return None


def _whole_number(value: Any) -> int | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.integer):
        return int(value)
    if isinstance(value, torch.Tensor) and value.numel() == 1 and figures.readable(value):
        with figures.quiet():
            whole = not (value.is_floating_point() or value.is_complex())
            return int(value.item()) if whole else None
    return None


def labels_of(batch: Any) -> list[str]:
    """Return the labels in a batch that was collated: its last (or labelled) row of whole numbers.

    Empty where nothing looks like labels.
    """
    with figures.quiet():
        found = leaves(batch)
        named = [v for k, v in found if k.rpartition(".")[2].lower() in LABELS]
        last = [found[-1][1]] if len(found) > 1 and isinstance(batch, (tuple, list)) else []
        for value in [*named, *last]:
            alias = as_tensor(value)
            if alias is not None and alias.dim() == 1:
                if not (alias.is_floating_point() or alias.is_complex()):
                    return [str(int(each)) for each in alias.tolist()]
            elif isinstance(value, (list, tuple)):
                return [str(each) for each in value]
    return []


def replace(part: Part, **more: Any) -> Part:
    """Return ``part`` with some facts more."""
    return msgspec.structs.replace(part, **more)
