"""What the Forward and the Backward screen share: a list of steps, the details, the source."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from gradrepl import model
from gradrepl.tui.assignment import target
from gradrepl.tui.pages.page import Ask, Page
from gradrepl.tui.panels.inspector import Inspector
from gradrepl.tui.panels.rows import RowList
from gradrepl.tui.panels.source import SourcePane, around


class StepPage(Page):
    """The steps of a phase, and everything about the selected one."""

    def __init__(self, steps: RowList[Any]) -> None:
        super().__init__()
        self.list = self.steps = steps
        steps.add_class("steps")
        self.details = self.inspector = Inspector("inspect")
        self.source = SourcePane("source")
        self._stop: model.Stop | None = None
        """Where the program stood when this was shown last."""
        self._process = 0

    def compose(self) -> ComposeResult:
        """Lay out the list beside the details, the source below."""
        with Horizontal(id="top"):
            yield from self.before()
            yield self.steps
            with Vertical(id="right"):
                yield self.inspector
                yield from self.below()
        with Horizontal(id="bottom"):
            yield self.source
            yield from self.beside()

    def before(self) -> Iterator[Widget]:
        """Yield what stands left of the list."""
        yield from ()

    def below(self) -> Iterator[Widget]:
        """Yield what stands below the details."""
        yield from ()

    def beside(self) -> Iterator[Widget]:
        """Yield what stands right of the source."""
        yield from ()

    def on_mount(self) -> None:
        """Name the panels that have nothing to show so far."""
        for panel in (self.steps, self.inspector, self.source):
            panel.caption(panel.NAME)

    # -- being fed ----------------------------------------------------------------------------

    async def renew(self, ask: Ask) -> None:
        """Show the stop, then ask for what is around it."""
        talk = self.host.talk
        stop, moved = talk.stop, talk.stop is not self._stop
        self._stop = stop
        self.meet_process()
        if stop is not None and moved:
            self._show_stop(stop)
        await asyncio.gather(*self.jobs(ask, moved), self._source(ask))

    def jobs(self, ask: Ask, moved: bool) -> Iterable[Awaitable[None]]:
        """Return what brings the panels up to date, the list first."""
        raise NotImplementedError

    def meet_process(self) -> None:
        """Forget what was seen, when this is another process."""
        if self._process != self.host.talk.generation:
            self._process = self.host.talk.generation
            self.inspector.show(None)
            self.source.show(None)
            self.forget()

    def forget(self) -> None:
        """Forget what was seen of another process."""

    def _show_stop(self, stop: model.Stop) -> None:
        """Show what the stop itself brought."""
        if stop.phase == "exception":
            self.inspector.show(stop)
        elif stop.node or stop.op:
            self.inspector.show(stop.node or stop.op, stop.when)

    async def _source(self, ask: Ask) -> None:
        panel, stop = self.source, self._stop
        if stop is None:
            panel.leave()
        if not panel.visible_now or stop is None:
            return
        from gradrepl import protocol

        context = max(5, panel.size.height)
        site = stop.node.site if stop.node is not None else None
        made = around(site, context) if site else None
        if made is not None:
            panel.show(made, "the line that made this node")
            return
        answer = await ask(protocol.Listing(context=context))
        if isinstance(answer, model.Source):
            panel.show(answer)

    # -- what the selected row stands for ---------------------------------------------------------

    @property
    def looking(self) -> tuple[int, int] | None:
        """Number of the row that the cursor looks at, and of how many; None where we stand."""
        steps = self.steps
        away = steps.here >= 0 and steps.cursor not in (-1, steps.here)
        return (steps.cursor + 1, steps.total) if away else None

    @property
    def site(self) -> model.Site | None:
        """The line of what is inspected."""
        return getattr(self.inspector.record, "site", None)

    def mode(self, state: str) -> str:
        """Return the state where that says more than the page, and whether it looks away."""
        if state in ("idle", "exception"):
            return state
        return "away" if self.looking else self.VIEW

    def gives_way(self, typing: bool) -> bool:
        """Each phase has its page."""
        return True

    def condition(self) -> str:
        """Return the line of the source, when that has the focus; else what the row is."""
        source, row = self.source, self.steps.rows.get(self.steps.cursor)
        if source.has_focus and source.record and source.line_number():
            return f"{source.record.file}:{source.line_number()}"
        return "" if row is None else self.condition_of(row)

    def condition_of(self, row: Any) -> str:
        """Return the breakpoint condition that ``row`` stands for."""
        raise NotImplementedError

    def name_here(self) -> str:
        """Return 'out' where the op here has just made it."""
        return "out" if target(self.host.talk.stop).startswith("out.") else ""

    def action_live(self) -> None:
        """Look at where we stand; at an exception, at that."""
        stop = self.host.talk.stop
        if stop is not None and stop.phase == "exception":
            self.steps.stand(self.steps.total - 1, quietly=True)
            self.inspector.show(stop)
        else:
            super().action_live()
