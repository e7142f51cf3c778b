"""The screen below all dialogs, its classes known before anything on it is styled.

Every change of a class of the screen styles all widgets anew, so the first frame would be laid out
for no size at first and for the true one after.
"""

from __future__ import annotations

from textual.events import ScreenResume
from textual.geometry import Size
from textual.screen import Screen

HORIZONTAL = [(0, "-tiny"), (60, "-narrow"), (100, "-mid"), (140, "-wide")]
VERTICAL = [(0, "-low"), (15, "-short"), (22, "-middle"), (30, "-tall")]
"""The fewest columns and rows for each class."""


class Main(Screen[None]):
    """The screen below all dialogs."""

    def __init__(self, size: Size, typing: bool) -> None:
        fitting = [
            [name for least, name in steps if cells >= least][-1]
            for cells, steps in ((size.width, HORIZONTAL), (size.height, VERTICAL))
        ]
        words = ["-fwd", "-idle", *fitting, *(["-typing"] if typing else [])]
        super().__init__(id="_default", classes=" ".join(words))
        self._appeared = False

    def on_screen_resume(self, event: ScreenResume) -> None:
        """When it first appears everything has just been styled: once is enough."""
        event.refresh_styles = event.refresh_styles and self._appeared
        self._appeared = True
