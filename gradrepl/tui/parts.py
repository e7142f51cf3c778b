"""The parts of the app that its actions move: what the one half of it may know of the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.screen import Screen

from gradrepl.tui.panels.base import Panel
from gradrepl.tui.panels.rows import RowList

if TYPE_CHECKING:
    from gradrepl.tui.pages.page import Page
    from gradrepl.tui.panels.bars import Header
    from gradrepl.tui.panels.dock import Dock
    from gradrepl.tui.panels.finder import Finder
    from gradrepl.tui.panels.log import LogPane
    from gradrepl.tui.panels.supplied import Panels
    from gradrepl.tui.supply import Supply
    from gradrepl.tui.talk import Talk


class Parts(App[int]):
    """Attributes and small questions that actions share."""

    talk: Talk
    supply: Supply
    panels: Panels
    dock: Dock
    header: Header
    finder: Finder
    log_pane: LogPane
    view: str
    sought: str
    ascii: bool
    _busy: bool
    _started: bool

    # -- parts that the app has -------------------------------------------------------------------

    def begin(self, name: str, work: Callable[..., Any], *arguments: Any) -> None:
        """Do ``work`` beside the drawing; what was begun before under ``name`` is given up."""
        self.run_worker(partial(work, *arguments), name=name, group=name, exclusive=True)

    def enqueue(self, text: str, echo: str | None = None, dim: bool = False) -> bool:
        """Do an entry after those before it."""
        raise NotImplementedError

    def begin_entry(self, text: str) -> None:
        """Begin typing with ``text`` in the line."""
        raise NotImplementedError

    def action_send(self, word: str) -> None:
        """Do a command, as if it had been typed."""
        raise NotImplementedError

    def action_prefill(self, word: str) -> None:
        """Begin typing a command."""
        raise NotImplementedError

    def say(self, sentence: str, seconds: float = 2) -> None:
        """Show one sentence for a moment, instead of the one before it."""
        self.clear_notifications()
        self.notify(sentence, timeout=seconds, markup=False)

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

    @property
    def page(self) -> Page | None:
        """The page of this view, if it is one of its own."""
        return self.panels.pages.get(self.view)

    def list_here(self) -> RowList[Any]:
        """Return the long list of this view."""
        if self.page is not None and isinstance(self.page.list, RowList):
            return self.page.list
        return self.panels.nodes if self.view == "bwd" else self.panels.ops

    @property
    def looking(self) -> tuple[int, int] | None:
        """Number of the row that the cursor looks at, and of how many; None where we stand."""
        panel = self.list_here()
        away = (
            self.view in ("fwd", "bwd") and panel.here >= 0 and panel.cursor not in (-1, panel.here)
        )
        return (panel.cursor + 1, panel.total) if away else None

    @property
    def reading(self) -> bool:
        """Is a long answer being read, in the dock's full height?"""
        return self.dock.has_class("-maximised") and not self.dock.typing

    def pane(self) -> Panel:
        """Return the pane that keys act on."""
        if self.reading:
            return self.dock.transcript
        focused = self.main.focused
        if isinstance(focused, Panel) and focused.visible_now:
            return focused
        return self.main_pane()

    def main_pane(self) -> Panel:
        """Return the pane that has the focus when the view is opened."""
        if self.page is not None:
            return self.page.list
        return self.log_pane if self.view == "log" else self.list_here()
