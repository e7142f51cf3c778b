"""What the keys and the words of the screen do."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

from textual.app import App, SuspendNotSupported
from textual.screen import Screen

from gradrepl import model, protocol
from gradrepl.tui import keys, messages, themes
from gradrepl.tui.panels.base import Panel, Paper
from gradrepl.tui.panels.rows import RowList

if TYPE_CHECKING:
    from textual import on

    from gradrepl.tui.panels.bars import Header
    from gradrepl.tui.panels.dock import Dock
    from gradrepl.tui.panels.finder import Finder
    from gradrepl.tui.panels.log import LogPane
    from gradrepl.tui.supply import Panels, Supply
    from gradrepl.tui.talk import Talk
else:
    from textual import on

VIEWS = ("fwd", "bwd", "log")
STEPS = ("step", "next", "return", "continue", "into", "finish")
"""Words whose stop says enough: they leave no echo when they come from a key."""
CONTAINERS = ("top", "bottom", "right")


class Actions(App[int]):
    """The actions of the app; ``GradreplApp`` has the parts that they move."""

    talk: Talk
    supply: Supply
    panels: Panels
    dock: Dock
    header: Header
    finder: Finder
    log_pane: LogPane
    view: str
    sought: str
    _busy: bool
    _started: bool

    # -- parts that the app has -------------------------------------------------------------------

    def enqueue(self, text: str, echo: str | None = None, dim: bool = False) -> bool:
        """Do an entry after those before it."""
        raise NotImplementedError

    def paint_state(self) -> None:
        """Draw what depends on the state."""
        raise NotImplementedError

    def renew(self) -> None:
        """Bring the visible panels up to date."""
        raise NotImplementedError

    async def leave_for_good(self) -> None:
        """End the debuggee and go."""
        raise NotImplementedError

    @property
    def main(self) -> Screen[Any]:
        """The screen below all dialogs."""
        return self.screen_stack[0]

    def screen_class(self, name: str, on: bool) -> None:
        """Set or take a class of the main screen."""
        self.main.set_class(on, name)

    def list_here(self) -> RowList[Any]:
        """Return the long list of this view."""
        return self.panels.nodes if self.view == "bwd" else self.panels.ops

    def pane(self) -> Panel:
        """Return the pane that keys act on."""
        focused = self.main.focused
        if isinstance(focused, Panel):
            return focused
        return self.log_pane if self.view == "log" else self.list_here()

    # -- entries ----------------------------------------------------------------------------------

    def action_send(self, word: str) -> None:
        """Do a command, as if it had been typed."""
        self.enqueue(f":{word}", "" if word in STEPS else word, dim=True)

    def action_prefill(self, word: str) -> None:
        """Begin typing a command."""
        self.dock.prompt.put(f":{word} ")
        self._type()

    def action_type(self, mark: str = "") -> None:
        """Begin typing."""
        if mark and not self.dock.prompt.text:
            self.dock.prompt.put(mark)
        self._type()

    def _type(self) -> None:
        self.screen_class("-nodock", False)
        self.screen_class("-typing", True)
        self.dock.remove_class("-hidden")
        self.dock.prompt.focus()

    async def action_ask_quit(self) -> None:
        """Leave; ask first while the user's code runs."""
        running = self._started and self.talk.prompt is None and self.talk.gone is None
        if not running:
            await self.leave_for_good()
            return
        from gradrepl.tui.dialogs import Ask

        def answered(yes: bool | None) -> None:
            if yes:
                self.run_worker(self.leave_for_good(), name="leave")

        if not isinstance(self.screen, Ask):
            self.push_screen(Ask("Your code is still running. Quit and end it?", "quit"), answered)

    def action_break_in(self) -> None:
        """Ctrl+C: interrupt, else copy, else clear, else say how to leave."""
        selected = self.screen.get_selected_text() or self.dock.prompt.selected_text
        talk = self.talk if self._started else None
        if talk is not None and talk.prompt is None and talk.gone is None:
            talk.interrupt()
        elif selected:
            self.copy_to_clipboard(selected)
            self.screen.clear_selection()
        elif self.dock.typing and self.dock.prompt.text:
            self.dock.prompt.put("")
            self.dock.offer((), "")
        elif talk is not None and talk.stop is not None and "interrupt" in talk.stop.reason.lower():
            talk.interrupt()
        else:
            self.notify("q quits, ? helps", timeout=2, markup=False)

    # -- screens ----------------------------------------------------------------------------------

    def action_view(self, view: str) -> None:
        """Open a screen."""
        self.set_view(view)
        self.renew()

    def set_view(self, view: str) -> None:
        """Show the panels of ``view``."""
        if view == self.view:
            return
        typing = self.dock.typing
        self.restore()
        before, self.view = self.view, view
        if view == "log":
            self._back = before
            self.header.news = False
        for name in VIEWS:
            self.screen_class(f"-{name}", name == view)
        if not typing:
            (self.log_pane if view == "log" else self.list_here()).focus()
        if view == "log":
            self.call_after_refresh(self.log_pane.renew)
        self.paint_state()

    _back = "fwd"

    def action_output(self) -> None:
        """Show the program's output, or go back."""
        self.action_view(self._back if self.view == "log" else "log")

    def action_dock(self) -> None:
        """Show or hide the dock."""
        hidden = not self.main.has_class("-nodock")
        self.screen_class("-nodock", hidden)
        if hidden and self.dock.typing:
            self.list_here().focus()

    def action_large(self) -> None:
        """Give the dock the whole height, or take it back."""
        if self.dock.has_class("-maximised"):
            self.restore()
        else:
            self.maximise(self.dock)
        self.dock.prompt.focus()

    def action_maximise(self) -> None:
        """Give the focused pane all the room, or take it back."""
        target = self.dock if self.dock.typing else self.pane()
        if target.has_class("-maximised"):
            self.restore()
        else:
            self.maximise(target)

    def maximise(self, target: Any) -> None:
        """Hide everything but ``target``."""
        self.restore()
        body = self.main.query_one("#body")
        keep = {target, *target.ancestors, *target.walk_children()}
        parts = [*body.walk_children(), body, self.dock]
        for part in parts:
            if part.id in CONTAINERS or part in (body, self.dock) or isinstance(part, Panel):
                part.set_class(part not in keep, "-hidden")
                part.set_class(part in keep and part is not body, "-maximised")
        self.dock.transcript.remove_class("-hidden", "-maximised")
        if isinstance(target, Panel):
            target.focus()

    def restore(self) -> None:
        """Show all panes again."""
        for part in self.main.query(".-hidden, .-maximised"):
            part.remove_class("-hidden", "-maximised")

    def action_leave(self) -> None:
        """Escape: leave typing, finding, a maximised pane, a selection."""
        if self.main.query(".-maximised") and not self.dock.typing:
            self.restore()
            self.list_here().focus()
            return
        self.screen.clear_selection()
        if self.dock.typing:
            self.restore()
            (self.log_pane if self.view == "log" else self.list_here()).focus()
            self.paint_state()

    def action_keys(self) -> None:
        """Show all keys and commands."""
        from gradrepl.tui.dialogs import Help

        groups: dict[str, list[tuple[str, str]]] = {}
        for command in self.registry():
            names = command.usage
            if command.aliases:
                names += "  " + " ".join(command.aliases)
            groups.setdefault(command.group.capitalize(), []).append((names, command.summary))
        self.push_screen(Help(list(groups.items())))

    def action_redraw(self) -> None:
        """Draw everything anew."""
        self.renew()
        self.refresh(layout=True, repaint=True)

    def registry(self) -> list[Any]:
        """Return the commands, in the order of the help."""
        from gradrepl.commands import COMMANDS

        return list(COMMANDS.values())

    # -- themes -----------------------------------------------------------------------------------

    def themes_offered(self) -> list[str]:
        """Return the names of the themes."""
        return ["dark", "light", *(name for name in self.available_themes if "gradrepl" not in name)]

    def action_theme(self, name: str) -> None:
        """Choose a theme; an unknown one is refused with a sentence."""
        name = themes.SHORT.get(name, name)
        if name in self.available_themes:
            self.theme = name
        else:
            self.notify(f"There is no theme {name!r}: dark, light, or one of the palette.",
                        severity="warning", markup=False)  # fmt: skip

    def action_next_theme(self) -> None:
        """Dark or light."""
        self.theme = themes.DARK.name if self.theme == themes.LIGHT.name else themes.LIGHT.name

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
        self.finder.focus()

    _pane_before: Panel | None = None

    @on(messages.FindTyped)
    def _find_typed(self, message: messages.FindTyped) -> None:
        self.screen_class("-finding", False)
        (self._pane_before or self.list_here()).focus()
        if message.text:
            self.sought = message.text
            self.action_find_next(1)

    def action_find_next(self, step: int) -> None:
        """Go to the next hit, or with -1 to the one before."""
        if not self.sought:
            self.action_find()
            return
        self.run_worker(self._find(self.pane(), step), group="find", exclusive=True)

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

    # -- words ------------------------------------------------------------------------------------

    def screen_word(self, text: str) -> bool:
        """Do ``text`` if it is a word of the screen; return whether it was."""
        word, _, rest = text.removeprefix(":").strip().partition(" ")
        rest = rest.strip()
        if not text.startswith(":") and word != "theme":
            return False
        if word == "theme" and rest:
            self.action_theme(rest)
            return True
        if word == "row" and rest.isdigit():
            self.list_here().go(int(rest) - 1)
            return True
        if word == "find" and rest:
            self.sought = rest
            self.action_find_next(1)
            return True
        key = keys.BY_WORD.get(f"{word} {rest}".strip())
        if key is None or key.word in ("until", "break", "quit") or not text.startswith(":"):
            return False
        self.call_next(self.run_action, key.action)
        return True
