"""Tensors by the memory that they lie in, and the bytes of one storage drawn to scale."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from gradrepl import model
from gradrepl.draw import broken, ink, memory
from gradrepl.draw.ink import Line, span
from gradrepl.draw.numbers import count, size
from gradrepl.model.memory import Member, Stale, Storage
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.panels.rows import RowList

EMPTY = (
    ("No tensors in the current scope.", ""),
    ("", ""),
    ("  w = torch.ones(3, requires_grad=True)   define one", "dim"),
    ("  :mem x y         says in a sentence what x and y share", "dim"),
    ("  :copies x        what each way of copying x does", "dim"),
)


class MemoryRow(NamedTuple):
    """A storage's own line, or that of one tensor in it."""

    id: int
    storage: Storage
    member: Member | None
    bad: bool
    """Was a value saved for backward changed here?"""


def rows_of(storages: model.Storages) -> list[MemoryRow]:
    """Return the lines of the list: each storage and under it its tensors."""
    bad = {each.storage for each in storages.stale}
    rows: list[MemoryRow] = []
    for storage in storages.storages:
        for member in (None, *storage.members):
            rows.append(MemoryRow(len(rows), storage, member, storage.id in bad))
    return rows


class MemoryList(RowList[MemoryRow]):
    """Every tensor that can be named, grouped by storage; what shares comes first."""

    NAME: ClassVar[str] = "Memory"
    HELP: ClassVar[str] = (
        "Every tensor in scope, under the storage whose memory it lies in: ▼ @3 is a storage "
        "with its size, below it the tensors that share it and how (view, detach, .data, numpy, "
        "saved by a node). v is the version counter: each write in place raises it. ! marks a "
        "value that a backward still needs and that was changed since."
    )
    found: model.Storages | None = None

    def show(self, found: model.Storages | None) -> None:
        """Show what was found, the cursor kept on the tensor of the same name."""
        was = self.rows.get(self.cursor)
        self.found = found
        rows = rows_of(found) if found else []
        self.fill(rows)
        if found is not None:
            shown = len(found.storages)
            of = f" of {found.total}" if found.total > shown else ""
            many = f"{shown}{of} storages" if of else count(shown, "storage")
            self.caption("Memory", f"{many}  {size(found.nbytes)}")
        same = (row.id for row in rows if was and _key(row) == _key(was))
        self.cursor = next(same, min(1, len(rows) - 1))

    def draw_head(self, width: int) -> Line:
        """Return the column titles."""
        return memory.member_head(width)

    def draw_row(self, row: MemoryRow, index: int, width: int) -> Line:
        """Return one storage or tensor."""
        if row.member is None:
            head = memory.storage_head(row.storage, width - 2, row.bad)
            return [("▼ ", "dim"), *head]
        return memory.member_row(row.member, width)

    def draw_empty(self, width: int) -> list[Line]:
        """Say how to begin."""
        return [ink.fit([span(" " + text, role)], width) for text, role in EMPTY]

    def chosen(self) -> MemoryRow | None:
        """Return the row under the cursor."""
        return self.rows.get(self.cursor)


def _key(row: MemoryRow) -> tuple[str, str]:
    return (row.storage.id, row.member.name if row.member else "")


class MemoryMap(Paper):
    """The bytes of the selected storage, to scale."""

    NAME: ClassVar[str] = "Bytes"
    HELP: ClassVar[str] = (
        "The bytes of the selected storage drawn to scale, a row for each tensor in it: █ are "
        "the bytes that it uses, ▒ those of which it uses a part. Two tensors that fill the same "
        "column see the same memory, so a write by one changes the other."
    )
    _row: MemoryRow | None = None
    _stale: tuple[Stale, ...] = ()

    def show(self, row: MemoryRow | None, found: model.Storages | None) -> None:
        """Show the storage of ``row``."""
        self._row = row
        stale = found.stale if found else ()
        self._stale = tuple(each for each in stale if row and each.storage == row.storage.id)
        self.resized()

    def resized(self) -> None:
        """Draw to scale for this width."""
        row = self._row
        if row is None:
            self.caption("Bytes")
            self.write([])
            return
        name = row.member.name if row.member else ""
        self.caption(f"{row.storage.id} bytes", size(row.storage.nbytes))
        changed = [part for line in memory.stale(self._stale) for part in broken(line, self.room)]
        lines = [*changed, *memory.byte_maps(row.storage, self.look, name or row.storage.id)]
        self.write(lines)
        place = next((i for i, line in enumerate(lines) if line[0][1] == "here"), 0)
        if place >= self.size.height:
            self.scroll_to(y=place - self.size.height + 1, animate=False, immediate=True)
        else:
            self.scroll_home(animate=False, immediate=True)
