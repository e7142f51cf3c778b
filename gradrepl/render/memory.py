"""Who shares memory with whom, and who wrote to it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from gradrepl import model
from gradrepl.phrases import line_of, place, size
from gradrepl.render.pieces import Look, columns, line, render

CELLS = 48
"""Cells of a byte map."""
ALONE = 20
"""Storages with a single name that are listed; the largest ones."""
NAME = 22
NOTES = {
    "unrecorded": "not recorded: by an optimizer, or by code that ran with nothing armed",
    "content": "changed unseen: through .data, NumPy or C, by what was not recorded",
}
"""What a timeline's words mean, said once below it."""


def bar(member: model.Member, nbytes: int, ascii_only: bool = False, cells: int = CELLS) -> str:
    """Return which bytes of a storage a member uses, to scale.

    A cell is full, in part ('▒'), or not ('-') used; what is used shows in one cell at least.
    """
    full, part, none = ("#", "+", "-") if ascii_only else ("█", "▒", "-")
    shown = []
    for cell in range(cells):
        first, last = cell * nbytes / cells, (cell + 1) * nbytes / cells
        used = sum(max(0.0, min(b, last) - max(a, first)) for a, b in member.ranges)
        used *= member.density
        shown.append(full if used >= (last - first) * 0.999 > 0 else part if used > 0 else none)
    return "".join(shown)


def _short(name: str, width: int = NAME) -> str:
    return name if len(name) <= width else "…" + name[1 - width :]


def _how(member: model.Member) -> str:
    return f"{member.kind} of {_short(member.of)}" if member.of else member.kind


def _version(member: model.Member) -> str:
    if member.saved_version is not None:
        return f"saved v{member.saved_version}" + (" STALE" if member.stale else "")
    return "" if member.version is None else f"v{member.version}"


def _flags(member: model.Member) -> str:
    if member.saved_version is not None:
        return place(member.site)
    if not member.requires_grad:
        return ""
    return "leaf, grad" if member.is_leaf else member.grad_fn or "grad"


@render.register
def _(record: model.Storages, look: Look) -> RenderableType:
    several = [each for each in record.storages if each.names > 1]
    alone = sorted((s for s in record.storages if s.names <= 1), key=lambda s: -s.nbytes)
    parts: list[RenderableType] = [_storage(each, look) for each in several]
    if alone:
        parts += [line(look, ("with one name", "bold"))] if several else []
        parts.append(columns([_alone(each) for each in alone[:ALONE]], look))
    rest = record.total - len(several) - min(len(alone), ALONE)
    parts += [line(look, (f"  and {rest} more storages", "dim"))] if rest > 0 else []
    parts += [line(look, (f"! {each.sentence}", "red")) for each in record.stale]
    parts.append(_total(record, look))
    return Group(*parts, *(line(look, (f"({said}.)", "dim")) for said in record.cut))


def _total(record: model.Storages, look: Look) -> Text:
    if not record.total:
        return line(look, "there is no tensor in reach.")
    tensors = "1 tensor" if record.tensors == 1 else f"{record.tensors} tensors"
    storages = "1 storage" if record.total == 1 else f"{record.total} storages"
    return line(look, (f"{tensors} in {storages}, {size(record.nbytes)}", "dim"))


def _head(each: model.Storage) -> str:
    names = "1 name" if each.names == 1 else f"{each.names} names"
    return "  ".join(filter(None, (each.id, size(each.nbytes), each.device, each.shared, names)))


def _storage(each: model.Storage, look: Look) -> RenderableType:
    if look.plain:
        return Group(*(line(look, text) for text in _plain(each)))
    rows = [
        (_short(m.name), _how(m), str(m.shape), str(m.offset), _version(m), _flags(m))
        for m in each.members
    ]
    drawn = [m for m in each.members if m.owner != "saved" or m.stale]
    width = max(len(_short(m.name)) for m in drawn)
    maps = [
        line(look, f"  {_short(m.name).ljust(width)}", (bar(m, each.nbytes, look.ascii), "cyan"))
        for m in drawn
    ]
    head = line(look, (_head(each), "bold"))
    more = each.names - len(each.members)
    rest = [line(look, (f"  and {more} more", "dim"))] if more > 0 else []
    return Group(head, columns(rows, look), *rest, *(maps if each.nbytes else []))


def _plain(each: model.Storage) -> Iterator[str]:
    yield _head(each)
    for m in each.members:
        ranges = ", ".join(f"{first} to {last}" for first, last in m.ranges[:4])
        more = ", and more" if len(m.ranges) > 4 else ""
        part = "" if m.exact else f", {m.density:.0%} of them"
        facts = (f"bytes {ranges}{more}{part}", f"shape {m.shape}", _version(m), _flags(m))
        yield f"{m.name}: {_how(m)}, " + ", ".join(filter(None, facts))


