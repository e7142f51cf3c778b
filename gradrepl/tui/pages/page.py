"""A screen of its own: its panels, how they are filled, and what the general keys mean on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from gradrepl import model, protocol
from gradrepl.tui.panels.base import Panel, Paper
from gradrepl.tui.panels.rows import RowList
from gradrepl.tui.views import BY_NAME

Ask = Callable[[protocol.Request], Awaitable[model.Record | None]]
"""Returns the answer, or None while the program runs, when it is gone, or says no."""


def bindings(view: str) -> list[BindingType]:
    """Return the bindings of the keys that only ``view`` has.

    Their actions are the page's own (``action_...``); those of the app are ``app.send('batch')``.
    """
    return [key.binding for key in BY_NAME[view].keys]


class Page(Vertical):
    """What is shown between header and dock while its view is open.

    Its widgets are made in ``compose``; it is styled in ``styles.tcss`` or by ``DEFAULT_CSS``.
    """

    VIEW: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(id=f"page-{self.VIEW}", classes="page")

    @property
    def list(self) -> RowList[Any] | Paper:
        """What rows, pages and finding move in: a long list, or a text."""
        raise NotImplementedError

    async def renew(self, ask: Ask) -> None:
        """Ask for what is shown, and show it; at every stop while it is open."""

    async def select(self, ask: Ask) -> None:
        """Show the row on which the cursor of the list has come."""

    def told(self, record: model.Record) -> str | None:
        """Take what the debuggee answers and tells, also while it runs.

        Returns the line that the transcript shows for it while this page is open (may be empty);
        None: the record is not this page's, and is shown in full.
        """
        return None

    @property
    def details(self) -> Panel:
        """The panel that Enter gives all the room."""
        raise NotImplementedError

    def condition(self) -> str:
        """Return the breakpoint condition that the selected row stands for, or nothing."""
        return ""

    def name_here(self) -> str:
        """Return the tensor's name that the selected row stands for, or nothing."""
        return ""


class PaperPage(Page):
    """A page that is one text: a subclass writes ``self.paper`` in ``renew``."""

    def __init__(self) -> None:
        super().__init__()
        self.paper = Paper(self.VIEW)

    def compose(self) -> ComposeResult:
        """Lay out the text."""
        yield self.paper

    @property
    def list(self) -> Paper:
        """The text."""
        return self.paper

    @property
    def details(self) -> Paper:
        """The text."""
        return self.paper
