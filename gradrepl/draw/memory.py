"""Who shares memory with whom, who wrote to it, and which bytes a tensor uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gradrepl import model
from gradrepl.draw import Look, drawing, ink
from gradrepl.draw.ink import Line, Row, Span
from gradrepl.draw.numbers import count, percent, shape, size
from gradrepl.draw.tables import Column, column_heads, in_columns, more, notes, table
from gradrepl.draw.tensors import source_line, yes
from gradrepl.model.memory import Member

ALONE = 20
"""Storages with a single name that are listed; the largest ones."""
NAME = 22
NOTES = {
    "unrecorded": "not recorded: by an optimizer, or by code that ran with nothing armed",
    "content": "changed unseen: through .data, NumPy or C, by what was not recorded",
}
"""What a timeline's words mean, said once below it."""
HEADS = ("name", "relation", "shape", "autograd", "version")


# -- storages ------------------------------------------------------------------------------------


def _short(name: str, width: int = NAME) -> str:
    return name if len(name) <= width else "…" + name[1 - width :]


def relation(member: model.Member) -> str:
    """Return in which way a tensor lies in its storage."""
    if member.saved_version is not None:
        of = f" of {_short(member.of)}" if member.of else ""
        return f"saved at v{member.saved_version}{of}"
    link = "with" if member.mutual else "of"
    return f"{member.kind} {link} {_short(member.of)}" if member.of else member.kind


def _autograd(member: model.Member) -> str:
    """Return who made it, or that it is a leaf; of a saved value, where it was saved."""
    if member.saved_version is not None:
        return member.site.place if member.site else ""
    if not member.requires_grad:
        return ""
    return "leaf, grad" if member.is_leaf else member.grad_fn or "grad"


def _version(member: model.Member) -> str:
    stale = " stale" if member.stale else ""
    return stale.lstrip() if member.version is None else f"v{member.version}{stale}"


def _cells(member: model.Member, name: str) -> list[Span]:
    return [
        (name, "bad" if member.stale else "name"),
        (relation(member), "here" if member.kind == "data" else "module"),
        (shape(member.shape), ""),
        (_autograd(member), "leaf" if member.requires_grad and member.is_leaf else "dim"),
        (_version(member), "bad" if member.stale else "number"),
    ]


