"""Moving about in the panes: rows, pages, and finding."""

from __future__ import annotations

from typing import Any

from textual import on

from gradrepl import model
from gradrepl.tui import messages
from gradrepl.tui.panels.base import Panel, Paper
from gradrepl.tui.panels.rows import RowList
from gradrepl.tui.parts import Parts


class Browse(Parts):
    """Actions that look and move, and change nothing of the program."""

    # -- reading ----------------------------------------------------------------------------------

    _unfolded = False
    """Was the dock given the whole height for an answer that is longer than it?"""

    def unfold(self, record: model.Record) -> None:
        """Give a long answer the whole height; the next stop takes it back."""
        transcript = self.dock.transcript
        if isinstance(record, model.Stop) and self._unfolded:
            self.restore()
        if record.BRIEF or transcript.newest() <= max(3, transcript.size.height):
            return
        self.maximise(self.dock)
        self._unfolded = True
        self.paint_state()
        self.call_after_refresh(transcript.show_newest)

    def maximise(self, target: Any) -> None:
        """Hide everything but ``target``."""
        raise NotImplementedError

    def restore(self) -> None:
        """Show all panes again."""
        raise NotImplementedError

    # -- moving -----------------------------------------------------------------------------------

    def action_move(self, rows: int) -> None:
        """Move the cursor of the pane."""
        pane = self.pane()
        if isinstance(pane, RowList):
            pane.move(rows)
        else:
            pane.scroll_relative(y=rows, animate=False)

    def action_page(self, pages: float) -> None:
        """Move by pages, or parts of one."""
        pane = self.pane()
        self.action_move(round(pages * max(1, pane.size.height - 1)))

    def action_edge(self, index: int) -> None:
        """Go to the first row (0) or the last (-1)."""
        pane = self.pane()
        if isinstance(pane, RowList):
            pane.go(index)
        elif index:
            pane.scroll_end(animate=False)
        else:
            pane.scroll_home(animate=False)

    def action_sideways(self, cells: int) -> None:
        """Scroll sideways."""
        self.pane().scroll_relative(x=cells, animate=False, force=True)

    def action_history(self, rows: int) -> None:
        """Look at an earlier or later op or node."""
        self.list_here().move(rows)

    def action_live(self) -> None:
        """Look at where we stand."""
        panel, stop = self.list_here(), self.talk.stop
        if stop is not None and stop.phase == "exception":
            panel.stand(panel.total - 1, quietly=True)
            self.panels.inspect.show(stop)
        else:
            panel.go(panel.here if panel.here >= 0 else -1)

    def action_module(self, step: int) -> None:
        """Go to the next row of another module, among the rows that are here."""
        panel = self.list_here()
        known = panel.rows
        module = getattr(known.get(panel.cursor), "module", None)
        if module is None:
            return
        at = panel.cursor
        while (row := known.get(at)) is not None and row.module == module:
            at += step
        panel.go(max(0, at))

    # -- finding ----------------------------------------------------------------------------------

    def action_find(self) -> None:
        """Ask what to find."""
        self._pane_before = self.pane()
        self.screen_class("-finding", True)
        self.main.set_focus(self.finder)

    _pane_before: Panel | None = None

    @on(messages.FindTyped)
    def _find_typed(self, message: messages.FindTyped) -> None:
        self.screen_class("-finding", False)
        (self._pane_before or self.list_here()).focus()
        if message.text:
            self.sought = message.text
            self.action_hit(1)

    def action_hit(self, step: int) -> None:
        """Go to the next hit, or with -1 to the one before."""
        if not self.sought:
            self.action_find()
            return
        self.begin("find", self._find, self.pane(), step)

    async def _find(self, pane: Panel, step: int) -> None:
        found: int | None = None
        if isinstance(pane, RowList):
            found = await self.supply.find(pane, self.sought, pane.cursor, step)
            if found is not None:
                pane.go(found)
        elif isinstance(pane, Paper):
            found = pane.find(self.sought, step)
        if found is None:
            self.say(f"{self.sought!r} is not in this pane.")
