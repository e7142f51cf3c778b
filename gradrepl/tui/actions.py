"""What the keys and the words of the screen do."""

from __future__ import annotations

from typing import Any

from gradrepl.tui import keys, themes, views
from gradrepl.tui.panels.base import Panel
from gradrepl.tui.selection import Selection
from gradrepl.tui.split import Splitting
from gradrepl.tui.views import BY_NAME, VIEWS, View

STEPS = ("step", "next", "return", "continue", "into", "finish")
"""Words whose stop says enough: they leave no echo when they come from a key."""
OPENING = ("type", "prefill", "find", "keep", "change")
"""Actions that may begin a text; while one is being typed their keys are its letters."""
CONTAINERS = ("top", "bottom", "right", "data-top", "health-top", "health-low")


class Actions(Splitting, Selection):
    """Entries, screens, themes, and the words that do what keys do."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave letters to a text that is being typed, and keys to a dialog."""
        if action in OPENING:
            # A pane knows of its focus a little later: keys that come at once are text already.
            texts = self.main.focused in (self.dock.prompt, self.finder)
            return not texts and self.screen is self.main
        if action == "command_palette" and self.dock.typing:
            return False
        return super().check_action(action, parameters)

    # -- entries ----------------------------------------------------------------------------------

    def action_send(self, word: str) -> None:
        """Do a command, as if it had been typed."""
        self.enqueue(f":{word}", "" if word in STEPS else word, dim=True)

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
        self.screen_class("-nodock", False)
        self.screen_class("-typing", True)
        self.dock.remove_class("-hidden")
        self.main.set_focus(self.dock.prompt)

    async def action_ask_quit(self) -> None:
        """Leave; ask first while the user's code runs."""
        running = self._started and self.talk.prompt is None and self.talk.gone is None
        if not running or not self.talk.ours:  # a program of somebody else's runs on
            await self.leave_for_good()
            return
        from gradrepl.tui.dialogs import Ask

        def answered(yes: bool | None) -> None:
            if yes:
                self.begin("leave", self.leave_for_good)

        if not isinstance(self.screen, Ask):
            self.push_screen(Ask("Your code is still running. Quit and end it?", "quit"), answered)

    def action_break_in(self) -> None:
        """Ctrl+C: interrupt, else copy, else clear, else say how to leave."""
        selected = self.screen.get_selected_text() or self.dock.prompt.selected_text
        talk = self.talk if self._started else None
        if talk is not None and talk.gone is None and (talk.prompt is None or self._busy):
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
            typing = self.dock.typing
            self.say("^q quits, F1 helps" if typing else "q quits, ? helps")

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
        for each in VIEWS:
            self.screen_class(f"-{each.name}", each.name == view)
        self._turn_page(view)
        if not typing:
            there = self.main_pane()
            there.focus()
            if not there.is_attached:  # a page that is being mounted
                self.call_after_refresh(there.focus)
        if view == "log":
            self.call_after_refresh(self.log_pane.renew)
        self.paint_state()

    def add_view(self, view: View) -> None:
        """Take in a screen that a plugin brings."""
        view = views.add(view)
        keys.take_in(view)
        if view.digit:
            self.bind(view.digit, view.key.action, description=view.help, show=False)
        self.header.refresh()

    def _turn_page(self, view: str) -> None:
        """Show the page of ``view``, made when it is first opened, and no other."""
        pages = self.panels.pages
        if BY_NAME[view].page and view not in pages:
            pages[view] = BY_NAME[view].make()
            self.main.query_one("#body").mount(pages[view])
        for name, page in pages.items():
            page.set_class(name == view, "-open")
        self.screen_class("-page", view in pages)

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
        self.main.set_focus(self.dock.prompt)

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
        self._unfolded = False
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
            self.main.set_focus(self.main_pane())
            self.paint_state()

    def action_keys(self) -> None:
        """Say what the focused pane shows, then all keys and commands."""
        from gradrepl.tui.dialogs import Help
        from gradrepl.tui.help import about

        groups: dict[str, list[tuple[str, str]]] = {}
        for command in self.registry():
            names = command.usage
            if command.aliases:
                names += "  " + " ".join(command.aliases)
            groups.setdefault(command.group.capitalize(), []).append((names, command.summary))
        self.push_screen(Help(list(groups.items()), about(self)))  # type: ignore[arg-type]

    def action_redraw(self) -> None:
        """Draw everything anew."""
        self.renew()
        self.refresh(layout=True, repaint=True)

    def registry(self) -> list[Any]:
        """Return the commands, in the order of the help."""
        from gradrepl.commands.table import COMMANDS

        return list(COMMANDS.values())

    # -- themes -----------------------------------------------------------------------------------

    def themes_offered(self) -> list[str]:
        """Return the names of the themes."""
        return [
            *themes.SHORT,
            *(name for name in self.available_themes if "gradrepl" not in name),
        ]

    def action_theme(self, name: str) -> None:
        """Choose a theme; an unknown one is refused with a sentence."""
        name = themes.SHORT.get(name, name)
        if name in self.available_themes:
            self.theme = name
        else:
            self.say(
                f"There is no theme {name!r}: {', '.join(themes.SHORT)}, or one of the palette.", 5
            )

    def sixteen(self, colours: bool) -> None:
        """Mark the selected row by reversing it, where it has no ground of its own."""
        self.set_class(colours or self.no_color, "-sixteen")

    def action_next_theme(self) -> None:
        """Dark or light."""
        self.theme = themes.DARK.name if self.theme == themes.LIGHT.name else themes.LIGHT.name

    # -- words ------------------------------------------------------------------------------------

    def explained(self, word: str) -> Any:
        """Return what a key or a word of the screen does, or None."""
        from gradrepl.tui.help import explained

        return explained(word)

    def screen_word(self, text: str) -> bool:
        """Do ``text`` if it is a word of the screen; return whether it was."""
        word, _, rest = text.removeprefix(":").strip().partition(" ")
        rest = rest.strip()
        if not text.startswith(":") and word != "theme":
            return False
        if word == "theme" and rest:
            self.action_theme(rest)
            return True
        if word in ("help", "h", "?") and rest and (about := self.explained(rest)) is not None:
            self.dock.echo("", text, dim=True)
            self.dock.transcript.show(about)
            return True
        if word == "row" and rest.isdigit():
            self.list_here().go(int(rest) - 1)
            return True
        if word == "find" and rest:
            self.sought = rest
            self.action_hit(1)
            return True
        key = keys.BY_WORD.get(f"{word} {rest}".strip())
        commands = ("until", "break", "quit", "restart")
        if key is None or key.word in commands or not text.startswith(":"):
            return False
        self.call_next(self.run_action, key.action)
        return True
