"""The Forward screen: the ops that ran, newest last, and everything about the selected one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from typing import ClassVar

from textual.widget import Widget

from gradrepl import model
from gradrepl.tui.pages.page import Ask
from gradrepl.tui.pages.step import StepPage
from gradrepl.tui.panels.ops import OpList
from gradrepl.tui.panels.rows import MARGIN, Window
from gradrepl.tui.panels.side import Side
from gradrepl.tui.panels.watches import Watches

TREE = 60
"""Modules listed beside the ops."""
DOING = {"STARTING": "starting", "RUNNING": "running", "PAUSED": "stopped", "RAISED": "stopped"}
"""What an empty list says, by the header's word."""


class ForwardPage(StepPage):
    """The recorded ops, the modules around them, and the displayed expressions."""

    VIEW: ClassVar[str] = "fwd"

    def __init__(self) -> None:
        self.ops = OpList("ops")
        super().__init__(self.ops)
        self.ops.fetch = self._rows
        self.side = Side("side")
        self.watches = Watches("watches")
        self._next: tuple[int, model.OpRow] | None = None
        """Index and row of the op that we stand before; it is not recorded yet."""

    def before(self) -> Iterator[Widget]:
        """Yield where we are."""
        yield self.side

    def beside(self) -> Iterator[Widget]:
        """Yield the displayed expressions."""
        yield self.watches

    def on_mount(self) -> None:
        """Say how to display an expression."""
        self.watches.resized()

    def state(self, state: str) -> None:
        """Say in the empty list what goes on."""
        self.ops.do(DOING.get(state, ""))

    # -- being fed ----------------------------------------------------------------------------

    def jobs(self, ask: Ask, moved: bool) -> Iterable[Awaitable[None]]:
        """Return what brings the ops and the column beside them up to date."""
        self.watches.show(self._stop.watches if self._stop else ())
        return [self._ops(ask, moved), self._side(ask)]

    async def _ops(self, ask: Ask, moved: bool) -> None:
        from gradrepl import protocol

        panel, stop = self.ops, self._stop
        count = max(1, panel.size.height) + MARGIN
        answer = await ask(protocol.OpRows(first=-count, count=count))
        if not isinstance(answer, model.Ops):
            return
        rows, total = list(answer.rows), answer.total
        op = stop.op if stop is not None and stop.phase == "forward" else None
        self._next = None
        if op is not None and (not rows or rows[-1].id < op.id):
            self._next = (total, row_of(op))
            rows.append(self._next[1])
            total += 1
        here = next((i for i, row in enumerate(rows, answer.first) if op and row.id == op.id), -1)
        panel.when = stop.when if stop else "after"
        known = total == panel.total and not moved
        panel.renew()
        panel.supply(rows, answer.first, total)
        panel.here = here
        panel.caption("Ops", f"{answer.total} so far" if answer.total else "")
        raised = stop is not None and stop.phase == "exception"
        if not known and total:
            panel.stand(here if here >= 0 else total - 1, quietly=raised)
        if op is None and not raised and (moved or not known):
            panel.tell()
        self.side.modules = list(dict.fromkeys(row.module for row in rows if row.module))

    async def _rows(self, first: int, count: int) -> Window[model.OpRow] | None:
        from gradrepl import protocol

        answer = await self.host.entries.ask_now()(protocol.OpRows(first=first, count=count))
        if not isinstance(answer, model.Ops):
            return None
        rows, total = list(answer.rows), answer.total
        if self._next is not None:
            total += 1
            if first + count > self._next[0]:
                rows.append(self._next[1])
        return Window(rows, answer.first, total)

    async def _side(self, ask: Ask) -> None:
        side = self.side
        if not side.visible_now:
            return
        from gradrepl import protocol

        frames, points, names = await asyncio.gather(
            ask(protocol.FrameStack()),
            ask(protocol.ListBreakpoints()),
            ask(protocol.Names(limit=30)),
        )
        side.frames = frames if isinstance(frames, model.Frames) else None
        side.points = points if isinstance(points, model.Breakpoints) else None
        side.names = names if isinstance(names, model.Variables) else None
        stood, side.here = side.here, self._stop.module if self._stop else ""
        side.resized()
        if side.record is None or stood != side.here:  # reading every gradient takes a while
            tree = await ask(protocol.ModuleRows(count=TREE))
            side.record = tree if isinstance(tree, model.Modules) else None
            side.resized()

    async def select(self, ask: Ask) -> None:
        """Show the op on which the cursor has come."""
        row, stop = self.ops.rows.get(self.ops.cursor), self._stop
        if row is None:
            return
        here = stop.op if stop is not None and stop.phase != "exception" else None
        if stop is not None and here is not None and here.id == row.id:
            self.inspector.show(here, stop.when)
            return
        from gradrepl import protocol

        answer = await ask(protocol.OpDetail(id=row.id))
        if answer is not None:
            self.inspector.show(answer, note="selected" if stop else "")

    # -- what the selected row stands for ---------------------------------------------------------

    def _site_of(self, row: model.OpRow) -> model.Site | None:
        shown = self.inspector.record
        return shown.site if isinstance(shown, model.Op) and shown.id == row.id else None

    def place(self) -> str:
        """Return 'op relu and FILE:LINE'."""
        row = self.ops.rows.get(self.ops.cursor)
        if row is None:
            return ""
        site = self._site_of(row)
        return f"op {row.name} and {site.file}:{site.line}" if site else f"op {row.name}"

    def condition_of(self, row: model.OpRow) -> str:
        """Return the op's line, or its name."""
        site = self._site_of(row)
        return f"{site.file}:{site.line}" if site else f"op {row.name}"

    def action_open_here(self) -> None:
        """Give the details all the room: of the result of the op here, everything."""
        super().action_open_here()
        stop = self.host.talk.stop
        made = stop is not None and stop.op is not None and stop.when == "after"
        if made and self.ops.cursor == self.ops.here:
            self.host.begin("describe", self._describe)

    async def _describe(self) -> None:
        from gradrepl import protocol

        answer = await self.host.entries.ask(protocol.Describe(expression="out"))
        if isinstance(answer, model.Tensor):
            self.inspector.show(answer)


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