def _alone(each: model.Storage) -> tuple[str, ...]:
    m = each.members[0]
    return each.id, size(each.nbytes), _short(m.name, 40), str(m.shape), m.owner, _version(m)


@render.register
def _(record: model.Sharing, look: Look) -> RenderableType:
    return line(look, record.sentence)


@render.register
def _(record: model.Copies, look: Look) -> RenderableType:
    head = ("", "same bytes", "version", "grad flows", "leaf", "copies")
    rows = [_way(way) for way in record.ways]
    failed = [f"{way.way}: {way.failed}" for way in record.ways if way.failed]
    if look.plain:
        done = [row for row, way in zip(rows, record.ways, strict=True) if not way.failed]
        said = [
            f"{row[0]}: " + ", ".join(f"{n} {v}" for n, v in zip(head[1:], row[1:], strict=True))
            for row in done
        ]
    else:
        said = []
    table = [] if look.plain else [columns([head, *rows], look)]
    return Group(
        *table,
        *(line(look, text) for text in [*said, *failed]),
        line(look, (f"measured on {record.measured_on}", "dim")),
    )


def _way(way: model.CopyWay) -> tuple[str, ...]:
    if way.failed:
        return way.way, "cannot", "", "", "", ""
    bytes_ = "same tensor" if way.same_tensor else _yes(way.same_bytes)
    counter = {True: "shared", False: "own", None: "none"}[way.same_counter]
    if way.same_bytes and way.same_counter is not True:
        counter += " !"
    copied = size(way.copied) if way.copied else "-"
    return way.way, bytes_, counter, _yes(way.gradient), _yes(way.leaf), copied


def _yes(flag: bool | None) -> str:
    return "-" if flag is None else "yes" if flag else "no"


@render.register
def _(record: model.Versions, look: Look) -> RenderableType:
    version = "no version counter" if record.version is None else f"version {record.version}"
    parts = [line(look, (record.name, "bold"), record.storage, version)]
    if record.dropped:
        parts.append(line(look, (f"  {record.dropped} earlier ones are not shown", "dim")))
    rows = [_moment(each, look) for each in record.moments]
    table = [columns(rows, look)] if rows else [line(look, "  nothing was recorded of it")]
    stale = [line(look, (f"! {each.sentence}", "red")) for each in record.stale]
    since = "compared from now on, at every stop" if record.began else "compared at every stop"
    content = record.content
    told = f"content is compared {content}" if "not at all" in content else f"{since}: {content}"
    present = {each.kind for each in record.moments}
    notes = [line(look, (text, "dim")) for kind, text in NOTES.items() if kind in present]
    return Group(*parts, *table, *notes, *stale, line(look, (told, "dim")))


def _moment(m: model.Moment, look: Look) -> tuple[str, ...]:
    arrow = f"v{m.before} -> v{m.after}"
    op = f"%{m.op}" if m.op is not None else ""
    where = line_of(m.site) if look.plain else place(m.site)
    through = f"via {m.through}" if m.through else ""
    match m.kind:
        case "save":
            note = "STALE" if m.stale else ""
            return (
                f"saved at v{m.after}",
                m.what,
                f"of {m.through}" if m.through else "",
                op,
                where,
                note,
            )
        case "unrecorded":
            return arrow, "not recorded", "", "", "", ""
        case "content":
            return f"still v{m.after}", "changed unseen", "", "", "", ""
    note = "" if m.seen else "own counter" if m.seen is False else "counter?"
    return arrow, m.what, through, op, where, note


@render.register
def _(record: model.Watches, look: Look) -> RenderableType:
    if not record.rows:
        return line(look, "no storage is watched; ':versions EXPR' begins it.")
    return columns([(row.name, row.storage, row.how) for row in record.rows], look)


@render.register
def _(record: model.MemoryUse, look: Look) -> RenderableType:
    rows = [
        (size(o.nbytes).rjust(10), o.owner, _count(o.storages, "storage"),
         _count(o.tensors, "tensor"))
        for o in record.owners
        if o.storages
    ]  # fmt: skip
    devices = ", ".join(f"{device} {size(n)}" for device, n in record.devices)
    parts: list[RenderableType] = [columns(rows, look)] if rows else []
    parts.append(line(look, f"  {size(record.total):>10}  in all", devices))
    if record.allocated is not None and record.reserved is not None:
        said = f"CUDA: {size(record.allocated)} allocated, {size(record.reserved)} reserved"
        parts.append(line(look, "  " + said))
    if record.largest:
        parts.append(line(look, ("the largest", "bold")))
        parts.append(columns([_holding(each) for each in record.largest], look))
    return Group(*parts, *(line(look, (f"({said}.)", "dim")) for said in record.cut))


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _holding(each: model.Holding) -> tuple[str, ...]:
    part = f"names use {size(each.used)} of it" if each.used < each.nbytes else ""
    return size(each.nbytes).rjust(10), each.storage, _short(each.name, 40), each.owner, part
