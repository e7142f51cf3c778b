"""The Forward screen: the ops that ran, newest last, and everything about the selected one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace
from textual.reactive import reactive

import gradrepl
from gradrepl import model
from gradrepl.draw import ink, lists, looking, modules
from gradrepl.draw.ink import Line, span
from gradrepl.tui.entries import Ask
from gradrepl.tui.pages.step import StepPage
from gradrepl.tui.panels.base import Drawing
from gradrepl.tui.panels.rows import MARGIN, RowList

if TYPE_CHECKING:  # loaded with the conversation, which every request is for
    import gradrepl.protocol

TREE = 60
"""Modules listed beside the ops."""
WELCOME = (
    ("Nothing has run here yet.", ""),
    ("", ""),
    ("  i          type Python below, as loss.backward()", "dim"),
    ("  :load F    run a script, stopped before its first op", "dim"),
    ("  :examples  short scripts that each teach one thing", "dim"),
    ("  :tour      three minutes that show how it works", "dim"),
    ("  ?          what is seen here, keys and commands", "dim"),
)
STOPPED = (
    ("No op is recorded yet: that begins with", ""),
    ("", ""),
    ("  s          the next op of your code; n goes over modules", "dim"),
    ("  :b nan     and c: to where the first nan is born", "dim"),
)
RUNNING = (
    ("Your code runs.", ""),
    ("", ""),
    ("  ^c         pause it at its next op", "dim"),
    ("  o          what it prints", "dim"),
)
DOING = {
    "STARTING": (("torch is being imported.", ""),),
    "RUNNING": RUNNING,
    "PAUSED": STOPPED,
    "RAISED": STOPPED,
}
"""What an empty list says, by the header's word."""


class OpList(RowList[model.OpRow]):
    """The calls of torch's API that your code made, oldest first. ✓ has run; ● is where the
    program stands: its result is in 'out' (or 'about to run' says that it comes next). Indented
    rows ran inside the one above; 'module' is the path in your model, and 'line' the line of
    your file.
    """

    NAME: ClassVar[str] = "Ops"
    when = "after"
    doing: reactive[Sequence[ink.Span]] = reactive(WELCOME)
    """Why there may be no row yet."""

    def draw_head(self, width: int) -> Line:
        return lists.op_head(width, self.digits)

    def draw_row(self, row: model.OpRow, index: int, width: int) -> Line:
        return lists.op_row(row, index == self.here, self.when, width, self.digits)

    def draw_empty(self, width: int) -> list[Line]:
        return [ink.fit([(" ", ""), line], width) for line in self.doing]


class Watches(Drawing):
    """Expressions that are evaluated at every stop, each with its value at the stop before. D adds
    one, X removes one.
    """

    NAME: ClassVar[str] = "Display"
    record: tuple[model.Watch, ...] = ()

    def captions(self) -> tuple[str, str]:
        """Return the keys that change them."""
        return self.NAME, "D add  X remove"

    def drawn(self) -> list[Line]:
        hint: Line = [(" D ", "key"), ("shows an expression here at every stop", "dim")]
        return looking.displays(self.record, self.room) or [hint]


def draw_modules(paths: Sequence[str], here: str) -> list[Line]:
    """Return the modules that ops ran in as a tree; ``here`` is marked."""
    known = sorted({part for path in (*paths, here) for part in _above(path)}, key=_order(paths))
    lines: list[Line] = []
    for path in known:
        glyph, role = modules.mark(path, here, ("✓", "done"))
        indent, name = "  " * path.count("."), path.rsplit(".", 1)[-1]
        named = span(indent + name, "here" if path == here else "module")
        lines.append([(f" {glyph} ", role), named])
    return lines


def _above(path: str) -> list[str]:
    parts = path.split(".") if path else []
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _order(paths: Sequence[str]) -> Callable[[str], list[tuple[int, str]]]:
    """Return a sort key: the order in which modules first ran, parents before children."""
    ran = list(dict.fromkeys(part for path in paths for part in _above(path)))
    first = {part: index for index, part in enumerate(ran)}
    return lambda path: [(first.get(part, len(ran)), part) for part in _above(path)]


class Side(Drawing):
    """The modules that are being called (● here, ▼ around it, ✓ done), the frames of your code
    (▶ is the one that names are looked up in), and your breakpoints: ◆ on, ○ off.
    """

    NAME: ClassVar[str] = "Where"
    record: model.Modules | None = None
    ran: Sequence[str] = ()
    """Paths of modules that ops ran in, for as long as no tree is known."""
    here = ""
    frames: model.Frames | None = None
    points: model.Breakpoints | None = None
    names: model.Variables | None = None

    def captions(self) -> tuple[str, str]:
        return self.NAME, self.here

    def drawn(self) -> list[Line]:
        width = self.room
        tree = draw_modules(self.ran, self.here)
        if self.record is not None and self.record.rows:
            tree = modules.tree(self.record, self.here, width)
        sections: dict[str, list[Line]] = {
            "Modules": tree,
            "Frames": looking.frames(self.frames, width) if self.frames else [],
            "Breakpoints": [*looking.breakpoints(self.points.rows, width)] if self.points else [],
            "Names": looking.names(self.names, width) if self.names else [],
        }
        lines: list[Line] = []
        for title, content in sections.items():
            if content:
                lines += [[], [(title, "title")], *content]
        return lines[1:]


