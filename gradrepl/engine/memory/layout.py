"""Which bytes a strided tensor uses: ranges from the begin of its storage, exact while few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from math import prod
from typing import Any, NamedTuple

import torch
from torch.nn.parameter import is_lazy

from gradrepl.engine import torch_private
from gradrepl.engine.memory.owners import Owned, Saving
from gradrepl.engine.tensor import facts, figures

PIECES = 65_536
"""Pieces of one tensor that are worked out; beyond, only its first and last byte are known."""
LISTED = 64
"""Ranges that a record lists."""

Range = tuple[int, int]
"""[first, last) in bytes"""


Placed = tuple[int | torch.SymInt, Sequence[int], Sequence[int], int]
"""Offset, shape and strides of a tensor in elements, and the bytes of one."""


def placed(tensor: torch.Tensor) -> Placed:
    """Return where the elements of a strided tensor lie, as torch has it."""
    return tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.element_size()


class Layout(NamedTuple):
    """Where the elements of a tensor (or array) lie, in bytes."""

    offset: int
    """Of the first element, from the begin of the storage."""
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In bytes; an array's may be negative."""
    itemsize: int

    @classmethod
    def of(cls, where: Placed, begin: int = 0) -> Layout:
        """Return which bytes a strided tensor uses whose storage begins at byte ``begin``."""
        offset, shape, strides, item = where
        in_bytes = tuple(step * item for step in facts.sizes(strides))
        return cls(begin + int(offset) * item, facts.sizes(shape), in_bytes, item)

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
        ranges = self.ranges()
        if ranges is not None:
            return total(ranges), True
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
        ranges = self.ranges()
        if ranges is not None and len(ranges) <= LISTED:
            return tuple(ranges), True, 1.0
        used = self.used()[0] if ranges is None else total(ranges)
        return ((low, high),), False, used / max(1, high - low)


def merged(ranges: list[Range]) -> list[Range]:
    """Return the same bytes as sorted ranges that neither overlap nor touch.

    >>> merged([(8, 12), (0, 4), (4, 6)])
    [(0, 6), (8, 12)]
    """
    apart: list[Range] = []
    for first, last in sorted(ranges):
        if apart and first <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(last, apart[-1][1])
        else:
            apart.append((first, last))
    return apart


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
    return total(first) + total(second) - total(merged(first + second)), True


_COMPRESSED = {
    torch.sparse_csr: ("crow_indices", "col_indices", "values"),
    torch.sparse_bsr: ("crow_indices", "col_indices", "values"),
    torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
    torch.sparse_bsc: ("ccol_indices", "row_indices", "values"),
}


class Piece(NamedTuple):
    """One named tensor (or array) in one storage."""

    name: str
    owner: str
    value: Any
    storage: torch.UntypedStorage | None
    """None for an array."""
    key: int
    """The storage's identity; of an array 0."""
    address: int
    """Where the storage begins; where an array's first element is. 0 where there are no bytes."""
    size: int
    """Bytes of the storage, or of what the array spans."""
    device: str
    saving: Saving | None = None

    def layout(self, begin: int) -> Layout:
        """Return which bytes it uses, counted from address ``begin``."""
        value = self.value
        if self.storage is None:
            return Layout(self.address - begin, value.shape, value.strides, value.itemsize)
        return Layout.of(placed(value), self.address - begin)

    def begin(self) -> int:
        """Return the address of its first byte: of the storage, or of an array."""
        return self.address if self.storage is not None else self.layout(0).span()[0]

    def end(self) -> int:
        """Return the address behind its last byte."""
        return self.begin() + self.size


def pieces(owned: Owned, saving: Saving | None = None) -> Iterator[Piece]:
    """Yield where ``owned`` lies; nothing for what has no storage that can be seen.

    Call it only inside of ``figures.quiet()``.
    """
    name, owner, value = owned
    if not isinstance(value, torch.Tensor):
        address = value.__array_interface__["data"][0]
        low, high = Layout(address, value.shape, value.strides, value.itemsize).span()
        yield Piece(name, owner, value, None, 0, address, high - low, "cpu")
        return
    if torch_private.in_functorch(value) or is_lazy(value):
        return
    if value.layout is torch.strided and not value.is_nested:
        yield from _piece(name, owner, value, saving)
        return
    for part in _parts(value):
        yield from _piece(f"{name}.{part}()", owner, getattr(value, part)(), saving)


def _piece(name: str, owner: str, value: torch.Tensor, saving: Saving | None) -> Iterator[Piece]:
    try:
        storage = value.untyped_storage()
        device = _device(value.device)
        address = 0 if device == "meta" else storage.data_ptr()
        size = int(storage.nbytes())
    except figures.UNREADABLE:  # mkldnn, symbolic sizes, the user's own kinds
        return
    yield Piece(name, owner, value, storage, storage._cdata, address, size, device, saving)


_device = cache(str)


def _parts(tensor: torch.Tensor) -> tuple[str, ...]:
    """Return the methods that give the plain tensors that a sparse one is made of."""
    return ("_indices", "_values") if tensor.is_sparse else _COMPRESSED.get(tensor.layout, ())
