"""What the selected row, or the place where we stand, is good for: run to it, break, keep, edit."""

from __future__ import annotations

import ast
import os
import shlex
import subprocess

from textual.app import SuspendNotSupported

from gradrepl import model
from gradrepl.tui import literal
from gradrepl.tui.browse import Browse
from gradrepl.tui.panels.inspector import Inspector
from gradrepl.tui.panels.rows import RowList

NO_EDIT = "This node has run; edit a gradient before its node runs."


class Selection(Browse):
    """Actions on what is selected."""

    # -- run to it, break at it -------------------------------------------------------------------

    def action_run_to_cursor(self) -> None:
        """Run to the selected node, or until the selected op's line makes such an op again."""
        where = self.cursor_place()
        if where:
            self.enqueue(f":until {where}", f"until {where}", dim=True)
        else:
            self.say("Select an op, or a node that has not run yet.", 3)

    def cursor_place(self) -> str:
        """Return the selected row as ``until`` understands it; empty where it cannot be met."""
        panel = self.list_here()
        row = panel.rows.get(panel.cursor)
        if isinstance(row, model.NodeRow):
            return f"#{row.id}" if row.state == "predicted" else ""
        if not isinstance(row, model.OpRow):
            return ""
        shown = self.panels.inspect.record
        site = shown.site if isinstance(shown, model.Op) and shown.id == row.id else None
        return f"op {row.name} and {site.file}:{site.line}" if site else f"op {row.name}"

    async def action_breakpoint(self) -> None:
        """Set a breakpoint on the selection, or clear the one that is there."""
        text = self.breakpoint_text()
        if not text:
            self.say("Select an op or a node first.")
            return
        from gradrepl import protocol

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
        if self.page is not None:
            return self.page.condition()
        if self.view == "bwd":
            leaf = row.name == "AccumulateGrad" and row.label
            return f"leaf {row.label}" if leaf else f"node {row.name}"
        shown = self.panels.inspect.record
        if isinstance(shown, model.Op) and shown.id == row.id and shown.site:
            return f"{shown.site.file}:{shown.site.line}"
        return f"op {row.name}"

    def typed_at(self) -> str:
        """Say where typed lines run while the lists look elsewhere."""
        stop = self.talk.stop
        id = (stop.node or stop.op) if stop is not None else None
        at = f"{'#' if stop and stop.node else '%'}{id.id}" if id is not None else "the stop"
        return f"typed lines run at {at}, L returns"

    # -- keep and edit ----------------------------------------------------------------------------

    def action_keep(self) -> None:
        """Keep a gradient: of what the op here made, or of an expression still to be typed."""
        stop = self.talk.stop
        made = stop is not None and stop.phase == "forward" and stop.when == "after"
        if made and stop is not None and stop.op is not None and self.looking is None:
            self.action_send("retain out")
        else:
            self.action_prefill("retain")

    def action_change(self) -> None:
        """Begin an assignment that changes this run: a gradient, the op's result, a variable."""
        stop = self.talk.stop
        if stop is not None and stop.phase == "backward" and stop.when == "after":
            self.say(NO_EDIT, 3)
        else:
            self.begin_entry(f"!{target(stop)}")

    # -- ask about it -----------------------------------------------------------------------------

    def action_open_here(self) -> None:
        """Give the details of the selection all the room: of an op's result, everything."""
        self.maximise(self.page.details if self.page is not None else self.panels.inspect)
        stop, here = self.talk.stop, self.list_here()
        made = self.view == "fwd" and stop is not None and stop.op is not None
        if made and stop is not None and stop.when == "after" and here.cursor == here.here:
            self.begin("describe", self._describe, "out")

    async def _describe(self, expression: str) -> None:
        from gradrepl import protocol

        answer = await self.supply.ask(protocol.Describe(expression=expression))
        if isinstance(answer, model.Tensor):
            self.panels.inspect.show(answer)

    def action_chain(self) -> None:
        """Show every path from the loss to the selected node."""
        panel = self.panels.nodes
        row = panel.rows.get(panel.cursor)
        if self.view == "bwd" and row is not None:
            self.action_send(f"paths #{row.id}")
        else:
            self.begin_entry(":paths ")

    def action_verify_here(self) -> None:
        """Compare the derivative of the selected node, or of the op, with finite differences."""
        panel = self.panels.nodes
        row = panel.rows.get(panel.cursor)
        self.action_send(f"verify #{row.id}" if self.view == "bwd" and row else "verify")

    def action_versions_here(self) -> None:
        """Show who wrote to the selected tensor."""
        name = self.page.name_here() if self.page is not None else ""
        if self.page is None and target(self.talk.stop).startswith("out."):
            name = "out"
        if name:
            self.action_send(f"versions {name}")
        else:
            self.begin_entry(":versions ")

    # -- copy, edit the file ----------------------------------------------------------------------

    def action_copy_pane(self) -> None:
        """Copy the text of the pane."""
        text = self.pane().text()
        self.copy_to_clipboard(text)
        count = len(text.splitlines())
        self.say(f"Copied {count} line{'' if count == 1 else 's'}.")

    def action_copy_python(self) -> None:
        """Copy the pane as Python: rows as tuples, tensors as expressions that make them."""
        pane = self.pane()
        if isinstance(pane, RowList):
            text = literal.lines(literal.row(row) for _, row in sorted(pane.rows.items()))
        elif isinstance(pane, Inspector):
            text = literal.record(pane.record)
        else:
            text = literal.lines(map(repr, pane.text().split("\n")))
        self.copy_to_clipboard(text)
        self.say(f"Copied as Python: {len(text)} characters." if text else "Nothing to copy here.")

    def action_edit(self) -> None:
        """Open the editor at the line of the stop or of the selection."""
        shown = self.panels.inspect.record
        site = getattr(shown, "site", None)
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if site is None or not os.path.exists(site.file) or not editor:
            self.say("Set $EDITOR first." if not editor else "There is no file to open here.", 3)
            return
        try:
            with self.suspend():
                subprocess.run([*shlex.split(editor), f"+{site.line}", site.file], check=False)
        except (SuspendNotSupported, OSError) as error:
            self.say(f"The editor cannot be run here: {error}", 5)


def target(stop: model.Stop | None) -> str:
    """Return the left side of an assignment that truly changes what runs on from ``stop``.

    Before a node its incoming gradients can be exchanged. The result of an op is already on its
    way to the user's variable, so it is changed in place. Before an op runs, variables can be.
    """
    if stop is None or stop.phase == "exception":
        return ""
    if stop.phase == "backward":
        grads = stop.node.grad_in if stop.node is not None else ()
        index = next((i for i, grad in enumerate(grads) if grad is not None), 0)
        return f"grad_in[{index}] = "
    if stop.when == "after" and stop.op is not None and stop.op.outputs:
        return "out.data[...] = " if len(stop.op.outputs) == 1 else "outputs[0].data[...] = "
    name = variable(stop.site.text if stop.site else "")
    return f"{name} = " if name else ""


def variable(line: str) -> str:
    """Return the first variable that a line of source reads, or nothing."""
    try:
        tree = ast.parse(line.strip())
    except SyntaxError:
        return ""
    called = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called |= {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        plain = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        if plain and id(node) not in called:
            return node.id  # type: ignore[attr-defined, no-any-return]
    return ""
