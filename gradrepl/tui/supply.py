"""Asks the conversation for what the visible panels need, and nothing more.

Every stop makes what the panels show old; a new *generation* of requests is sent at once, and an
answer that comes after the next generation has begun is dropped.

Imported with the conversation, after the first frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from gradrepl import model, protocol
from gradrepl.draw import ink
from gradrepl.errors import LinkError
from gradrepl.tui.pages.page import Ask
from gradrepl.tui.panels.rows import MARGIN, RowList
from gradrepl.tui.panels.source import around
from gradrepl.tui.panels.supplied import Panels
from gradrepl.tui.talk import Talk

SCAN = 2000
"""Rows looked through at a time when something is sought."""
PLOTTED = 200
"""Nodes of which the newest norms are plotted, at most."""
TREE = 60
"""Modules listed beside the ops."""
REMEMBERED = 1000
"""Nodes of one backward whose gradients are kept as their stops told them."""


class Supply:
    """Keeps the panels of one screen in step with the debuggee."""

    def __init__(self, talk: Talk, panels: Panels) -> None:
        self.talk, self.panels = talk, panels
        self.generation = 0
        self._process = talk.generation
        self._stop: model.Stop | None = None
        self._next: tuple[int, model.OpRow] | None = None
        """Index and row of the op that we stand before; it is not recorded yet."""
        self._seen: dict[int, model.Node] = {}
        """The nodes of this backward at which we stopped: only a stop knows the gradients."""

    async def ask(self, request: protocol.Request) -> model.Record | None:
        """Return the answer, or None when the debuggee runs, is gone, or says no."""
        if self.talk.prompt is None:
            return None
        try:
            record = await self.talk.ask(request)
        except LinkError:
            return None
        return None if isinstance(record, model.Error) else record

    def ask_now(self) -> Ask:
        """Return :meth:`ask`, which from the next stop on answers None."""
        generation = self.generation

        async def ask(request: protocol.Request) -> model.Record | None:
            answer = await self.ask(request)
            return answer if generation == self.generation else None

        return ask

    async def renew(self, view: str) -> None:
        """Bring the visible panels of ``view`` up to date."""
        self.generation += 1
        stop = self.talk.stop
        moved = stop is not self._stop
        self._stop = stop
        if self._process != self.talk.generation:  # another process: nothing of it was seen yet
            self._process = self.talk.generation
            self._seen.clear()
            self.panels.inspect.show(None)
            self.panels.source.show(None)
        self._show_stop(stop, moved)
        jobs = [self._ops(moved)] if view == "fwd" else []
        jobs += [self._nodes(moved)] if view == "bwd" else []
        page = self.panels.pages.get(view)
        jobs += [page.renew(self.ask_now())] if page is not None else []
        if view in ("fwd", "bwd"):
            jobs += [self._source(), self._side(), self._flow()]
        await asyncio.gather(*jobs)

    def _show_stop(self, stop: model.Stop | None, moved: bool) -> None:
        """Show what the stop itself brought."""
        panels = self.panels
        panels.watches.show(stop.watches if stop else ())
        if stop is None or not moved:
            return
        if stop.phase == "exception":
            panels.inspect.show(stop)
        elif stop.node or stop.op:
            self._remember(stop)
            panels.inspect.show(stop.node or stop.op, stop.when)

    def _remember(self, stop: model.Stop) -> None:
        """Keep what a stop told of its node; an earlier place means another backward."""
        if stop.node is None:
            return
        if any(id > stop.node.id for id in self._seen):
            self._seen.clear()
        self._seen[stop.node.id] = stop.node
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    # -- lists ----------------------------------------------------------------------------------

    async def _ops(self, moved: bool) -> None:
        panel, generation = self.panels.ops, self.generation
        count = max(1, panel.size.height) + MARGIN
        answer = await self.ask(protocol.OpRows(first=-count, count=count))
        if generation != self.generation or not isinstance(answer, model.Ops):
            return
        rows, total = list(answer.rows), answer.total
        stop = self._stop
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
        self.panels.side.modules = list(dict.fromkeys(row.module for row in rows if row.module))

    async def _nodes(self, moved: bool) -> None:
        panel, generation = self.panels.nodes, self.generation
        stop = self._stop
        place = stop.position - 1 if stop is not None and stop.node is not None else -1
        top = round(panel.scroll_offset.y) if place < 0 or not moved else place
        first = max(0, top - MARGIN)
        count = max(1, panel.size.height) + 2 * MARGIN
        answer = await self.ask(protocol.NodeRows(first=first, count=count))
        if generation != self.generation or not isinstance(answer, model.Nodes):
            return
        if not answer.total:
            panel.here = -1
            return
        panel.outcome = ""
        if moved or panel.total != answer.total:
            panel.renew()
        panel.supply(answer.rows, answer.first, answer.total)
        here = [i for i, row in enumerate(answer.rows, answer.first) if row.state == "here"]
        panel.here = here[0] if here else -1
        root = f" from {stop.root}" if stop and stop.root else ""
        panel.caption(f"Graph{root}", f"{answer.run}/{answer.total}   · predicted")
        if moved or panel.cursor < 0:
            raised = stop is not None and stop.phase == "exception"
            last = max(0, min(answer.run, answer.total) - 1)
            panel.stand(panel.here if here else last, quietly=raised)

    async def window(self, name: str, first: int, count: int) -> None:
        """Supply the rows that a list is about to show."""
        generation = self.generation
        if name == "ops":
            answer = await self.ask(protocol.OpRows(first=first, count=count))
            if isinstance(answer, model.Ops) and generation == self.generation:
                rows, total = list(answer.rows), answer.total
                if self._next is not None:
                    total += 1
                    if first + count > self._next[0]:
                        rows.append(self._next[1])
                self.panels.ops.supply(rows, answer.first, total)
        else:
            answer = await self.ask(protocol.NodeRows(first=first, count=count))
            if isinstance(answer, model.Nodes) and generation == self.generation:
                self.panels.nodes.supply(answer.rows, answer.first, answer.total)

    # -- the rest ---------------------------------------------------------------------------------

    async def _source(self) -> None:
        panel, generation = self.panels.source, self.generation
        if self._stop is None:
            panel.leave()
        if not panel.visible_now or self._stop is None:
            return
        context = max(5, panel.size.height)
        node = self._stop.node if self._stop is not None else None
        made = around(node.site, context) if node is not None and node.site else None
        if made is not None:
            panel.show(made, "the line that made this node")
            return
        answer = await self.ask(protocol.Listing(context=context))
        if generation == self.generation and isinstance(answer, model.Source):
            panel.show(answer)

    async def _side(self) -> None:
        side, generation = self.panels.side, self.generation
        if not side.visible_now:
            return
        frames, points, names = await asyncio.gather(
            self.ask(protocol.FrameStack()),
            self.ask(protocol.ListBreakpoints()),
            self.ask(protocol.Names(limit=30)),
        )
        if generation != self.generation:
            return
        side.frames = frames if isinstance(frames, model.Frames) else None
        side.points = points if isinstance(points, model.Breakpoints) else None
        side.names = names if isinstance(names, model.Variables) else None
        stood, side.here = side.here, self._stop.module if self._stop else ""
        side.resized()
        if side.record is None or stood != side.here:  # reading every gradient takes a while
            tree = await self.ask(protocol.ModuleRows(count=TREE))
            side.record = tree if isinstance(tree, model.Modules) else None
            side.resized()

    async def _flow(self) -> None:
        panel, generation, stop = self.panels.flow, self.generation, self._stop
        if not panel.visible_now or stop is None or stop.node is None:
            return
        count = min(PLOTTED, max(1, panel.size.width), stop.position)
        first = stop.position - count
        answer = await self.ask(protocol.NodeRows(first=first, count=count))
        if generation == self.generation and isinstance(answer, model.Nodes):
            panel.show([row.norm for row in answer.rows], first + 1, stop.accumulated)

    async def select(self, name: str, id: int) -> None:
        """Show the op or node on which the cursor of a list has come."""
        stop, inspect = self._stop, self.panels.inspect
        page = next((page for page in self.panels.pages.values() if page.list.id == name), None)
        if page is not None:
            await page.select(self.ask_now())
            return
        if stop is not None and stop.phase != "exception":
            here = stop.op if name == "ops" else stop.node
            if here is not None and here.id == id:
                inspect.show(here, stop.when)
                return
        request: protocol.Request = protocol.OpDetail(id=id)
        if name == "nodes":
            request = protocol.NodeDetail(id=id)
        answer = await self.ask(request)
        seen = self._seen.get(id) if name == "nodes" else None
        if seen is not None and isinstance(answer, model.Node):
            answer = replace(answer, grad_in=seen.grad_in, grad_out=seen.grad_out)
        if answer is not None or seen is not None:
            inspect.show(answer or seen, note="selected" if stop else "")

    # -- finding ----------------------------------------------------------------------------------

    async def find(self, panel: RowList[Any], text: str, start: int, step: int) -> int | None:
        """Return the index of the next row with ``text`` in it, round the end; None if none."""
        text = text.casefold()
        for first, rows in _ranges(start, step, panel.total):
            found = await self._scan(panel, text, first, rows, step)
            if found is not None:
                return found
        return None

    async def _scan(
        self, panel: RowList[Any], text: str, first: int, count: int, step: int
    ) -> int | None:
        rows: Sequence[Any] = ()
        if panel not in (self.panels.ops, self.panels.nodes):  # it holds all of its rows
            rows = [panel.rows[index] for index in range(first, first + count)]
        elif panel is self.panels.ops:
            answer = await self.ask(protocol.OpRows(first=first, count=count))
            rows = answer.rows if isinstance(answer, model.Ops) else ()
        else:
            answer = await self.ask(protocol.NodeRows(first=first, count=count))
            rows = answer.rows if isinstance(answer, model.Nodes) else ()
        places = range(len(rows)) if step > 0 else range(len(rows) - 1, -1, -1)
        for place in places:
            line = ink.plain(panel.draw_row(rows[place], -1, 200))
            if text in line.casefold():
                return first + place
        return None


def _ranges(start: int, step: int, total: int) -> list[tuple[int, int]]:
    """Return windows that cover all rows once, from beside ``start`` on, in direction ``step``."""
    parts = [(start + 1, total), (0, start + 1)] if step > 0 else [(0, start), (start, total)]
    windows: list[tuple[int, int]] = []
    for low, high in parts:
        low, high = max(0, low), min(total, high)
        cuts = [(at, min(SCAN, high - at)) for at in range(low, high, SCAN)]
        windows += cuts if step > 0 else cuts[::-1]
    return windows


def row_of(op: model.Op) -> model.OpRow:
    """Return the row of an op that is not recorded yet."""
    out = op.outputs[0] if op.outputs else None
    return model.OpRow(
        id=op.id, name=op.name, outputs=(out.shape,) if out else (), module=op.module,
        dtype=out.dtype if out else "", site=op.site, depth=op.depth,
    )  # fmt: skip
