"""What is odd about some samples of a batch, beside the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from gradrepl.model import Odd, Part, SampleRow

TIMES, AT_LEAST = 5.0, 5e-3
"""Slow: so many times what the others take, and at least so many seconds."""
MAJORITY = 0.6
"""Share of the samples that must be alike for the others to be odd."""
LOUD = 1.5
"""A range beyond it, where others stay within 0..1, is of another scale."""


def find(rows: list[SampleRow], *, strict: bool = False) -> list[Odd]:
    """Return what is odd, in the order of the samples; ``strict``: they could not be collated."""
    found = [
        *_raised(rows),
        *_keys(rows),
        *_facts(rows, "other shape", strict, _shape_of, "has shape {}, {} others {}"),
        *_facts(rows, "other dtype", strict, _dtype_of, "is {}, {} others {}"),
        *_values(rows),
        *_ranges(rows),
        *_slow(rows),
        *_twice(rows),
    ]
    return sorted(found, key=lambda each: each.place)


def name(index: str, place: int) -> str:
    """Return 'dataset[17]', or of an iterable dataset 'sample 3'."""
    return f"dataset[{index}]" if index else f"sample {place}"


def _odd(row: SampleRow, key: str, what: str, sentence: str) -> Odd:
    return Odd(place=row.place, index=row.index, key=key, what=what, sentence=sentence)


def _part(key: str) -> str:
    return f" part '{key}'" if key else ""


def _raised(rows: list[SampleRow]) -> Iterable[Odd]:
    for row in rows:
        if row.error:
            yield _odd(row, "", "raises", f"{name(row.index, row.place)} raises {row.error}.")


def _keys(rows: list[SampleRow]) -> Iterable[Odd]:
    made = [row for row in rows if not row.error]
    if not made:
        return
    usual = _usual([tuple(part.key for part in row.parts) for row in made])
    for row in made:
        keys = tuple(part.key for part in row.parts)
        if keys == usual:
            continue
        lacks = [key for key in usual if key not in keys]
        more = [key for key in keys if key not in usual]
        said = [f"lacks {_listed(lacks)}"] if lacks else []
        said += [f"has {_listed(more)} more"] if more else []
        text = " and ".join(said) or "has its parts in another order"
        yield _odd(row, "", "other keys", f"{name(row.index, row.place)} {text}.")


def _listed(keys: list[str]) -> str:
    return ", ".join(f"'{key}'" for key in keys[:4])


def _usual(facts: list[Any]) -> Any:
    """Return what most have; of several as frequent, the first."""
    return Counter(facts).most_common(1)[0][0]


def _shape_of(part: Part) -> Any:
    return part.shape if part.kind in ("tensor", "array") else None


def _dtype_of(part: Part) -> Any:
    return part.dtype or part.kind


def _facts(
    rows: list[SampleRow], what: str, strict: bool, fact: Callable[[Part], Any], said: str
) -> Iterable[Odd]:
    """Yield who differs from the most in one fact of a part."""
    keys = dict.fromkeys(part.key for row in rows for part in row.parts)
    for key in keys:
        pairs = [(row, p) for row in rows for p in row.parts if p.key == key]
        pairs = [(row, part) for row, part in pairs if fact(part) is not None]
        facts = [fact(part) for _, part in pairs]
        if len(set(facts)) < 2:
            continue
        usual = _usual(facts)
        same = facts.count(usual)
        if not strict and same < MAJORITY * len(facts):
            continue  # they differ by design: texts of many lengths
        for (row, _), value in zip(pairs, facts, strict=True):
            if value != usual:
                sentence = said.format(value, same, usual)
                whose = name(row.index, row.place) + _part(key)
                yield _odd(row, key, what, f"{whose} {sentence}.")


def _values(rows: list[SampleRow]) -> Iterable[Odd]:
    for row in rows:
        for part in row.parts:
            stats, whose = part.stats, name(row.index, row.place) + _part(part.key)
            if stats is None:
                continue
            if stats.nans:
                yield _odd(row, part.key, "nan", f"{whose} has {stats.nans} NaN.")
            if stats.infs:
                yield _odd(row, part.key, "inf", f"{whose} has {stats.infs} Inf.")
    for key in dict.fromkeys(part.key for row in rows for part in row.parts):
        constant = [row for row in rows for p in row.parts if p.key == key and _constant(p)]
        if len(constant) <= (1 - MAJORITY) * len(rows):
            for row in constant:
                part = next(p for p in row.parts if p.key == key)
                low = part.stats.min if part.stats else 0.0
                whose = name(row.index, row.place) + _part(key)
                yield _odd(row, key, "constant", f"{whose} is {low:.4g} everywhere.")


def _constant(part: Part) -> bool:
    stats, size = part.stats, 1
    for each in part.shape or (1,):
        size *= each
    return stats is not None and size > 1 and stats.min is not None and stats.min == stats.max


def _ranges(rows: list[SampleRow]) -> Iterable[Odd]:
    """Yield images 0..255 among images 0..1."""
    for key in dict.fromkeys(part.key for row in rows for part in row.parts):
        found = []
        for row in rows:
            for part in row.parts:
                top = part.stats.max if part.stats is not None else None
                large = part.shape is not None and len(part.shape) >= 2
                if part.key == key and large and top is not None and part.dtype.startswith("fl"):
                    found.append((row, top))
        small = sum(top <= 1.0 for _, top in found)
        if small < MAJORITY * len(found) or small == len(found):
            continue
        for row, top in found:
            if 16 * LOUD < top < math.inf:
                whose = name(row.index, row.place) + _part(key)
                sentence = f"{whose} goes up to {top:.4g}, {small} others stay within 1."
                yield _odd(row, key, "other range", sentence)


def _slow(rows: list[SampleRow]) -> Iterable[Odd]:
    taken = [row.seconds for row in rows if row.seconds is not None]
    if len(taken) < 3:
        return
    usual = median(taken)
    for row in rows:
        if row.seconds is not None and row.seconds > max(AT_LEAST, TIMES * usual):
            text = f"took {row.seconds * 1e3:.3g} ms, the median is {usual * 1e3:.3g} ms"
            yield _odd(row, "", "slow", f"{name(row.index, row.place)} {text}.")


def _twice(rows: list[SampleRow]) -> Iterable[Odd]:
    places: dict[str, int] = {}
    for row in rows:
        if row.index and row.index in places:
            text = f"dataset[{row.index}] is at places {places[row.index]} and {row.place}."
            yield _odd(row, "", "duplicate", text)
        places.setdefault(row.index, row.place)
