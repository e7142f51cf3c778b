"""Where a tensor or array lies: its storage, and which bytes of it.

A sparse tensor lies in several storages, one for its values and one for each of its indices.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import torch
from torch.nn.parameter import is_lazy

from gradrepl.engine import tensors, torch_private
from gradrepl.engine.memory.layout import Layout
from gradrepl.engine.memory.owners import Owned, Saving

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
        item = value.element_size()
        offset = self.address - begin + value.storage_offset() * item
        strides = tuple(stride * item for stride in value.stride())
        return Layout(offset, tensors.sizes(value.shape), strides, item)

    def begin(self) -> int:
        """Return the address of its first byte: of the storage, or of an array."""
        return self.address if self.storage is not None else self._low()

    def end(self) -> int:
        """Return the address behind its last byte."""
        return self.begin() + self.size

    def _low(self) -> int:
        return self.layout(0).span()[0]


def pieces(owned: Owned, saving: Saving | None = None) -> Iterator[Piece]:
    """Yield where ``owned`` lies; nothing for what has no storage that can be seen.

    Call it only inside of ``tensors.quiet()``.
    """
    name, owner, value = owned
    if not isinstance(value, torch.Tensor):
        yield _array(owned)
        return
    if torch_private.in_functorch(value) or is_lazy(value):
        return
    if value.layout is torch.strided and not value.is_nested:
        piece = _piece(name, owner, value, saving)
        if piece is not None:
            yield piece
        return
    for path, part in _parts(value):
        piece = _piece(name + path, owner, part, saving)
        if piece is not None:
            yield piece


def _piece(name: str, owner: str, value: torch.Tensor, saving: Saving | None) -> Piece | None:
    try:
        storage = value.untyped_storage()
        device = _device(value.device)
        address = 0 if device == "meta" else storage.data_ptr()
        size = int(storage.nbytes())
    except tensors.UNREADABLE:  # mkldnn, symbolic sizes, the user's own kinds
        return None
    return Piece(name, owner, value, storage, storage._cdata, address, size, device, saving)


_device = cache(str)


def _parts(tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    if tensor.is_sparse:
        yield "._indices()", tensor._indices()
        yield "._values()", tensor._values()
    elif tensor.layout in _COMPRESSED:
        for part in _COMPRESSED[tensor.layout]:
            yield f".{part}()", getattr(tensor, part)()


def _array(owned: Owned) -> Piece:
    array = owned.value
    address = array.__array_interface__["data"][0]
    low, high = Layout(address, array.shape, array.strides, array.itemsize).span()
    return Piece(owned.name, owned.owner, array, None, 0, address, high - low, "cpu")
