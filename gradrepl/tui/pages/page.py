"""A screen of its own: its panels, how they are filled, and what keys mean on it.

A page knows nothing of the app but :class:`Host`, nothing of the screen but :class:`Stage`. The
action of a key is looked for on the open page first, then on the screen, then on the app.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from textual import on
from textual.app import ComposeResult, SuspendNotSupported
from textual.containers import Vertical
from textual.widget import Widget

from gradrepl import model
from gradrepl.tui.entries import Ask, Entries
from gradrepl.tui.keys import bind
from gradrepl.tui.literal import target
from gradrepl.tui.panels.base import Panel, Paper
from gradrepl.tui.panels.rows import RowList
from gradrepl.tui.ring import Ring
from gradrepl.tui.views import BY_NAME, View

if TYPE_CHECKING:
    from gradrepl.commands.talk import Talk

NO_EDIT = "This node has run; edit a gradient before its node runs."


class Host(Protocol):
    """What a page and the screen may ask of the app."""

    talk: Talk
    entries: Entries
    begin: Callable[..., None]
    """(name, work, *arguments): do ``work`` beside the drawing, instead of the last of the name."""
    action_send: Callable[[str], None]
    """Do a command, as if it had been typed."""
    enqueue: Callable[[str], bool]
    """Do what is typed; False where it is refused."""
    say: Callable[..., None]
    """(sentence, seconds=2): show it for a moment."""
    renew: Callable[[], None]
    """Bring the open page up to date."""
    paint_state: Callable[[], None]
    """Draw what depends on the state."""


class Stage(Protocol):
    """What a page may ask of the screen that it is on."""

    ring: Ring
    """What the program printed."""
    maximise: Callable[[Widget], None]
    """Hide everything but this."""
    restore: Callable[[], None]
    """Show all panes again."""
    begin_entry: Callable[[str], None]
    """Begin typing with a text in the line."""
    note: Callable[[str], None]
    """Write a sentence into the transcript."""


def make(view: View) -> Page:
    """Import the page of ``view``, and return a new one."""
    if not isinstance(view.page, str):
        return cast("Page", view.page())
    module, _, name = view.page.partition(":")
    return cast("Page", getattr(import_module(module, __package__), name)())


class Page(Vertical):
    """What is shown between header and dock while its view is open.

    A subclass names its view, makes its panels in ``__init__`` and fills them in ``renew``; the
    keys of its row in the table of views do its actions (``action_...``). It is styled in
    ``styles.tcss`` or by ``DEFAULT_CSS``.
    """

    VIEW: ClassVar[str]
    list: RowList[Any] | Paper
    """What rows, pages and finding move in; it has the focus when the page is opened."""
    details: Panel
    """What Enter gives all the room."""

    def __init__(self) -> None:
        super().__init__(id=f"page-{self.VIEW}", classes="page")
        if self.VIEW in BY_NAME:
            bind(self, BY_NAME[self.VIEW].keys)

    def compose(self) -> ComposeResult:
        """Lay out the list over the details."""
        yield from dict.fromkeys((self.list, self.details))

    @property
    def host(self) -> Host:
        """The app."""
        return cast("Host", self.app)

    @property
    def stage(self) -> Stage:
        """The screen."""
        return cast("Stage", self.screen)

    @property
    def is_open(self) -> bool:
        """Is it the page that is shown?"""
        return self.has_class("-open")

    # -- what it shows ------------------------------------------------------------------------

    async def renew(self, ask: Ask) -> None:
        """Ask for what is shown, and show it; at every stop while it is open."""

    async def select(self, ask: Ask) -> None:
        """Show the row on which the cursor of the list has come."""

    def receive(self, record: model.Record) -> str | None:
        """Take what the debuggee answers and tells, also while it runs.

        Returns the line that the transcript shows for it while this page is open (may be empty);
        None: the record is not this page's, and is shown in full.
        """
        return None

    def printed(self) -> bool:
        """Show what the program has printed, if this page shows that; return whether it does."""
        return False

    def state(self, state: str) -> None:
        """Take the header's word: what goes on."""

    def mode(self, state: str) -> str:
        """Return which footer it has; ``state`` is that of the prompt."""
        return self.VIEW

    def gives_way(self, typing: bool) -> bool:
        """Is the page of the phase opened instead, when the program stops?"""
        return False

    # -- what the selected row stands for ---------------------------------------------------------

    @property
    def selected(self) -> Any:
        """The row under the cursor of the list; None where there is none."""
        return self.list.selected if isinstance(self.list, RowList) else None

    @property
    def looking(self) -> tuple[int, int] | None:
        """Number of the row that the cursor looks at, and of how many; None where we stand."""
        return None

    @property
    def site(self) -> model.Site | None:
        """The line to open in an editor."""
        stop = self.host.talk.stop
        return stop.site if stop is not None else None

    def condition(self) -> str:
        """Return the breakpoint condition that the selected row stands for, or nothing."""
        return ""

    def place(self) -> str:
        """Return the selected row as ``until`` understands it; empty where it cannot be met."""
        return ""

    def name_here(self) -> str:
        """Return the tensor's name that the selected row stands for, or nothing."""
        return ""

    def node_here(self) -> str:
        """Return the selected node as '#7', or nothing."""
        return ""

    # -- what keys do, on every page ------------------------------------------------------------

    @on(Panel.Appeared)
    def _appeared(self, message: Panel.Appeared) -> None:
        message.stop()
        self.host.renew()

    @on(RowList.Selected)
    def _selected(self, message: RowList.Selected) -> None:
        message.stop()
        self.host.begin("select", self.select, self.host.entries.ask)
        self.host.paint_state()

    @on(RowList.Opened)
    def _opened(self, message: RowList.Opened) -> None:
        message.stop()
        self.action_open_here()

    def action_open_here(self) -> None:
        """Give the details of the selection all the room."""
        self.stage.maximise(self.details)

    def action_history(self, rows: int) -> None:
        """Look at an earlier or later row."""
        if isinstance(self.list, RowList):
            self.list.move(rows)

    def action_live(self) -> None:
        """Look at where we stand."""
        if isinstance(self.list, RowList):
            self.list.go(self.list.here if self.list.here >= 0 else -1)

    def action_module(self, step: int) -> None:
        """Go to the next row of another module, among the rows that are here."""
        rows, module = self.list, getattr(self.selected, "module", None)
        if module is None or not isinstance(rows, RowList):
            return
        at = rows.cursor
        while (row := rows.rows.get(at)) is not None and row.module == module:
            at += step
        rows.go(max(0, at))

    def action_run_to_cursor(self) -> None:
        """Run to the selected node, or until the selected op's line makes such an op again."""
        place = self.place()
        if place:
            self.host.action_send(f"until {place}")
        else:
            self.host.say("Select an op, or a node that has not run yet.", 3)

    async def action_breakpoint(self) -> None:
        """Set a breakpoint on the selection, or clear the one that is there."""
        text = self.condition()
        if not text:
            self.host.say("Select an op or a node first.")
            return
        from gradrepl import protocol

        answer = await self.host.entries.ask(protocol.ListBreakpoints())
        rows = answer.rows if isinstance(answer, model.Breakpoints) else ()
        same = next((row.id for row in rows if row.text == text), None)
        self.host.action_send(f"break {text}" if same is None else f"clear {same}")

    def _send_about(self, word: str, selection: str) -> None:
        """Do a command about the selection, or begin it where nothing is selected."""
        if selection:
            self.host.action_send(f"{word} {selection}")
        else:
            self.stage.begin_entry(f":{word} ")

    def action_chain(self) -> None:
        """Show every path from the loss to the selected node."""
        self._send_about("paths", self.node_here())

    def action_verify_here(self) -> None:
        """Compare the derivative of the selected node, or of the op, with finite differences."""
        self.host.action_send(f"verify {self.node_here()}".rstrip())

    def action_versions_here(self) -> None:
        """Show who wrote to the selected tensor."""
        self._send_about("versions", self.name_here())

    def action_keep(self) -> None:
        """Keep a gradient: of what the op here made, or of an expression still to be typed."""
        stop = self.host.talk.stop
        made = stop is not None and stop.phase == "forward" and stop.when == "after" and stop.op
        self._send_about("retain", "out" if made and self.looking is None else "")

    def action_change(self) -> None:
        """Ask for an assignment that changes this run: a gradient, the op's result, a variable."""
        stop = self.host.talk.stop
        if stop is not None and stop.phase == "backward" and stop.when == "after":
            self.host.say(NO_EDIT, 3)
            return
        from gradrepl.tui.changing import Change

        def write(statement: str | None) -> None:
            if statement:
                self.host.enqueue(f"!{statement}")

        self.app.push_screen(Change(target(stop), self.host.entries.ask), write)

    def action_edit(self) -> None:
        """Open the editor at the line of the stop or of the selection."""
        site = self.site
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if site is None or not os.path.exists(site.file) or not editor:
            why = "Set $EDITOR first." if not editor else "There is no file to open here."
            self.host.say(why, 3)
            return
        try:
            with self.app.suspend():
                subprocess.run([*shlex.split(editor), f"+{site.line}", site.file], check=False)
        except (SuspendNotSupported, OSError) as error:
            self.host.say(f"The editor cannot be run here: {error}", 5)


class PaperPage(Page):
    """A page that is one text: a subclass writes ``self.paper`` in ``renew``."""

    def __init__(self) -> None:
        super().__init__()
        self.list = self.details = self.paper = Paper(self.VIEW)
