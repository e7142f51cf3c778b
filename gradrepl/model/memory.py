"""Who shares memory with whom, and who wrote to it."""

from __future__ import annotations

import msgspec

from gradrepl.model.base import Record, Site


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor (or NumPy array) that lies in a storage, under one of its names."""

    name: str
    kind: str
    """'base', or how it shares with ``of``: 'view' (same version counter, gradient flows),
    'expand' (a view that repeats bytes: stride 0), 'detach' (same counter, no gradient), 'data'
    (same storage, a counter of its own, as ``.data`` gives), 'numpy' (no counter), 'tied' (the
    same Parameter at two places of modules), 'alias' (the same tensor by another name, a gradient
    or saved value that is another tensor's memory, or the same bytes through another storage)."""
    of: str = ""
    """Name of the member that ``kind`` relates it to; empty for a base or where it has no name."""
    mutual: bool = False
    """``kind`` holds of the two, but torch does not tell which came of which, or whether both came
    of one that has no name any more. The member that these are related to has no kind, then."""
    owner: str = ""
    """'parameter', 'buffer', 'variable', 'inside of a variable', 'gradient', 'optimizer',
    'saved' (for backward), 'at this stop'."""
    offset: int = 0
    """Bytes from the begin of the storage to its first byte."""
    nbytes: int = 0
    """Bytes of its elements: numel times the size of one, whether or not they overlap."""
    version: int | None = None
    """``_version``; None where there is no counter (NumPy, inference tensors)."""
    counter: int | None = None
    """Members of a storage with the same number have one version counter."""
    shape: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    """In elements."""
    dtype: str = ""
    requires_grad: bool = False
    is_leaf: bool = True
    grad_fn: str | None = None
    ranges: tuple[tuple[int, int], ...] = ()
    """Bytes that it uses, as [first, last) from the begin of the storage, in order."""
    exact: bool = True
    """False: too many pieces to list; ``ranges`` is one from its first byte to its last."""
    density: float = 1.0
    """Part of the bytes in ``ranges`` that it really uses; 1 where ``exact``."""
    saved_version: int | None = None
    """Of a saved value: its version when the forward saved it."""
    stale: bool = False
    """Of a saved value: it was changed since then, and backward will raise."""
    site: Site | None = None
    """Of a saved value: the line of the op that saved it, where that was recorded."""


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of memory and the tensors in it."""

    id: str
    """'@3': the same for as long as the storage lives, and never given to another."""
    nbytes: int
    device: str
    shared: str = ""
    """'shared file' (``share_memory_``), 'pinned', 'no bytes' (meta), or ''."""
    members: tuple[Member, ...]
    names: int = 0
    """Members that there are; more than ``members`` where too many to send."""


class Stale(msgspec.Struct, frozen=True, kw_only=True):
    """A value saved for backward that is no longer what it was."""

    node: str
    """'PowBackward0'."""
    saved: str
    """What the node calls it: 'self', 'result', 'saved_tensors[0]'."""
    name: str
    """The tensor's name, or ''."""
    storage: str
    silent: bool = False
    """The counter has not seen the write: backward will not raise, its gradient is wrong."""
    saved_version: int | None = None
    version: int | None = None
    site: Site | None = None
    """The line whose op saved it."""
    written_by: str = ""
    """The write that did it: 'zero_ (train.py:36) through wd', or what is known of it, or ''."""
    sentence: str = ""


class Storages(Record, frozen=True, kw_only=True):
    """Tensors in scope, grouped by the memory that they lie in; what shares comes first."""

    storages: tuple[Storage, ...]
    total: int = 0
    """Storages there are."""
    tensors: int = 0
    """Tensors there are, each counted once."""
    nbytes: int = 0
    """Bytes of all storages together."""
    stale: tuple[Stale, ...] = ()
    """Saved values that were changed in place."""
    cut: tuple[str, ...] = ()
    """What was not looked at, and why."""


class Sharing(Record, frozen=True, kw_only=True):
    """What two tensors have to do with each other."""

    a: str
    b: str
    kind: str
    """As of a Member, or of two that do not share: 'same storage, other bytes', 'clone',
    'computed', 'separate'."""
    sentence: str
    same_storage: bool = False
    overlap: int = 0
    """Bytes that both use."""
    exact: bool = True
    """False: ``overlap`` is the most that it can be."""
    same_counter: bool | None = None
    """None where one has no counter."""
    gradient: str = ""
    """'b -> a': who passes gradient to whom; '' for none."""
    writes_seen: bool | None = None
    """Does autograd notice a write through one when the other was saved? None: no bytes shared."""
    storages: tuple[str, ...] = ()


class CopyWay(msgspec.Struct, frozen=True, kw_only=True):
    """One way of copying, and what it did."""

    way: str
    """'x.detach()'."""
    same_tensor: bool = False
    """It gave back the very tensor."""
    same_bytes: bool | None = None
    same_counter: bool | None = None
    gradient: bool | None = None
    """Does gradient flow from the result to the tensor?"""
    leaf: bool | None = None
    copied: int = 0
    """New bytes that it takes for a tensor of this size."""
    failed: str = ""
    """Why it cannot be done, in torch's own words."""


class Copies(Record, frozen=True, kw_only=True):
    """What each way of copying does, tried on a tensor."""

    name: str
    ways: tuple[CopyWay, ...]
    nbytes: int = 0
    measured_on: str = ""
    """'x itself', or which stand-in and why."""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a version timeline."""

    kind: str
    """'write', 'save', 'unrecorded' (versions rose, nobody knows why), 'content' (the bytes
    changed, the version did not)."""
    op: int | None = None
    """The recorded op, where there is one."""
    what: str = ""
    """'zero_', or for a save 'PowBackward0.self'."""
    site: Site | None = None
    through: str = ""
    """The alias that was written through, or the tensor that was saved."""
    before: int | None = None
    after: int | None = None
    seen: bool | None = True
    """Did the tensor's own counter see this write? None where that is not known."""
    stale: bool = False
    """Of a save: the value is no longer what was saved."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A storage whose content is compared at every stop."""

    name: str
    storage: str
    how: str
    """'every byte', 'a sample of 262144 of 8388608 bytes', 'not at all: ...'."""


class Versions(Record, frozen=True, kw_only=True):
    """Who wrote to a tensor's memory and who saved it, in order."""

    name: str
    storage: str
    version: int | None
    moments: tuple[Moment, ...] = ()
    dropped: int = 0
    """Earlier moments that are not listed."""
    stale: tuple[Stale, ...] = ()
    content: str = ""
    """How far the content is compared: 'every byte', 'a sample of ...', 'not at all: ...'."""
    began: bool = False
    """Is this the first look, from which on content is compared?"""
    recorded: bool = True
    """Were ops recorded at all?"""


class Watches(Record, frozen=True, kw_only=True):
    """The storages whose content is compared at every stop."""

    rows: tuple[Watched, ...]


class OwnerBytes(msgspec.Struct, frozen=True):
    """What one kind of owner holds."""

    owner: str
    nbytes: int
    storages: int
    tensors: int


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One storage and the name that counts it."""

    storage: str
    name: str
    owner: str
    nbytes: int
    device: str
    used: int
    """Bytes of it that the named tensors use; a small view can hold a large storage."""


class MemoryUse(Record, frozen=True, kw_only=True, tag="Bytes"):
    """Memory by owner; a storage is counted once, at its first owner in this order."""

    owners: tuple[OwnerBytes, ...]
    total: int
    largest: tuple[Holding, ...]
    devices: tuple[tuple[str, int], ...] = ()
    """Bytes by device."""
    allocated: int | None = None
    """``torch.cuda.memory_allocated()``, all devices; None where CUDA is not in use."""
    reserved: int | None = None
    cut: tuple[str, ...] = ()
