"""Which bytes a strided tensor uses: ranges from the begin of its storage, exact while few."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

PIECES = 65_536
"""Pieces of one tensor that are worked out; beyond, only its first and last byte are known."""
LISTED = 64
"""Ranges that a record lists."""

Range = tuple[int, int]
"""[first, last) in bytes"""


class Layout(NamedTuple):
    """Where the elements of a tensor (or array) lie, in bytes."""

    offset: int
    """Of the first element, from the begin of the storage."""
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In bytes; an array's may be negative."""
    itemsize: int

    def span(self) -> Range:
        """Return the range from its first byte to its last; empty for no elements."""
        if 0 in self.shape:
            return self.offset, self.offset
        ends = [(n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)]
        low = self.offset + sum(end for end in ends if end < 0)
        return low, self.offset + sum(end for end in ends if end > 0) + self.itemsize

    def ranges(self) -> list[Range] | None:
        """Return exactly the bytes that it uses, sorted and apart; None for too many pieces."""
        low, high = self.span()
        if low == high:
            return []
        run, outer = self._runs()
        if prod(size for size, _ in outer) > PIECES:
            return None
        starts = [low]
        for size, stride in outer:
            starts = [start + place * stride for start in starts for place in range(size)]
        return merged([(start, start + run) for start in starts])

    def _runs(self) -> tuple[int, list[tuple[int, int]]]:
        """Return the length of a piece without gaps, and the sizes and strides around it."""
        steps = sorted(
            (abs(stride), size)
            for size, stride in zip(self.shape, self.strides, strict=True)
            if size > 1 and stride
        )
        run = self.itemsize
        while steps and steps[0][0] <= run:
            stride, size = steps.pop(0)
            run += (size - 1) * stride
        return run, [(size, stride) for stride, size in steps]

    def used(self) -> tuple[int, bool]:
        """Return the number of bytes that it uses, and whether that is exact or the most."""
        found = self.ranges()
        if found is not None:
            return total(found), True
        count = self.itemsize
        for size, stride in zip(self.shape, self.strides, strict=True):
            count *= size if stride else 1
        low, high = self.span()
        return min(count, high - low), False

    def listed(self) -> tuple[tuple[Range, ...], bool, float]:
        """Return (ranges, exact, density) as a Member has them."""
        low, high = self.span()
        if high - low == self.itemsize * prod(self.shape) and self._runs()[1] == []:
            return ((low, high),) if high > low else (), True, 1.0
        found = self.ranges()
        if found is not None and len(found) <= LISTED:
            return tuple(found), True, 1.0
        used = self.used()[0] if found is None else total(found)
        return ((low, high),), False, used / max(1, high - low)


def merged(ranges: list[Range]) -> list[Range]:
    """Return the same bytes as sorted ranges that neither overlap nor touch."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(last, found[-1][1])
        else:
            found.append((first, last))
    assert all(a[1] < b[0] for a, b in pairwise(found))
    return found


def total(ranges: Sequence[Range]) -> int:
    """Return the number of bytes in ranges that do not overlap."""
    return sum(last - first for first, last in ranges)


def overlap(a: Layout, b: Layout) -> tuple[int, bool]:
    """Return how many bytes both use (offsets from one begin), exact or the most."""
    first, second = a.ranges(), b.ranges()
    low, high = max(a.span()[0], b.span()[0]), min(a.span()[1], b.span()[1])
    if low >= high:
        return 0, True
    if first is None or second is None:
        return min(high - low, a.used()[0], b.used()[0]), False
    return _common(first, second), True


def _common(a: list[Range], b: list[Range]) -> int:
    found = i = j = 0
    while i < len(a) and j < len(b):
        found += max(0, min(a[i][1], b[j][1]) - max(a[i][0], b[j][0]))
        if a[i][1] <= b[j][1]:
            i += 1
        else:
            j += 1
    return found