def _columns(width: int) -> list[Column]:
    """Return the columns that a list of this width has room for."""
    version = 9 if width >= 70 else 3
    rest = width - 2 - version
    if width < 56:
        name = max(10, width // 3)
        rooms = (name, max(8, rest - name - 10), 10, 0, version)
    else:
        wide, made = (15, 18) if width >= 70 else (13, 10)
        name = min(30, (rest - wide - made) * 11 // 20)
        rooms = (name, min(34, rest - wide - made - name), wide, made, version)
    pairs = zip(HEADS, rooms, strict=True)
    return [Column(title, room, gap=title == "name") for title, room in pairs]


def storage_head(storage: model.Storage, width: int | None = None, bad: bool = False) -> Line:
    """Return the line of a storage: its id, its size, how many names it has."""
    about = (size(storage.nbytes), storage.device, storage.shared, count(storage.names, "name"))
    left = ink.join((f"{storage.id}", "title"), *((text, "dim") for text in about))
    roomy = width is None or width >= 60
    warning = [("! saved value changed" if roomy else "! stale", "bad")] if bad else []
    return Row(ink.between(left, warning, width))


def member_head(width: int) -> Line:
    """Return the titles of the columns."""
    return column_heads(_columns(width), lead="  ")


def member_row(member: model.Member, width: int) -> Line:
    """Return one tensor of a storage."""
    columns = _columns(width)
    name, *cells = _cells(member, member.name)
    rooms = (each.cells for each in columns[1:])
    rest = [
        (ink.first_words(text, room - 1 if room > 3 else room), role)  # the last one has no gap
        for (text, role), room in zip(cells, rooms, strict=True)
    ]
    return Row([("! " if member.stale else "  ", "bad"), *in_columns([name, *rest], columns)])


def byte_maps(storage: model.Storage, look: Look, chosen: str = "") -> list[Line]:
    """Return the bytes that each tensor of a storage uses, all to one scale."""
    shown = [m for m in storage.members if m.owner != "saved" or m.stale or chosen]
    room = NAME if look.width is None else max(4, min(NAME, look.width // 4))
    longest = min(max((len(m.name) for m in shown), default=4), room)
    cells = CELLS if look.width is None else min(CELLS, max(8, look.width - longest - 24))
    lines: list[Line] = []
    for m in shown:
        role = "here" if m.name == chosen else ""
        name = ink.pad(_short(m.name, longest), longest) + "  "
        drawn = byte_map(m, storage.nbytes, cells, look.ascii)
        rest = f" {size(m.nbytes)}{_part(m)}"
        lines.append(Row([(name, role or "name"), (drawn, role or "number"), (rest, "dim")]))
    return lines


def _part(m: model.Member) -> str:
    """Return where a tensor begins in its storage, and how much of that it uses."""
    at = f" at {m.offset}" if m.offset else ""
    return at if m.exact else f"{at}, {percent(m.density)} of it"


@drawing.register
def _(record: model.Storages, look: Look) -> Iterable[Line]:
    several = [each for each in record.storages if each.names > 1]
    alone = sorted((s for s in record.storages if s.names <= 1), key=lambda s: -s.nbytes)
    for each in several:
        yield storage_head(each)
        yield from _plain(each) if look.plain else _members(each, look)
    if alone:
        if several:
            yield [("with one name", "title")]
        yield from table([_alone(each) for each in alone[:ALONE]])
    listed = len(several) + min(len(alone), ALONE)
    if record.total > listed:
        yield [(f"  and {count(record.total - listed, 'more storage')}", "dim")]
    yield from stale(record.stale)
    if record.total:
        tensors, storages = count(record.tensors, "tensor"), count(record.total, "storage")
        yield [(f"{tensors} in {storages}, {size(record.nbytes)}", "dim")]
    else:
        yield [("No tensors in the current scope.", "")]
    yield from notes(record.cut, "({}.)")


def stale(values: Iterable[model.Stale]) -> Iterator[Line]:
    """Yield what was changed that a backward still needs."""
    yield from ([("! ", "bad"), ink.span(each.sentence, "bad")] for each in values)


def _members(each: model.Storage, look: Look) -> Iterator[Line]:
    yield from table([_cells(m, _short(m.name)) for m in each.members])
    yield from more(len(each.members), each.names, lead="  ")
    if each.nbytes:
        yield from (Row([("  ", ""), *line]) for line in byte_maps(each, look))


def _plain(each: model.Storage) -> Iterator[Line]:
    for m in each.members:
        ranges = ", ".join(f"{first} to {last}" for first, last in m.ranges[:4])
        rest = ", and more" if len(m.ranges) > 4 else ""
        part = "" if m.exact else f", {percent(m.density)} of them"
        used = f"bytes {ranges}{rest}{part}"
        about = ink.listed(relation(m), used, f"shape {m.shape}", _version(m), _autograd(m))
        yield [ink.span(f"{m.name}: {about}")]


def _alone(each: model.Storage) -> tuple[str, ...]:
    m = each.members[0]
    return each.id, size(each.nbytes), _short(m.name, 40), str(m.shape), m.owner, _version(m)


# -- sharing and copying -------------------------------------------------------------------------


@drawing.register
def _(record: model.Sharing, look: Look) -> Iterable[Line]:
    return ink.paragraph(record.sentence)


@drawing.register
def _(record: model.Copies, look: Look) -> Iterable[Line]:
    heads = ("", "same bytes", "version", "grad flows", "leaf", "copies")
    rows = [_way(way) for way in record.ways]
    if look.plain:
        for row, way in zip(rows, record.ways, strict=True):
            facts = ", ".join(f"{n} {v}" for n, v in zip(heads[1:], row[1:], strict=True))
            yield from [] if way.failed else [[ink.span(f"{row[0]}: {facts}")]]
    else:
        yield from table(rows, heads)
    for way in record.ways:
        yield from [[ink.span(f"{way.way}: {way.failed}")]] if way.failed else []
    yield [ink.span(f"measured on {record.measured_on}", "dim")]


def _way(way: model.CopyWay) -> tuple[str, ...]:
    if way.failed:
        return way.way, "cannot", "", "", "", ""
    same = "same tensor" if way.same_tensor else yes(way.same_bytes)
    counter = {True: "shared", False: "own", None: "none"}[way.same_counter]
    if way.same_bytes and way.same_counter is not True:
        counter += " !"
    copied = size(way.copied) if way.copied else "-"
    return way.way, same, counter, yes(way.gradient), yes(way.leaf), copied


# -- versions ------------------------------------------------------------------------------------


@drawing.register
def _(record: model.Versions, look: Look) -> Iterable[Line]:
    version = "no version counter" if record.version is None else f"version {record.version}"
    yield ink.join((record.name, "title"), record.storage, version)
    if record.dropped:
        one = "one is" if record.dropped == 1 else "ones are"
        yield [(f"  {record.dropped} earlier {one} not shown", "dim")]
    rows = [_moment(each, look) for each in record.moments]
    yield from table(rows, none="  nothing was recorded of it")
    present = {each.kind for each in record.moments}
    yield from notes((text for kind, text in NOTES.items() if kind in present), "{}")
    yield from stale(record.stale)
    yield [ink.span(_compared(record), "dim")]


def _compared(record: model.Versions) -> str:
    if "not at all" in record.content:
        return f"content is compared {record.content}"
    since = "compared from now on, at every stop" if record.began else "compared at every stop"
    return f"{since}: {record.content}"


def _moment(m: model.Moment, look: Look) -> Sequence[str | Span]:
    op = f"%{m.op}" if m.op is not None else ""
    where = source_line(m.site) if look.plain else m.site.place if m.site else ""
    match m.kind:
        case "save":
            through = f"of {m.through}" if m.through else ""
            note = ("stale" if m.stale else "", "bad")
            return f"saved at v{m.after}", m.what, through, op, where, note
        case "unrecorded":
            return f"v{m.before} -> v{m.after}", "not recorded", "", "", "", ""
        case "content":
            return f"still v{m.after}", "changed unseen", "", "", "", ""
    note = ({True: "", False: "own counter", None: "counter?"}[m.seen], "warn")
    through = f"via {m.through}" if m.through else ""
    return f"v{m.before} -> v{m.after}", m.what, through, op, where, note


@drawing.register
def _(record: model.Watches, look: Look) -> Iterable[Line]:
    rows = [(row.name, row.storage, row.how) for row in record.rows]
    return table(rows, none="no storage is watched; ':versions EXPR' begins it.")


# -- usage ---------------------------------------------------------------------------------------


@drawing.register
def _(record: model.MemoryUse, look: Look) -> Iterable[Line]:
    owners = [each for each in record.owners if each.storages]
    rows = [
        (_size(o.nbytes), o.owner, count(o.storages, "storage"), count(o.tensors, "tensor"))
        for o in owners
    ]
    yield from table(rows, none="")
    devices = ", ".join(f"{device} {size(n)}" for device, n in record.devices)
    yield ink.join(f"  {size(record.total):>10}  in all", devices)
    if record.allocated is not None and record.reserved is not None:
        allocated, reserved = size(record.allocated), size(record.reserved)
        yield [(f"  CUDA: {allocated} allocated, {reserved} reserved", "")]
    if record.largest:
        yield [("the largest", "title")]
        yield from table([_holding(each) for each in record.largest])
    yield from notes(record.cut, "({}.)")


def _size(nbytes: int) -> str:
    return size(nbytes).rjust(10)


def _holding(each: model.Holding) -> tuple[str, ...]:
    part = f"names use {size(each.used)} of it" if each.used < each.nbytes else ""
    return _size(each.nbytes), each.storage, _short(each.name, 40), each.owner, part


# -- bytes of a storage, to scale ------------------------------------------------------------------


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
