"""The screen: one app that holds pages and sends what is typed or pressed.

It paints before anything else happens, then starts the conversation. Entries go one after another
through :meth:`_serve`; what the debuggee prints is drained thirty times a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.text import Text
from textual import on
from textual.actions import ActionParseResult
from textual.dom import DOMNode
from textual.screen import Screen
from textual.timer import Timer

from gradrepl import model
from gradrepl.errors import report
from gradrepl.tui import keys, themes, views
from gradrepl.tui.entries import Entries, Make
from gradrepl.tui.keymaps import Keyed, check
from gradrepl.tui.main_screen import HORIZONTAL, VERTICAL, Main
from gradrepl.tui.panels.bars import Bar
from gradrepl.tui.panels.base import Framed
from gradrepl.tui.panels.prompt import Prompt
from gradrepl.tui.themes import Themed
from gradrepl.tui.views import View

if TYPE_CHECKING:
    from gradrepl.commands.conversation import Conversation
    from gradrepl.commands.registry import Command
    from gradrepl.export.files import Screen as Shot
    from gradrepl.tui.panels.dock import Dock

STEPS = ("step", "next", "return", "continue", "into", "finish")
"""Words whose stop says enough: they leave no echo when they come from a key."""


class GradreplApp(Themed, Keyed):
    """The whole screen."""

    CSS_PATH = "styles.tcss"
    COMMANDS: ClassVar[Any] = {lambda: import_module("gradrepl.tui.dialogs").Everything}
    AUTO_FOCUS = None
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = HORIZONTAL
    VERTICAL_BREAKPOINTS = VERTICAL

    def __init__(
        self,
        make: Make,
        *,
        typing: bool = True,
        ascii: bool = False,
        theme: str = "dark",
        keymap: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(theme)
        self.set_class(ascii, "-ascii")
        self._make = make
        self.talk: Conversation
        self.typing_first = typing
        self.ascii = Framed.ascii = ascii
        self.entries = Entries()
        self._started = False
        self._unpainted = ExitStack()
        """From a stop until its panels are filled nothing is painted: one paint, not two."""
        self._flicker: Timer | None = None
        """Counts down to showing that code runs."""
        keys.NOW.update(keymap or {})
        self.set_keymap(keymap or {})

    # -- life -------------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[None]:
        """Return the main screen, its classes set before anything is styled."""
        return Main(self.size, typing=self.typing_first)

    @property
    def main(self) -> Main:
        """The screen below all dialogs."""
        return cast("Main", self.screen_stack[0])

    @property
    def dock(self) -> Dock:
        """Where entries are typed."""
        return self.main.dock

    @property
    def running(self) -> bool:
        """Does the user's code run?"""
        return self._started and self.talk.prompt is None and self.talk.gone is None

    def on_mount(self) -> None:
        """Begin the conversation when the empty screen is painted."""
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        from gradrepl.commands.conversation import History

        self.talk = self._make(self.show)
        self.talk.on_change = self.changed
        self.talk.on_view = self.add_view
        self.talk.on_key = self.add_key
        self.talk.on_shot = self.shot
        self.talk.on_output = self.main.printed
        self.dock.prompt.needs_more = self.talk.needs_more
        self.dock.prompt.past.keep_in(History())
        self.entries.talk = self.talk
        self._started = True
        self.bind_commands()
        self.begin("serve", self._serve)

    async def _serve(self) -> None:
        await self.entries.serve(self.talk, self.show, self._done)
        self.exit(self.talk.exit_code)

    async def _done(self) -> None:
        """Show what an entry changed."""
        self.main.flush()
        if not self.talk.finished:
            self.changed()
            try:
                await self._renew()
                self.paint_state()  # the lists know now whether the cursor looks away
            finally:
                self._paint()

    def _paint(self) -> None:
        """Paint what was held back since the stop."""
        self._unpainted.close()
        if self.screen_stack:
            self.screen.check_idle()  # it may have found nothing to do while painting was held back

    async def leave_for_good(self) -> None:
        """End the debuggee and go."""
        if self._started:
            self.main.header.state, self.main.header.place = "ENDING", ()
            await self.talk.close()
        self.exit(self.talk.exit_code if self._started else 0)

    def _handle_exception(self, error: Exception) -> None:
        """Write a log without anybody's values, and say where it is in one line."""
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self.panic(Text(report(error)))

    def shot(self) -> Shot:
        """Return the screen as a picture and as text; nothing of it is fetched."""
        from gradrepl.export.files import Screen as Shot

        strips = self.screen._compositor.render_strips()
        text = "\n".join("".join(part.text for part in strip) for strip in strips)
        return Shot(self.export_screenshot(title="gradrepl"), text)

    # -- the open page ------------------------------------------------------------------------

    def renew(self) -> None:
        """Bring the open page up to date."""
        if self._started and self.talk.prompt is not None:
            self.begin("renew", self._renew)

    async def _renew(self) -> None:
        await self.main.page.renew(self.entries.ask_now(renewed=True))

    def begin(self, name: str, work: Callable[..., Any], *arguments: Any) -> None:
        """Do ``work`` beside the drawing; what was begun before under ``name`` is given up."""
        self.run_worker(partial(work, *arguments), name=name, group=name, exclusive=True)

    # -- entries ------------------------------------------------------------------------------

    def enqueue(self, text: str, echo: str | None = None, dim: bool = False) -> bool:
        """Do ``text`` after what is being done; refuse when that takes long."""
        if self.entries.long and self.aside(text):
            return True
        if not self.entries.put(text):
            ready = self._started and self.talk.ready is not None
            self.say(
                "Your code is running: Ctrl+C pauses it." if ready else "Still starting torch."
            )
            return False
        prompt = self.talk.prompt if self._started else None
        shown = text if echo is None else echo
        if shown or not dim:
            self.dock.echo(prompt.state if prompt else "", shown, dim)
        return True

    def aside(self, text: str) -> bool:
        """Do ``text`` beside the code that runs, if that is possible; return whether it is."""
        from gradrepl.commands.entry import while_running
        from gradrepl.commands.table import WORDS

        if not WORDS or while_running(text) is None:
            return False
        self.dock.echo("", text, False)
        self.begin("aside", self.talk.enter, text)
        return True

    @on(Prompt.Entered)
    def _entered(self, message: Prompt.Entered) -> None:
        self.dock.offer((), "")
        text = message.text
        if self.main.screen_word(text.strip()) or self.enqueue(text):
            self.dock.prompt.past.add(text)
            if text.startswith((":restart", ":run")):  # keys are keys again at its first stop
                self.main.action_leave()
        elif not self.dock.prompt.text:
            self.dock.prompt.put(text)

    @on(Prompt.CompletionWanted)
    def _completion_wanted(self, message: Prompt.CompletionWanted) -> None:
        self.paint_state()
        if message.text and self._started:
            self.begin("complete", self._complete, message.text)

    async def _complete(self, text: str) -> None:
        from gradrepl.commands.entry import fragment

        part = fragment(text)
        words = await self.talk.complete(text)
        if text.lstrip().startswith(":") and " " not in text:
            ours = {key.word.partition(" ")[0] for key in views.of_screen()}
            words = [*words, *sorted(word for word in ours if word.startswith(part))]
        self.dock.offer(list(dict.fromkeys(words)), part)

    @on(Prompt.InputLine)
    def _input_line(self, message: Prompt.InputLine) -> None:
        self.talk.feed(message.text)
        self.main.printed("stdout", message.text.encode() + b"\n")
        self.main.give_back()

    # -- what the conversation tells --------------------------------------------------------------

    def show(self, record: model.Record) -> None:
        """Take a record that is to be seen."""
        if isinstance(record, model.Stop) and self.entries.busy:
            self._unpainted.close()
            self._unpainted.enter_context(self.batch_update())
        self.main.show(record)

    def changed(self) -> None:
        """Draw header, prompt and footer; a short run does not flicker."""
        if self.talk.prompt is None:
            self._paint()
        if self.talk.finished:
            self.entries.wake()
        elif self.running and not self.talk.waiting_input:
            if self._flicker is None:
                self._flicker = self.set_timer(0.1, self.paint_state)
        else:
            self.paint_state()

    def paint_state(self) -> None:
        """Draw what depends on the state."""
        if not self._started or not self.is_running:
            return
        if self._flicker is not None:
            self._flicker.stop()
            self._flicker = None
        self.main.paint(self.talk)

    def on_descendant_focus(self) -> None:
        """Pane or type state: the footer and the dock say which."""
        self.call_next(self.paint_state)

    def say(self, sentence: str, seconds: float = 2) -> None:
        """Show one sentence for a moment, instead of the one before it."""
        self.clear_notifications()
        self.notify(sentence, timeout=seconds, markup=False)

    # -- actions ------------------------------------------------------------------------------

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do an action: that of the open page, else that of the main screen, else ours."""
        if default_namespace in (None, self) or isinstance(default_namespace, Bar):
            _, name, parameters = self._parse_action(action, self)
            if not self.check_action(name, parameters):
                return False
            owners = (self.main.page, self.main)
            default_namespace = next(
                (each for each in owners if hasattr(each, f"action_{name}")), self
            )
        return await super().run_action(action, default_namespace, namespaces)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave letters to a text that is being typed, and keys to a dialog."""
        if action in keys.OPENING:
            # A pane knows of its focus a little later: keys that come at once are text already.
            return self.screen is self.main and self.main.takes_keys
        if action == "command_palette" and self.dock.typing:
            return False
        return super().check_action(action, parameters)

    def action_send(self, word: str) -> None:
        """Do a command, as if it had been typed."""
        self.enqueue(f":{word}", "" if word in STEPS else word, dim=True)

    async def action_ask_quit(self) -> None:
        """Leave; ask first while the user's code runs."""
        if not self.running or not self.talk.ours:  # a program of somebody else's runs on
            await self.leave_for_good()
        else:
            leave = partial(self.begin, "leave", self.leave_for_good)
            self._confirm("Your code is still running. Quit and end it?", "quit", leave)

    def action_restart(self) -> None:
        """Start the script again; ask first where that ends what runs, or loses what was typed."""
        if not self._started:
            return
        running = self.running
        if not self.talk.ours or self.talk.gone or (self.talk.options.target and not running):
            self.action_send("restart")
            return
        what = "Your code is still running." if running else "What you typed is lost then."

        def restart() -> None:
            if not self.aside(":restart"):
                self.action_send("restart")

        self._confirm(f"{what} Start again?", "restart", restart)

    def _confirm(self, question: str, yes: str, then: Callable[[], None]) -> None:
        """Ask a question, and go on when the answer is yes."""
        from gradrepl.tui.dialogs import Ask as Question

        if not isinstance(self.screen, Question):
            self.push_screen(Question(question, yes), lambda agreed: then() if agreed else None)

    def action_break_in(self) -> None:
        """Ctrl+C: interrupt, else copy, else clear, else say how to leave."""
        selected = self.screen.get_selected_text() or self.dock.prompt.selected_text
        stop = self.talk.stop if self._started else None
        if self.running or (self.entries.busy and self.talk.gone is None):
            self.talk.interrupt()
        elif selected:
            self.copy_to_clipboard(selected)
            self.screen.clear_selection()
        elif self.dock.typing and self.dock.prompt.text:
            self.dock.prompt.put("")
            self.dock.offer((), "")
        elif stop is not None and "interrupt" in stop.reason.lower():
            self.talk.interrupt()
        else:
            self.say("^q quits, F1 helps" if self.dock.typing else "q quits, ? helps")

    def action_keys(self) -> None:
        """Say what the focused pane shows, then all keys and commands."""
        from gradrepl.tui.dialogs import Help, about

        self.push_screen(Help(about(self.main, self.main.mode_of(self.talk))))

    def action_redraw(self) -> None:
        """Draw everything anew."""
        self.renew()
        self.refresh(layout=True, repaint=True)

    def action_theme(self, name: str) -> None:
        """Choose a theme; an unknown one is refused with a sentence."""
        if not self.choose(name):
            known = ", ".join(themes.SHORT)
            self.say(f"There is no theme {name!r}: {known}, or one of the palette.", 5)

    # -- what plugins bring -------------------------------------------------------------------

    def add_view(self, view: View) -> None:
        """Take in a screen."""
        view = views.add(view)
        if view.digit:
            keys.bind(self, [view.key])
        self.main.header.refresh()

    def add_key(self, command: Command) -> None:
        """Bind the key of a command, on every page or on the one that it names.

        Raises:
            ConfigError: it is bound already.
        """
        press = command.key
        if press is None or not press.page:
            check(views.everywhere(), keys.NOW)
            keys.bind(self, (key for key in keys.of_commands() if key.word == command.name))
            return
        key = views.add_key(command)
        check(views.BY_NAME[press.page].keys, keys.NOW)
        if press.page in self.main.pages:
            keys.bind(self.main.pages[press.page], [key])
