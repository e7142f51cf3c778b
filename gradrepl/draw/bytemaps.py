"""Which bytes of a storage a tensor uses, to scale."""

from __future__ import annotations

from gradrepl.model.memory import Member

CELLS = 48
"""Cells of a byte map at the most."""
FULL, PART, NONE = "█", "▒", "─"


def byte_map(member: Member, nbytes: int, cells: int = CELLS, ascii: bool = False) -> str:
    """Return a cell for each so many bytes: used, used in part ('▒'), or not.

    What is used shows in one cell at least. Of a strided view that is too fine to list, every
    cell is used in part.

    >>> row = Member(name="row", kind="view", ranges=((40, 80),))
    >>> byte_map(row, 160, cells=8)
    '──██────'
    >>> byte_map(Member(name="x", kind="view", ranges=((0, 160),), density=0.1), 160, cells=8)
    '▒▒▒▒▒▒▒▒'
    """
    full, part, none = ("#", "+", "-") if ascii else (FULL, PART, NONE)
    shown = []
    for cell in range(cells):
        first, last = cell * nbytes / cells, (cell + 1) * nbytes / cells
        used = sum(max(0.0, min(b, last) - max(a, first)) for a, b in member.ranges)
        used *= member.density
        shown.append(full if used >= (last - first) * 0.999 > 0 else part if used > 0 else none)
    return "".join(shown)
