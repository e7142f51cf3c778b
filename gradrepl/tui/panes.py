"""A screen of pages and the dock: what is open, what has the focus, and moving about in it."""

from __future__ import annotations

from typing import Any, cast

from textual import on
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from gradrepl.draw.numbers import count
from gradrepl.tui import literal
from gradrepl.tui.pages.page import Host, Page, make
from gradrepl.tui.pages.step import Inspector
from gradrepl.tui.panels.base import Panel
from gradrepl.tui.panels.dock import Dock
from gradrepl.tui.panels.rows import RowList
from gradrepl.tui.split import Splitting
from gradrepl.tui.views import BY_NAME, VIEWS


class Panes(Splitting):
    """The pages, of which one is open, and the dock below them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pages = {view.name: make(view) for view in VIEWS if view.phase}
        """The pages that have been opened, by the name of their view."""
        self.view = "fwd"
        self.page: Page = self.pages[self.view]
        self.page.add_class("-open")
        self.body = Vertical(*self.pages.values(), id="body")
        hint = "find, then . and , for next and previous"
        self.finder = Input(id="finder", placeholder=hint, compact=True, select_on_focus=True)
        self.dock = Dock()
        self.sought = ""
        self._back = self.view
        self._pane_before: Panel | None = None
        self._unfolded = False
        """Was the dock given the whole height for an answer that is longer than it?"""

    @property
    def host(self) -> Host:
        """The app."""
        return cast("Host", self.app)

    # -- pages --------------------------------------------------------------------------------

    def open(self, view: str) -> None:
        """Show the page of ``view``, made when it is first opened."""
        if view == self.view:
            return
        typing = self.dock.typing
        self.restore()
        if view not in self.pages:
            self.pages[view] = make(BY_NAME[view])
            self.body.mount(self.pages[view])
        self._back, self.view, self.page = self.view, view, self.pages[view]
        for name, page in self.pages.items():
            page.set_class(name == view, "-open")
            self.set_class(name == view, f"-{name}")
        self.set_class(not BY_NAME[view].phase, "-page")
        if not typing:
            pane = self.page.list
            pane.focus()
            if not pane.is_attached:  # a page that is being mounted
                self.call_after_refresh(pane.focus)
        self.host.paint_state()

    def action_view(self, view: str) -> None:
        """Open a screen."""
        self.open(view)
        self.host.renew()

    def action_output(self) -> None:
        """Show the program's output, or go back."""
        self.action_view(self._back if self.view == "log" else "log")

    # -- panes --------------------------------------------------------------------------------

    @property
    def reading(self) -> bool:
        """Is a long answer being read, in the dock's full height?"""
        return self.dock.has_class("-maximised") and not self.dock.typing

    def pane(self) -> Panel:
        """Return the pane that keys act on."""
        if self.reading:
            return self.dock.transcript
        focused = self.focused
        if isinstance(focused, Panel) and focused.visible_now:
            return focused
        return self.page.list

    @property
    def takes_keys(self) -> bool:
        """Are letters keys of the panes now, and no text?"""
        return self.focused not in (self.dock.prompt, self.finder)

    def offer(self, text: str) -> None:
        """Begin typing with ``text`` in the line: it was meant for it."""
        self.begin_entry(text)
        self.host.say("Offered to the prompt: Enter runs it, Esc goes back.", 4)

    def maximise(self, target: Widget) -> None:
        """Hide everything but ``target``."""
        self.restore()
        keep = {target, *target.ancestors}
        for part in (self.body, self.dock, *self.page.walk_children()):
            within = target in part.ancestors
            part.set_class(part not in keep and not within, "-hidden")
            part.set_class(part in keep and part is not self.body, "-maximised")
        if isinstance(target, Panel):
            target.focus()

    def restore(self) -> None:
        """Show all panes again."""
        self._unfolded = False
        for part in self.query(".-hidden, .-maximised"):
            part.remove_class("-hidden", "-maximised")

    def _toggle(self, target: Widget) -> None:
        if target.has_class("-maximised"):
            self.restore()
        else:
            self.maximise(target)

    def action_maximise(self) -> None:
        """Give the focused pane all the room, or take it back."""
        self._toggle(self.dock if self.dock.typing else self.pane())

    def action_dock(self) -> None:
        """Show or hide the dock."""
        hidden = not self.has_class("-nodock")
        self.set_class(hidden, "-nodock")
        if hidden and self.dock.typing:
            self.page.list.focus()

    def action_large(self) -> None:
        """Give the dock the whole height, or take it back."""
        self._toggle(self.dock)
        self.set_focus(self.dock.prompt)

    def unfold(self) -> None:
        """Give an answer longer than the dock the whole height."""
        transcript = self.dock.transcript
        if transcript.newest() > max(3, transcript.size.height):
            self.maximise(self.dock)
            self._unfolded = True
            self.host.paint_state()
            self.call_after_refresh(transcript.show_newest)

    def fold(self) -> None:
        """Take back the height that an answer was given."""
        if self._unfolded:
            self.restore()

    # -- typing -------------------------------------------------------------------------------

    def action_prefill(self, word: str) -> None:
        """Begin typing a command."""
        self.begin_entry(f":{word} ")

    def action_type(self, mark: str = "") -> None:
        """Begin typing."""
        if mark and not self.dock.prompt.text:
            self.dock.prompt.put(mark)
        self.begin_typing()

    def begin_entry(self, text: str) -> None:
        """Begin typing with ``text`` in the line."""
        self.dock.prompt.put(text)
        self.begin_typing()

    def begin_typing(self) -> None:
        """Give the keys to the dock, which must be seen for that."""
        self.remove_class("-nodock")
        self.add_class("-typing")
        self.dock.remove_class("-hidden")
        self.set_focus(self.dock.prompt)

    def action_leave(self) -> None:
        """Escape: leave typing, finding, a maximised pane, a selection."""
        if self.finder.has_focus:
            self._leave_finder()
            return
        if self.query(".-maximised") and not self.dock.typing:
            self.restore()
            self.page.list.focus()
            return
        self.clear_selection()
        if self.dock.typing:
            self.restore()
            self.set_focus(self.page.list)
            self.host.paint_state()

    # -- moving -------------------------------------------------------------------------------

    def action_move(self, rows: int) -> None:
        """Move in the pane."""
        self.pane().move(rows)

    def action_page(self, pages: float) -> None:
        """Move by pages, or parts of one."""
        self.action_move(round(pages * max(1, self.pane().size.height - 1)))

    def action_edge(self, index: int) -> None:
        """Go to the first row (0) or the last (-1)."""
        self.pane().go(index)

    def action_sideways(self, cells: int) -> None:
        """Scroll sideways."""
        self.pane().scroll_relative(x=cells, animate=False, force=True)

    # -- finding ------------------------------------------------------------------------------

    def action_find(self) -> None:
        """Ask what to find."""
        self._pane_before = self.pane()
        self.add_class("-finding")
        self.set_focus(self.finder)

    @on(Input.Submitted, "#finder")
    def _find_typed(self, message: Input.Submitted) -> None:
        message.stop()
        self._leave_finder()
        if message.value:
            self.find(message.value)

    def _leave_finder(self) -> None:
        self.remove_class("-finding")
        (self._pane_before or self.page.list).focus()

    def find(self, text: str) -> None:
        """Go to the next place with ``text`` in it."""
        self.sought = text
        self.action_hit(1)

    def action_hit(self, step: int) -> None:
        """Go to the next hit, or with -1 to the one before."""
        if self.sought:
            self.host.begin("find", self._find, self.pane(), step)
        else:
            self.action_find()

    async def _find(self, pane: Panel, step: int) -> None:
        if not await pane.find(self.sought, step):
            self.host.say(f"{self.sought!r} is not in this pane.")

    # -- copying ------------------------------------------------------------------------------

    def action_copy_pane(self) -> None:
        """Copy the text of the pane."""
        text = self.pane().text()
        self.app.copy_to_clipboard(text)
        self.host.say(f"Copied {count(len(text.splitlines()), 'line')}.")

    def action_copy_python(self) -> None:
        """Copy the pane as Python: rows as tuples, tensors as expressions that make them."""
        pane: Any = self.pane()
        if isinstance(pane, RowList):
            text = literal.lines(literal.row(row) for _, row in sorted(pane.rows.items()))
        elif isinstance(pane, Inspector):
            text = literal.record(pane.record)
        else:
            text = literal.lines(map(repr, pane.text().split("\n")))
        self.app.copy_to_clipboard(text)
        said = f"Copied as Python: {len(text)} characters." if text else "Nothing to copy here."
        self.host.say(said)
