"""Moving about in the panes: rows, finding, and what the selected row is good for."""

from __future__ import annotations

import os
import shlex
import subprocess

from textual import on
from textual.app import SuspendNotSupported

from gradrepl import model, protocol
from gradrepl.tui import messages
from gradrepl.tui.panels.base import Panel, Paper
from gradrepl.tui.panels.rows import RowList
from gradrepl.tui.parts import Parts


class Browse(Parts):
    """Actions that look and move, and change nothing of the program."""

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
        self.pane().scroll_relative(x=cells, animate=False)

    def action_history(self, rows: int) -> None:
        """Look at an earlier or later op or node."""
        self.list_here().move(rows)

    def action_live(self) -> None:
        """Look at where we stand."""
        panel = self.list_here()
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

    # -- selection --------------------------------------------------------------------------------

    def action_run_to_cursor(self) -> None:
        """Run to the selected node."""
        panel = self.panels.nodes
        row = panel.rows.get(panel.cursor)
        if self.view == "bwd" and row is not None and row.state == "predicted":
            self.enqueue(f":until #{row.id}", f"until #{row.id}", dim=True)
        else:
            self.notify("Select a node that has not run yet: an op or node cannot be un-run.",
                        timeout=3, markup=False)  # fmt: skip

    async def action_breakpoint(self) -> None:
        """Set a breakpoint on the selection, or clear the one that is there."""
        text = self.breakpoint_text()
        if not text:
            self.notify("Select an op or a node first.", timeout=2, markup=False)
            return
        answer = await self.supply.ask(protocol.ListBreakpoints())
        rows = answer.rows if isinstance(answer, model.Breakpoints) else ()
        same = next((row.id for row in rows if row.text == text), None)
        entry = f"break {text}" if same is None else f"clear {same}"
        self.enqueue(f":{entry}", entry, dim=True)

    def breakpoint_text(self) -> str:
        """Return the condition that the selection stands for."""
        source = self.panels.source
        if self.main.focused is source and source.record and source.line_number():
            return f"{source.record.file}:{source.line_number()}"
        panel = self.list_here()
        row = panel.rows.get(panel.cursor)
        if row is None:
            return ""
        if self.view == "bwd":
            leaf = row.name == "AccumulateGrad" and row.label
            return f"leaf {row.label}" if leaf else f"node {row.name}"
        shown = self.panels.inspect.record
        if isinstance(shown, model.Op) and shown.id == row.id and shown.site:
            return f"{shown.site.file}:{shown.site.line}"
        return f"op {row.name}"

    def action_copy_pane(self) -> None:
        """Copy the text of the pane."""
        text = self.pane().text()
        self.copy_to_clipboard(text)
        self.notify(f"Copied {len(text.splitlines())} lines.", timeout=2, markup=False)

    def action_edit(self) -> None:
        """Open the editor at the line of the stop or of the selection."""
        shown = self.panels.inspect.record
        site = getattr(shown, "site", None)
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if site is None or not os.path.exists(site.file) or not editor:
            why = "Set $EDITOR first." if not editor else "There is no file to open here."
            self.notify(why, timeout=3, markup=False)
            return
        try:
            with self.suspend():
                subprocess.run([*shlex.split(editor), f"+{site.line}", site.file], check=False)
        except (SuspendNotSupported, OSError) as error:
            self.notify(f"The editor cannot be run here: {error}", markup=False)

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
            self.notify(f"{self.sought!r} is not in this pane.", timeout=2, markup=False)
