"""What the conversation answers and tells: to the transcript, or to the page that shows it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from gradrepl import model
from gradrepl.tui.printing import Printing


class Showing(Printing):
    """Takes records to where they are seen."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._unpainted = ExitStack()
        """From a stop until its panels are filled nothing is painted: one paint, not two."""

    def show(self, record: model.Record) -> None:
        """Take a record that is to be seen."""
        self.flush()
        self._show_progress(record)
        if isinstance(record, model.Stop) and self._busy:
            self._unpainted.close()
            self._unpainted.enter_context(self.batch_update())
        taken = {name: page.told(record) for name, page in self.panels.pages.items()}
        line = taken.get(self.view)
        if isinstance(record, model.Progress):
            return
        if line is None:
            self.dock.transcript.show(record)
            self.unfold(record)
        elif line:
            self.dock.transcript.show(model.Notice(message=line))
        match record:
            case model.Stop(phase="backward"):
                self.turn("bwd")
            case model.Stop(phase="forward"):
                self.turn("fwd")
            case model.Stop():
                self.screen_class("-idle", False)
            case model.Pass():
                self.panels.nodes.end(record)
                self.panels.flow.end(record.accumulated)

    def aside(self, text: str) -> bool:
        """Do ``text`` beside the code that runs, if that is possible; return whether it is."""
        from gradrepl.commands import WORDS
        from gradrepl.commands.entry import while_running

        if not WORDS or while_running(text) is None:
            return False
        self.dock.echo("", text, False)
        self.begin("aside", self.talk.enter, text)
        return True

    def action_restart(self) -> None:
        """Start the script again; ask first where that ends what runs, or loses what was typed."""
        if not self._started:
            return
        running = self.talk.prompt is None and self.talk.gone is None
        if not self.talk.ours or self.talk.gone or (self.talk.options.target and not running):
            self.enqueue(":restart", "restart", dim=True)
            return
        from gradrepl.tui.dialogs import Ask

        def answered(yes: bool | None) -> None:
            if yes and not self.aside(":restart"):
                self.enqueue(":restart", "restart", dim=True)

        what = "Your code is still running." if running else "What you typed is lost then."
        if not isinstance(self.screen, Ask):
            self.push_screen(Ask(f"{what} Start again?", "restart"), answered)

    def _show_progress(self, record: model.Record) -> None:
        """Say in the dock's caption how far something is; what comes next takes it away."""
        line = ""
        if isinstance(record, model.Progress) and not record.over:
            from gradrepl.draw import Look, ink
            from gradrepl.draw.epochs import progress

            line = ink.plain(progress(record, Look(ascii=self.ascii)))
        if line != self.dock.progress:
            self.dock.progress = line
            self.paint_state()

    def turn(self, view: str) -> None:
        """Switch to ``view`` because of a stop, unless a page is open or the Log is typed in."""
        self.screen_class("-idle", False)
        reading = self.page is not None or (self.view == "log" and self.dock.typing)
        if self.view != view and not reading:
            self.set_view(view)
