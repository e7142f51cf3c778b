"""The Memory screen: tensors by the memory that they lie in, and the bytes of one storage."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from gradrepl import model, protocol
from gradrepl.draw import memory
from gradrepl.draw.ink import Line
from gradrepl.draw.numbers import count, size
from gradrepl.model.memory import Member, Storage
from gradrepl.tui.entries import Ask
from gradrepl.tui.pages.page import Page
from gradrepl.tui.panels.base import Drawing
from gradrepl.tui.panels.rows import RowList


class MemoryRow(NamedTuple):
    """A storage's own line, or that of one tensor in it."""

    storage: Storage
    member: Member | None
    bad: bool
    """Was a value saved for backward changed here?"""


def rows_of(storages: model.Storages) -> list[MemoryRow]:
    """Return the lines of the list: each storage and under it its tensors."""
    bad = {each.storage for each in storages.stale}
    return [
        MemoryRow(storage, member, storage.id in bad)
        for storage in storages.storages
        for member in (None, *storage.members)
    ]


class MemoryList(RowList[MemoryRow]):
    """Every tensor in scope, under the storage whose memory it lies in: ▼ @3 is a storage with
    its size, below it the tensors that share it and how (view, detach, .data, numpy, saved by a
    node). v is the version counter: each write in place raises it. ! marks a value that a
    backward still needs and that was changed since.
    """

    NAME: ClassVar[str] = "Memory"
    EMPTY = (
        [("No tensors in the current scope.", "")],
        [],
        [("  w = torch.ones(3, requires_grad=True)   define one", "dim")],
        [("  :mem x y         says in a sentence what x and y share", "dim")],
        [("  :copies x        what each way of copying x does", "dim")],
    )
    record: model.Storages | None = None

    def show(self, record: model.Storages) -> None:
        """Show what is known, the cursor kept on the tensor of the same name."""
        self.record = record
        shown = len(record.storages)
        many = f"{shown} of {record.total} storages"
        many = many if record.total > shown else count(shown, "storage")
        self.caption("Memory", f"{many}  {size(record.nbytes)}")
        self.refill(rows_of(record), _key, 1)

    def draw_head(self, width: int) -> Line:
        return memory.member_head(width)

    def draw_row(self, row: MemoryRow, index: int, width: int) -> Line:
        if row.member is None:
            head = memory.storage_head(row.storage, width - 2, row.bad)
            return [("▼ ", "dim"), *head]
        return memory.member_row(row.member, width)


def _key(row: MemoryRow) -> tuple[str, str]:
    return (row.storage.id, row.member.name if row.member else "")


class MemoryMap(Drawing):
    """The bytes of the selected storage drawn to scale, a row for each tensor in it: █ are the
    bytes that it uses, ▒ those of which it uses a part. Two tensors that fill the same column
    see the same memory, so a write by one changes the other.
    """

    NAME: ClassVar[str] = "Bytes"
    record: model.Storages | None = None
    row: MemoryRow | None = None

    def captions(self) -> tuple[str, str]:
        if self.row is None:
            return self.NAME, ""
        return f"{self.row.storage.id} bytes", size(self.row.storage.nbytes)

    def drawn(self) -> list[Line]:
        if self.row is None or self.record is None:
            return []
        storage, member = self.row.storage, self.row.member
        stale = tuple(each for each in self.record.stale if each.storage == storage.id)
        name = (member.name if member else "") or storage.id
        return [*memory.stale(stale), *memory.byte_maps(storage, self.look, name)]

    def resized(self) -> None:
        """Draw to scale for this width, the selected tensor in view."""
        super().resized()
        place = next((i for i, line in enumerate(self.lines) if line[0][1] == "here"), 0)
        self.to_line(max(0, place - self.size.height + 1))


class MemoryPage(Page):
    """Who shares memory with whom."""

    VIEW: ClassVar[str] = "mem"

    def __init__(self) -> None:
        super().__init__()
        self.list = self.storages = MemoryList("memory")
        self.details = self.map = MemoryMap("map")

    async def renew(self, ask: Ask) -> None:
        answer = await ask(protocol.AskStorages())
        if isinstance(answer, model.Storages):
            self.storages.show(answer)

    async def select(self, ask: Ask) -> None:
        self.map.row = self.selected
        self.map.show(self.storages.record)

    def condition(self) -> str:
        """Return 'name x' for the selected tensor."""
        name = self.name_here()
        return f"name {name}" if name else ""

    def name_here(self) -> str:
        row = self.storages.selected
        return row.member.name if row is not None and row.member is not None else ""
