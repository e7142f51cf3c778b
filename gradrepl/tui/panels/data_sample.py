"""One sample from near: statistics, picture, curve or text of each part, and what made it."""

from __future__ import annotations

from typing import ClassVar

from gradrepl import model
from gradrepl.draw import broken, ink, samples
from gradrepl.draw.ink import Line
from gradrepl.model.data import SampleRow
from gradrepl.tui.panels.base import Paper

HINT: Line = [
    ("enter", "key"), (" its picture, its transforms; ", "dim"), ("f", "key"),
    (" make it here, step by step", "dim"),
]  # fmt: skip


class SamplePane(Paper):
    """The selected sample."""

    NAME: ClassVar[str] = "Sample"
    HELP: ClassVar[str] = (
        "The selected sample from near: the figures of each part, its picture, curve or text, "
        "and each transform with the time that it took. ! marks nan, and the transform that "
        "made the first one."
    )
    _of: model.Sample | SampleRow | None = None

    def show(self, of: model.Sample | SampleRow | None) -> None:
        """Show a sample, or what the batch told of one."""
        changed = of is not self._of
        self._of = of
        self.resized()
        if changed:
            self.scroll_home(animate=False, immediate=True)

    def resized(self) -> None:
        """Draw for this size."""
        of, width = self._of, self.room
        match of:
            case model.Sample():
                count = "" if of.length is None else f" of {of.length}"
                alone = "   esc back" if self.has_class("-maximised") else ""
                self.caption(f"Sample {of.index}", f"{of.dataset}{count}{alone}")
                drawn = samples.sample(of, self.look, self.size.height)
                self.write([part for line in drawn for part in broken(line, width)])
            case SampleRow():
                index = f"index {of.index}" if of.index else ""
                self.caption(f"Sample {of.place}", index)
                hint = [[], *ink.wrap(HINT, width)] if of.index else []
                self.write([*samples.row_details(of, width), *hint])
            case None:
                self.caption("Sample")
                self.write([])
