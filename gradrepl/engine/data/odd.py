"""What is odd about some samples of a batch, beside the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from gradrepl.model import Odd, Part, SampleRow

TIMES, AT_LEAST = 5.0, 5e-3
"""Slow: so many times what the others take, and at least so many seconds."""
MAJORITY = 0.6
"""Share of the samples that must be alike for the others to be odd."""
LOUD = 1.5
"""A range beyond it, where others stay within 0..1, is of another scale."""

ByKey = dict[str, list[tuple[SampleRow, Part]]]
"""Each part of the samples, by its key."""


def find(rows: list[SampleRow], *, strict: bool = False) -> list[Odd]:
    """Return what is odd, in the order of the samples; ``strict``: they could not be collated."""
    by_key: ByKey = {}
    for row in rows:
        for part in row.parts:
            by_key.setdefault(part.key, []).append((row, part))
    oddities = [
        *(_odd(row, "", "raises", f"raises {row.error}") for row in rows if row.error),
        *_keys(rows),
        *_facts(by_key, "other shape", strict, _shape_of, "has shape {}, {} others {}"),
        *_facts(
            by_key,
            "other dtype",
            strict,
            lambda part: part.dtype or part.kind,
            "is {}, {} others {}",
        ),
        *_not_finite(rows),
        *_constant(by_key, len(rows)),
        *_ranges(by_key),
        *_slow(rows),
        *_twice(rows),
    ]
    return sorted(oddities, key=lambda each: each.place)


def name(index: str, place: int) -> str:
    """Return 'dataset[17]', or of an iterable dataset 'sample 3'."""
    return f"dataset[{index}]" if index else f"sample {place}"


def _odd(row: SampleRow, key: str, what: str, text: str) -> Odd:
    """Say something of a sample, or of one part of it."""
    whose = name(row.index, row.place) + (f" part '{key}'" if key else "")
    sentence = f"{whose} {text}."
    return Odd(place=row.place, index=row.index, key=key, what=what, sentence=sentence)


def _keys(rows: list[SampleRow]) -> Iterable[Odd]:
    keys_of = [(row, [part.key for part in row.parts]) for row in rows if not row.error]
    usual = _usual([tuple(keys) for _, keys in keys_of]) if keys_of else ()
    for row, keys in keys_of:
        if tuple(keys) != usual:
            nothing = keys == [""] and row.parts[0].kind == "None"
            text = "is None" if nothing else _difference(keys, usual)
            yield _odd(row, "", "other keys", text)


def _difference(keys: list[str], usual: Sequence[str]) -> str:
    lacks = _listed(key for key in usual if key not in keys)
    more = _listed(key for key in keys if key not in usual)
    texts = [f"lacks {lacks}" if lacks else "", f"has {more} more" if more else ""]
    return " and ".join(filter(None, texts)) or "has its parts in another order"


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(f"'{key}'" for key in list(keys)[:4])


def _usual(facts: list[Any]) -> Any:
    """Return what most have; of several as frequent, the first."""
    return Counter(facts).most_common(1)[0][0]


def _shape_of(part: Part) -> Any:
    return part.shape if part.kind in ("tensor", "array") else None


def _facts(
    by_key: ByKey, what: str, strict: bool, fact: Callable[[Part], Any], text: str
) -> Iterable[Odd]:
    """Yield who differs from the most in one fact of a part."""
    for key, pairs in by_key.items():
        facts = [(row, fact(part)) for row, part in pairs if fact(part) is not None]
        values = [value for _, value in facts]
        if len(set(values)) < 2:
            continue
        usual = _usual(values)
        same = values.count(usual)
        if not strict and same < MAJORITY * len(values):
            continue  # they differ by design: texts of many lengths
        for row, value in facts:
            if value != usual:
                yield _odd(row, key, what, text.format(value, same, usual))


def _not_finite(rows: list[SampleRow]) -> Iterable[Odd]:
    for row in rows:
        for part in row.parts:
            if part.stats is not None and part.stats.nans:
                yield _odd(row, part.key, "nan", f"has {part.stats.nans} NaN")
            if part.stats is not None and part.stats.infs:
                yield _odd(row, part.key, "inf", f"has {part.stats.infs} Inf")


def _constant(by_key: ByKey, count: int) -> Iterable[Odd]:
    for key, pairs in by_key.items():
        constant = [(row, low) for row, part in pairs if (low := _only_value(part)) is not None]
        if len(constant) <= (1 - MAJORITY) * count:
            for row, low in constant:
                yield _odd(row, key, "constant", f"is {low:.4g} everywhere")


def _only_value(part: Part) -> float | None:
    """Return the value that all elements have, of several; else None."""
    stats = part.stats
    if stats is None or math.prod(part.shape or (1,)) < 2 or stats.min != stats.max:
        return None
    return stats.min


def _ranges(by_key: ByKey) -> Iterable[Odd]:
    """Yield images 0..255 among images 0..1."""
    for key, pairs in by_key.items():
        tops = [(row, top) for row, part in pairs if (top := _top_of_image(part)) is not None]
        small = sum(top <= 1.0 for _, top in tops)
        if small < MAJORITY * len(tops) or small == len(tops):
            continue
        for row, top in tops:
            if 16 * LOUD < top < math.inf:
                text = f"goes up to {top:.4g}, {small} others stay within 1"
                yield _odd(row, key, "other range", text)


def _top_of_image(part: Part) -> float | None:
    """Return the largest value of what may be an image of fractions; else None."""
    image = part.shape is not None and len(part.shape) >= 2 and part.dtype.startswith("fl")
    return part.stats.max if image and part.stats is not None else None


def _slow(rows: list[SampleRow]) -> Iterable[Odd]:
    times = [(row, row.seconds) for row in rows if row.seconds is not None]
    if len(times) < 3:
        return
    usual = median(seconds for _, seconds in times)
    for row, seconds in times:
        if seconds > max(AT_LEAST, TIMES * usual):
            text = f"took {seconds * 1e3:.3g} ms, the median is {usual * 1e3:.3g} ms"
            yield _odd(row, "", "slow", text)


def _twice(rows: list[SampleRow]) -> Iterable[Odd]:
    places: dict[str, int] = {}
    for row in rows:
        if row.index and row.index in places:
            text = f"is at places {places[row.index]} and {row.place}"
            yield _odd(row, "", "duplicate", text)
        places.setdefault(row.index, row.place)
