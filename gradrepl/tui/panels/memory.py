"""Tensors by the memory that they lie in, and the bytes of one storage drawn to scale."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from gradrepl import model
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.model.memory import Member, Stale, Storage
from gradrepl.phrases import size
from gradrepl.tui import figures
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.panels.rows import RowList

EMPTY = (
    ("No tensor is in reach.", ""),
    ("", ""),
    ("  w = torch.ones(3, requires_grad=True)   define one", "dim"),
    ("  :mem x y         says in a sentence what x and y share", "dim"),
    ("  :copies x        what each way of copying x does", "dim"),
)
CELLS = 48
"""Cells of a storage's bytes at the most."""


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


def columns(width: int) -> tuple[int, int, int, int, int]:
    """Return the cells of name, kind, shape, node and flags; the version takes 5."""
    if width < 56:
        name = max(10, width // 3)
        return name, max(8, width - name - 15), 10, 0, 0
    rest = width - 15
    if width < 70:
        name = rest * 2 // 5
        return name, rest - name - 13, 13, 0, 10
    shape, node = 15, 18
    name = min(30, (rest - shape - node) * 3 // 5)
    return name, min(34, rest - shape - node - name), shape, node, 10


def how(member: Member) -> str:
    """Return in which way the tensor lies in this storage."""
    if member.saved_version is not None:
        return f"saved at v{member.saved_version}"
    return f"{member.kind} of {member.of}" if member.of else member.kind


def draw(row: MemoryRow, width: int) -> Line:
    """Return one line of the list."""
    name, kind, shape, node, flags = columns(width)
    storage, member = row.storage, row.member
    if member is None:
        several = storage.names != 1
        about = f"{size(storage.nbytes)}  {storage.device}  {storage.names} name{'s' * several}"
        about += f"  {storage.shared}" if storage.shared else ""
        left: Line = [("▼ ", "dim"), (f"{storage.id} ", "title"), span(about, "dim")]
        warning = (
            [("! saved value changed" if width >= 60 else "! stale", "bad")] if row.bad else []
        )
        return ink.between(left, warning, width)
    of = how(member)
    mark = "!" if member.stale else " "
    grad = "yes" if member.requires_grad else "no"
    leaf = "yes" if member.is_leaf else "no"
    version = "-" if member.version is None else f"v{member.version}"
    made: Line = [(ink.pad(member.grad_fn or "", node), "dim")] if node else []
    return [
        (f"{mark} ", "bad"),
        (ink.pad(ink.clip(member.name, name - 3), name - 2), "bad" if member.stale else "name"),
        (ink.pad(ink.clip(of, kind - 1), kind), "here" if member.kind == "data" else "module"),
        (ink.pad(figures.shape(member.shape), shape), ""),
        *made,
        (
            ink.right(grad, flags // 2) + ink.right(leaf, flags // 2),
            "leaf" if member.requires_grad and member.is_leaf else "dim",
        ),
        (ink.right(version, 5), "number"),
    ]


def head(width: int) -> Line:
    """Return the titles of the columns."""
    name, kind, shape, node, flags = columns(width)
    text = "  " + ink.pad("name", name - 2) + ink.pad("how", kind) + ink.pad("shape", shape)
    text += ink.pad("made by", node) + " grad leaf"[:flags] + "  ver"
    return [(text, "title")]


def bar(member: Member, storage: Storage, cells: int) -> str:
    """Return the bytes of ``storage`` in ``cells`` cells, those that ``member`` uses filled."""
    whole = max(1, storage.nbytes)
    filled = ["─"] * cells
    for first, last in member.ranges:
        low = first * cells // whole
        high = max(low + 1, -(-last * cells // whole))
        for cell in range(low, min(high, cells)):
            filled[cell] = "█"
    return "".join(filled)


def draw_map(storage: Storage, chosen: str, stale: tuple[Stale, ...], width: int) -> list[Line]:
    """Return the storage's bytes, one bar a tensor, and what was changed in it."""
    longest = min(max((len(each.name) for each in storage.members), default=4), width // 4)
    cells = min(CELLS, max(8, width - longest - 22))
    lines: list[Line] = []
    for each in stale:
        lines += ink.wrap([("! ", "bad"), span(each.sentence, "warn")], width, 2)
    for member in storage.members:
        here = member.name == chosen
        part = "" if member.exact else f", {member.density:.0%} of it"
        lines.append([
            (ink.pad(ink.clip(member.name, longest), longest) + " ", "here" if here else "name"),
            (bar(member, storage, cells), "here" if here else "number"),
            span(f" {size(member.nbytes)}{part}  {how(member)}", "dim"),
        ])  # fmt: skip
    return lines


class MemoryList(RowList[MemoryRow]):
    """Every tensor that can be named, grouped by storage; what shares comes first."""

    NAME: ClassVar[str] = "Memory"
    HELP: ClassVar[str] = (
        "Every tensor in reach, under the storage whose memory it lies in: ▼ @3 is a storage "
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
        self.renew()
        self.supply(rows, 0, len(rows))
        if found is not None:
            shown = len(found.storages)
            of = f" of {found.total}" if found.total > shown else ""
            self.caption("Memory", f"{shown}{of} storages  {size(found.nbytes)}")
        same = (row.id for row in rows if was and _key(row) == _key(was))
        self.cursor = next(same, min(1, len(rows) - 1))

    def draw_head(self, width: int) -> Line:
        """Return the column titles."""
        return head(width)

    def draw_row(self, row: MemoryRow, index: int, width: int) -> Line:
        """Return one storage or tensor."""
        return draw(row, width)

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
        "the bytes that it sees. Two tensors that fill the same column see the same memory, so "
        "a write by one changes the other."
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
        lines = draw_map(row.storage, name, self._stale, self.room)
        self.write(lines)
        place = next((i for i, line in enumerate(lines) if line[0][1] == "here"), 0)
        if place >= self.size.height:
            self.scroll_to(y=place - self.size.height + 1, animate=False, immediate=True)
        else:
            self.scroll_home(animate=False, immediate=True)
