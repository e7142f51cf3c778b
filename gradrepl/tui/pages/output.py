"""The Log screen: what the program printed."""

from __future__ import annotations

from typing import ClassVar

from gradrepl.tui.pages.page import PaperPage
from gradrepl.tui.panels.log import LogPane


class OutputPage(PaperPage):
    """Both streams in their order; it stays at the end until it is scrolled up."""

    VIEW: ClassVar[str] = "log"
    paper: LogPane

    def __init__(self) -> None:
        super().__init__()
        self.list = self.details = self.paper = LogPane(self.VIEW)

    def on_mount(self) -> None:
        """Show what has been printed so far."""
        self.paper.ring = self.stage.ring

    def printed(self) -> bool:
        """Show what was printed."""
        self.paper.renew()
        return True

    def gives_way(self, typing: bool) -> bool:
        """Unless an entry is being typed."""
        return not typing
