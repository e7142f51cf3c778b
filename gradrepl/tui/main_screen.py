"""The screen below all dialogs: what it shows of the conversation, and its state.

Its classes are known before anything on it is styled: every change of a class of the screen
styles all widgets anew, so the first frame would be laid out for no size at first and for the
true one after.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.events import ScreenResume
from textual.geometry import Size

from gradrepl import model
from gradrepl.tui.panels.bars import Footer, Header, place_of, state_of
from gradrepl.tui.panels.base import Inks, Panel
from gradrepl.tui.panes import Panes
from gradrepl.tui.ring import Flood, Ring
from gradrepl.tui.views import VIEWS, by_word, explained, feet_of

if TYPE_CHECKING:
    from gradrepl.commands.talk import Talk

HORIZONTAL = [(0, "-tiny"), (60, "-narrow"), (100, "-mid"), (140, "-wide")]
VERTICAL = [(0, "-low"), (15, "-short"), (22, "-middle"), (30, "-tall")]
"""The fewest columns and rows for each class."""

DRAIN = 1 / 30
"""Seconds between two looks at what the program printed."""


class Main(Panes):
    """The screen below all dialogs."""

    def __init__(self, size: Size, typing: bool) -> None:
        fitting = [
            [name for least, name in steps if cells >= least][-1]
            for cells, steps in ((size.width, HORIZONTAL), (size.height, VERTICAL))
        ]
        words = ["-fwd", "-idle", *fitting, *(["-typing"] if typing else [])]
        super().__init__(id="_default", classes=" ".join(words))
        self.typing_first = typing
        self.inks = Inks(id="inks")
        self.header = Header("header")
        self.footer = Footer("footer")
        self.ring = Ring()
        self._flood = Flood()
        self._draining = False
        self._appeared = False
        self._lent = False
        """The focus went to the prompt because the program reads a line; it goes back after."""

    def compose(self) -> ComposeResult:
        """Lay out all parts; the style sheet says which are seen."""
        yield from (self.inks, self.header, self.body, self.finder, self.dock, self.footer)

    def on_mount(self) -> None:
        """Begin with an empty screen."""
        self.footer.feet = feet_of("typing" if self.typing_first else "running")
        self.page.state("" if self.typing_first else "STARTING")
        (self.dock.prompt if self.typing_first else self.page.list).focus()

    def on_screen_resume(self, event: ScreenResume) -> None:
        """When it first appears everything has just been styled: once is enough."""
        event.refresh_styles = event.refresh_styles and self._appeared
        self._appeared = True

    def open(self, view: str) -> None:
        """Show the page of ``view``."""
        super().open(view)
        self.header.news = self.header.news and not self.page.printed()

    def show(self, record: model.Record) -> None:
        """Take a record that is to be seen: to the pages, and into the transcript."""
        self.flush()
        self._show_progress(record)
        lines = {name: page.receive(record) for name, page in self.pages.items()}
        line = lines[self.view]
        if isinstance(record, model.Progress):
            return
        if line is None:
            self.dock.transcript.show(record)
            if not record.BRIEF:
                self.unfold()
        elif line:
            self.note(line)
        if isinstance(record, model.Stop):
            self._turn(record.phase)

    def note(self, sentence: str) -> None:
        """Write a sentence into the transcript."""
        self.dock.transcript.show(model.Notice(message=sentence))

    def _turn(self, phase: str) -> None:
        """Open the page of a stop, unless what is open is there to be read."""
        self.fold()
        self.remove_class("-idle")
        view = next((view.name for view in VIEWS if view.phase == phase), None)
        if view is not None and self.page.gives_way(self.dock.typing):
            self.open(view)

    def _show_progress(self, record: model.Record) -> None:
        """Say in the dock's caption how far something is; what comes next takes it away."""
        line = ""
        if isinstance(record, model.Progress) and not record.over:
            from gradrepl.draw import Look, ink
            from gradrepl.draw.answers import progress

            line = ink.plain(progress(record, Look(ascii=Panel.ascii)))
        if line != self.dock.progress:
            self.dock.progress = line
            self.host.paint_state()

    def printed(self, stream: str, data: bytes) -> None:
        """Keep what was printed until the next look."""
        self._flood.add(stream, data)
        if not self._draining:
            self._draining = True
            self.set_timer(DRAIN, self.flush)

    def flush(self) -> None:
        """Show what was printed."""
        self._draining = False
        pieces = self._flood.take()
        if not pieces:
            return
        for stream, data in pieces:
            self.ring.write(stream, data)
            self.dock.transcript.take(stream, data)
        self.dock.transcript.renew()
        self.header.news = self.header.news or not self.page.printed()

    def screen_word(self, text: str) -> bool:
        """Do ``text`` if it is a word of the screen; return whether it was."""
        word, _, rest = text.removeprefix(":").strip().partition(" ")
        rest = rest.strip()
        if not text.startswith(":") and word != "theme":
            return False
        if word == "theme" and rest:
            self.call_next(self.app.run_action, f"theme({rest!r})")
        elif word in ("help", "h", "?") and (about := explained(rest)) is not None:
            self.dock.echo("", text, dim=True)
            self.dock.transcript.show(about)
        elif word == "row" and rest.isdigit():
            self.page.list.go(int(rest) - 1)
        elif word == "find" and rest:
            self.find(rest)
        else:
            return self._key_word(f"{word} {rest}".strip())
        return True

    def _key_word(self, word: str) -> bool:
        """Do what the key does whose word this is; those of commands are the conversation's."""
        from gradrepl.commands.table import COMMANDS

        key = by_word(word)
        if key is None or word in COMMANDS:
            return False
        self.call_next(self.app.run_action, key.action)
        return True

    def paint(self, talk: Talk) -> None:
        """Draw what depends on the state."""
        looking = self.page.looking if talk.prompt is not None else None
        prompt = talk.prompt.state if talk.prompt else ""
        self.dock.state(
            prompt if talk.gone is None else "idle",
            talk.waiting_input,
            talk.ready is not None,
            f"commands run at {_here(talk.stop)}, L: back to live" if looking else "",
        )
        if talk.waiting_input and not self.dock.typing:
            self.restore()
            self.begin_typing()
            self._lent = True
        self.set_class(self.dock.typing, "-typing")
        self.set_class(talk.guided, "-guided")
        state, place = state_of(talk), place_of(talk)
        for page in self.pages.values():
            page.state("" if self.typing_first and state == "STARTING" else state)
        if looking is not None:
            state = "VIEW"
            place = [f"{looking[0]} of {looking[1]}", f"live at {place[0]}", place[1]]
        header = self.header
        header.view, header.state, header.place = self.view, state, place
        self.footer.feet = feet_of(self.mode_of(talk))

    def mode_of(self, talk: Talk) -> str:
        """Return which entries the footer has."""
        if self.finder.has_focus:
            return "finding"
        if self.reading:
            return "reading"
        if self.dock.typing:
            return "input" if talk.waiting_input else "typing"
        if talk.gone is not None:
            return "gone"
        return "running" if talk.prompt is None else self.page.mode(talk.prompt.state)

    def give_back(self) -> None:
        """Leave the prompt, when it had the focus for a line that the program reads."""
        if self._lent:
            self._lent = False
            self.action_leave()


def _here(stop: model.Stop | None) -> str:
    """Return where typed lines run."""
    step = (stop.node or stop.op) if stop is not None else None
    if step is None:
        return "the stop"
    return f"{'#' if isinstance(step, model.Node) else '%'}{step.id}"
