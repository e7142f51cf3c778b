"""The screen face: one app that draws records and sends what is typed or pressed.

It paints before anything else happens, then starts the conversation. Entries go one after another
through :meth:`_serve`; what the debuggee prints is drained thirty times a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.timer import Timer

from gradrepl import model
from gradrepl.errors import GradreplError
from gradrepl.tui import crash, keys, messages, themes
from gradrepl.tui.key import NOW
from gradrepl.tui.main_screen import HORIZONTAL, VERTICAL, Main
from gradrepl.tui.panels.bars import Footer, Header
from gradrepl.tui.panels.base import Inks, Panel
from gradrepl.tui.panels.dock import Dock
from gradrepl.tui.panels.finder import Finder
from gradrepl.tui.panels.log import LogPane
from gradrepl.tui.panels.rows import RowList
from gradrepl.tui.panels.supplied import Panels
from gradrepl.tui.ring import Ring
from gradrepl.tui.showing import Showing
from gradrepl.tui.talk import Make, Talk, place_of, state_of

if TYPE_CHECKING:
    from gradrepl.tui.supply import Supply

PATIENT = 0.4
"""Seconds that something runs before further keys are refused instead of queued."""
QUEUE = 64


def _everything() -> Any:
    """Return what the palette offers; imported when it is opened."""
    from gradrepl.tui.palette import Everything

    return Everything


class GradreplApp(Showing):
    """The whole screen."""

    CSS_PATH = "styles.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*keys.PRIORITY, *(key.binding for key in keys.KEYS)]
    COMMANDS: ClassVar[Any] = {_everything}
    AUTO_FOCUS = None
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = HORIZONTAL
    VERTICAL_BREAKPOINTS = VERTICAL

    def __init__(
        self, make: Make, *, typing: bool = True, ascii: bool = False, theme: str = "dark",
        keymap: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.set_class(ascii, "-ascii")
        self._make = make
        self.talk: Talk
        self.supply: Supply
        self.typing_first = typing
        self.ascii = Panel.ascii = ascii
        self.view = "fwd"
        self.sought = ""
        self.panels = Panels()
        self.ring = Ring()
        self.log_pane = LogPane("log", self.ring)
        self.inks = Inks(id="inks")
        self.header = Header("header")
        self.footer = Footer("footer")
        self.dock = Dock()
        self.finder = Finder()
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE)
        self._since = 0.0
        self._busy = False
        self._started = False
        self._flicker: Timer | None = None
        """Counts down to showing that code runs."""
        self._lent = False
        """The focus went to the prompt because the program reads a line; it goes back after."""
        for each in themes.OURS:
            self.register_theme(each)
        theme = themes.SHORT.get(theme, theme)
        self.theme = theme if theme in self.available_themes else themes.DARK.name
        if keymap:
            NOW.update(keymap)
            self.set_keymap(dict(keymap))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give our own variables to themes that do not know them."""
        ours = themes.DARK if self.current_theme.dark else themes.LIGHT
        return dict(ours.variables)

    # -- life -------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[None]:
        """Return the main screen, its classes set before anything is styled."""
        return Main(self.size, typing=self.typing_first)

    def compose(self) -> ComposeResult:
        """Lay out all panels; the style sheet says which are seen."""
        panels = self.panels
        yield self.inks
        yield self.header
        with Vertical(id="body"):
            with Horizontal(id="top"):
                yield panels.side
                yield panels.ops
                yield panels.nodes
                with Vertical(id="right"):
                    yield panels.inspect
                    yield panels.flow
            with Horizontal(id="bottom"):
                yield panels.source
                yield panels.watches
            yield self.log_pane
        yield self.finder
        yield self.dock
        yield self.footer

    def on_mount(self) -> None:
        """Begin with an empty screen; the conversation starts after it is painted."""
        panels = self.panels
        for panel in (panels.ops, panels.nodes, panels.inspect, panels.source):
            panel.caption(panel.NAME)
        self.log_pane.renew()
        self.panels.watches.resized()
        self.header.say(self.view, "STARTING", ["importing torch"])
        self.footer.say(keys.FEET["typing" if self.typing_first else "running"])
        self.panels.ops.do("" if self.typing_first else "starting")
        (self.dock.prompt if self.typing_first else self.panels.ops).focus()
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())
        self.theme_changed_signal.subscribe(self, lambda theme: self.sixteen(theme.ansi))
        self.sixteen(self.current_theme.ansi)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        from gradrepl.tui.supply import Supply

        self.talk = self._make(self.show)
        self.supply = Supply(self.talk, self.panels)
        self.talk.on_change = self.changed
        self.talk.on_view = self.add_view
        self.talk.on_output = self.printed
        self.dock.prompt.needs_more = self.talk.needs_more
        self._started = True
        self.load_history()
        self.begin("serve", self._serve)

    async def _serve(self) -> None:
        """Start the debuggee, then do entries one after another."""
        await self._do(self.talk.start())
        while not self.talk.finished:
            text = await self._queue.get()
            if text is not None:
                await self._do(self.talk.enter(text))
        self.exit(self.talk.exit_code)

    async def _do(self, work: Any) -> None:
        """Await ``work``, then show what it changed."""
        self._busy, self._since = True, time.monotonic()
        try:
            await work
        except GradreplError as error:
            self.show(model.Error(message=str(error), hint=error.hint, kind=type(error).__name__))
        finally:
            self._busy = False
        self.flush()
        if not self.talk.finished:
            self.changed()
            try:
                await self.supply.renew(self.view)
                self.paint_state()  # the lists know now whether the cursor looks away
            finally:
                self._paint()

    def _paint(self) -> None:
        """Paint what was held back since the stop."""
        self._unpainted.close()
        if self.screen_stack:
            self.screen.check_idle()  # it may have found nothing to do while painting was held back

    def enqueue(self, text: str, echo: str | None = None, dim: bool = False) -> bool:
        """Do ``text`` after what is being done; refuse when that takes long."""
        running = self._busy and time.monotonic() - self._since > PATIENT
        if running and self._started and self.aside(text):
            return True
        if self._queue.full() or running:
            ready = self._started and self.talk.ready is not None
            why = "Your code is running: Ctrl+C pauses it." if ready else "Still starting torch."
            self.say(why)
            return False
        prompt = self.talk.prompt if self._started else None
        shown = text if echo is None else echo
        if shown or not dim:
            self.dock.echo(prompt.state if prompt else "", shown, dim)
        self._queue.put_nowait(text)
        return True

    async def leave_for_good(self) -> None:
        """End the debuggee and go."""
        if self._started:
            self.header.say(self.view, "ENDING", [])
            await self.talk.close()
            self.exit(self.talk.exit_code)
        else:
            self.exit(0)

    # -- what the conversation tells --------------------------------------------------------------

    def changed(self) -> None:
        """Draw header, prompt and footer; a short run does not flicker."""
        if self.talk.prompt is None:
            self._paint()
        if self.talk.finished:
            self._wake()
        elif self.talk.prompt is None and not self.talk.waiting_input and self.talk.gone is None:
            if self._flicker is None:
                self._flicker = self.set_timer(0.1, self.paint_state)
        else:
            self.paint_state()

    def _wake(self) -> None:
        """Let :meth:`_serve` see that it is over."""
        if self._queue.empty():
            self._queue.put_nowait(None)

    def paint_state(self) -> None:
        """Draw what depends on the state."""
        if not self._started or not self.is_running:
            return
        if self._flicker is not None:
            self._flicker.stop()
            self._flicker = None
        talk = self.talk
        prompt = talk.prompt.state if talk.prompt else ""
        looking = self.looking if talk.prompt is not None else None
        self.dock.state(
            prompt if talk.gone is None else "idle", talk.waiting_input, talk.ready is not None,
            self.typed_at() if looking else "",
        )  # fmt: skip
        if talk.waiting_input and not self.dock.typing:
            self.restore()
            self.begin_typing()
            self._lent = True
        self.screen_class("-typing", self.dock.typing)
        self.screen_class("-guided", talk.guided)
        state, place = state_of(talk), place_of(talk)
        if looking is not None:
            state = "VIEW"
            place = [f"{looking[0]} of {looking[1]}", f"live at {place[0]}", place[1]]
        self.header.say(self.view, state, place)
        self.footer.say(keys.FEET[self.mode_of()])
        doing = {"STARTING": "starting", "RUNNING": "running"}.get(state, "")
        doing = "stopped" if state in ("PAUSED", "RAISED") else doing
        self.panels.ops.do("" if doing == "starting" and self.typing_first else doing)

    def mode_of(self) -> str:
        """Return which entries the footer has."""
        talk = self.talk
        if self.finder.has_focus:
            return "finding"
        if self.reading:
            return "reading"
        if self.dock.typing:
            return "input" if talk.waiting_input else "typing"
        if talk.gone is not None:
            return "gone"
        if talk.prompt is None:
            return "running"
        if self.view == "log" or self.page is not None:
            return self.view
        state = talk.prompt.state
        if state in ("idle", "exception"):
            return state
        return "away" if self.looking else self.view

    # -- history ----------------------------------------------------------------------------------

    def load_history(self) -> None:
        """Take what was typed in earlier sessions."""
        from gradrepl.commands.history import History

        self.history = History()
        self.dock.prompt.past.entries = self.history.load()

    def remember(self, text: str) -> None:
        """Keep an entry for later sessions too."""
        self.dock.prompt.past.add(text)
        self.history.append(text)

    # -- messages of the panels -------------------------------------------------------------------

    @on(messages.Entered)
    def _entered(self, message: messages.Entered) -> None:
        self.dock.offer((), "")
        text = message.text
        if self.screen_word(text.strip()) or self.enqueue(text):
            self.remember(text)
            if text.startswith((":restart", ":run")):  # keys are keys again at its first stop
                self.action_leave()
        elif not self.dock.prompt.text:
            self.dock.prompt.put(text)

    @on(messages.CompletionWanted)
    def _completion_wanted(self, message: messages.CompletionWanted) -> None:
        self.paint_state()
        if message.text and self._started:
            self.begin("complete", self._complete, message.text)

    async def _complete(self, text: str) -> None:
        from gradrepl.commands.completion import fragment

        part = fragment(text)
        words = await self.talk.complete(text)
        if text.lstrip().startswith(":") and " " not in text:
            ours = {word.partition(" ")[0] for word in keys.BY_WORD}
            words = [*words, *sorted(word for word in ours if word.startswith(part))]
        self.dock.offer(list(dict.fromkeys(words)), part)

    @on(messages.InputLine)
    def _input_line(self, message: messages.InputLine) -> None:
        self.talk.feed(message.text)
        self.printed("stdout", message.text.encode() + b"\n")
        if self._lent:
            self._lent = False
            self.action_leave()

    @on(messages.WindowWanted)
    def _window_wanted(self, message: messages.WindowWanted) -> None:
        if self._started:
            asked = message.panel, message.first, message.count
            self.begin(f"window-{message.panel}", self.supply.window, *asked)

    @on(messages.Selected)
    def _selected(self, message: messages.Selected) -> None:
        self.begin("select", self.supply.select, message.panel, message.id)
        self.paint_state()

    @on(messages.Appeared)
    def _appeared(self) -> None:
        self.renew()

    @on(messages.Opened)
    def _opened(self) -> None:
        self.action_open_here()

    @on(messages.KeyClicked)
    async def _key_clicked(self, message: messages.KeyClicked) -> None:
        own = hasattr(self.page, f"action_{message.action.partition('(')[0]}")
        await self.run_action(message.action, self.page if own else None)

    def on_descendant_focus(self) -> None:
        """Pane or type state: the footer and the dock say which."""
        self.call_next(self.paint_state)

    def renew(self) -> None:
        """Bring the visible panels up to date."""
        if self._started and self.talk.prompt is not None:
            self.begin("renew", self.supply.renew, self.view)

    # -- bugs of ours -----------------------------------------------------------------------------

    def _handle_exception(self, error: Exception) -> None:
        """Write a log without anybody's values, and say where it is in one line."""
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self.panic(Text(crash.sentence(error, crash.write(error))))

    def lists(self) -> Iterable[RowList[Any]]:
        """Return the long lists."""
        return (self.panels.ops, self.panels.nodes)