class ForwardPage(StepPage):
    """The recorded ops, the modules around them, and the displayed expressions."""

    VIEW: ClassVar[str] = "fwd"

    def __init__(self) -> None:
        self.ops = OpList("ops")
        super().__init__(self.ops)
        self.side, self.watches = Side("side"), Watches("watches")
        self.left, self.right = self.side, self.watches
        self._next: model.OpRow | None = None
        """The row of the op that we stand before, behind all others: it is not recorded yet."""

    def on_mount(self) -> None:
        """Say how to display an expression."""
        self.watches.resized()

    def state(self, state: str) -> None:
        """Say in the empty list what goes on."""
        self.ops.doing = DOING.get(state, WELCOME)

    def jobs(self, ask: Ask, moved: bool) -> Iterable[Awaitable[None]]:
        self.watches.show(self._stop.watches if self._stop else ())
        return [self._ops(ask, moved), self._side(ask)]

    async def _ops(self, ask: Ask, moved: bool) -> None:
        count = max(1, self.ops.size.height) + MARGIN
        answer = await ask(gradrepl.protocol.OpRows(first=-count, count=count))
        if isinstance(answer, model.Ops):
            recorded, stop = answer.total, self._stop
            op = stop.op if stop is not None and stop.phase == "forward" else None
            fresh = op is not None and (not answer.rows or answer.rows[-1].id < op.id)
            self._next = row_of(op) if op is not None and fresh else None
            self._show_ops(self._with_next(answer), op, moved)
            self.ops.caption("Ops", f"{recorded} so far" if recorded else "")

    def _with_next(self, ops: model.Ops, last: bool = True) -> model.Ops:
        """Return ``ops`` with the op that we stand before, which comes behind the ``last`` row."""
        if self._next is None:
            return ops
        return replace(ops, rows=(*ops.rows, self._next) if last else ops.rows, total=ops.total + 1)

    def _show_ops(self, ops: model.Ops, op: model.Op | None, moved: bool) -> None:
        """Show the newest ops; where the program has ``moved``, the cursor goes to ``op``."""
        panel, total = self.ops, ops.total
        panel.when = self._stop.when if self._stop else "after"
        known = total == panel.total and not moved
        panel.renew()
        panel.supply(ops.rows, ops.first, total)
        panel.here = index_of(op, ops)
        if not known and total:
            panel.stand(panel.here if panel.here >= 0 else total - 1, quietly=self.raised)
        if op is None and not self.raised and not known:
            panel.tell()
        self.side.ran = list(dict.fromkeys(row.module for row in ops.rows if row.module))

    async def window(self, first: int, count: int) -> model.Ops | None:
        request = gradrepl.protocol.OpRows(first=first, count=count)
        answer = await self.host.entries.ask_now()(request)
        if not isinstance(answer, model.Ops):
            return None
        return self._with_next(answer, first + count > answer.total)

    async def _side(self, ask: Ask) -> None:
        side = self.side
        if not side.visible_now:
            return
        frames, points, names = await asyncio.gather(
            ask(gradrepl.protocol.FrameStack()),
            ask(gradrepl.protocol.ListBreakpoints()),
            ask(gradrepl.protocol.Names(limit=30)),
        )
        side.frames = frames if isinstance(frames, model.Frames) else None
        side.points = points if isinstance(points, model.Breakpoints) else None
        side.names = names if isinstance(names, model.Variables) else None
        stood, side.here = side.here, self._stop.module if self._stop else ""
        side.resized()
        if side.record is None or stood != side.here:  # reading every gradient takes a while
            tree = await ask(gradrepl.protocol.ModuleRows(count=TREE))
            side.show(tree if isinstance(tree, model.Modules) else None)

    async def detail(self, ask: Ask, row: model.OpRow) -> model.Record | None:
        return await ask(gradrepl.protocol.OpDetail(id=row.id))

    def _line_of(self, row: model.OpRow) -> str:
        """Return 'FILE:LINE' of the op, where that is known: it is inspected."""
        shown = self.inspector.record
        site = shown.site if isinstance(shown, model.Op) and shown.id == row.id else None
        return f"{site.file}:{site.line}" if site else ""

    def place(self) -> str:
        """Return 'op relu and FILE:LINE'."""
        if self.selected is None:
            return ""
        line = self._line_of(self.selected)
        return f"op {self.selected.name}" + (f" and {line}" if line else "")

    def condition_of(self, row: model.OpRow) -> str:
        """Return the op's line, or its name."""
        return self._line_of(row) or f"op {row.name}"

    def action_open_here(self) -> None:
        """Give the details all the room: of the result of the op here, everything."""
        super().action_open_here()
        stop = self.host.talk.stop
        made = stop is not None and stop.op is not None and stop.when == "after"
        if made and self.ops.cursor == self.ops.here:
            self.host.begin("describe", self._describe)

    async def _describe(self) -> None:
        answer = await self.host.entries.ask(gradrepl.protocol.Describe(expression="out"))
        if isinstance(answer, model.Tensor):
            self.inspector.show(answer)


def index_of(op: model.Op | None, ops: model.Ops) -> int:
    """Return the index of the row of ``op``, or -1."""
    here = op.id if op is not None else None
    return next((i for i, row in enumerate(ops.rows, ops.first) if row.id == here), -1)


def row_of(op: model.Op) -> model.OpRow:
    """Return the row of an op that is not recorded yet."""
    out = op.outputs[0] if op.outputs else None
    return model.OpRow(
        id=op.id,
        name=op.name,
        outputs=(out.shape,) if out else (),
        module=op.module,
        dtype=out.dtype if out else "",
        site=op.site,
        depth=op.depth,
    )
