"""A batch that a DataLoader has handed over, as conditions see it."""

from __future__ import annotations

from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from gradrepl.engine.code import frames
from gradrepl.engine.data import parts
from gradrepl.engine.stopping.breakpoints import Anchor
from gradrepl.engine.stopping.events import _Event

if TYPE_CHECKING:
    from gradrepl.engine.data.seen import Noted, Seen
    from gradrepl.engine.stopping.stepper import Stepper


class BatchEvent(_Event):
    """A batch, in the line of the program that asked for it."""

    kind = "batch"

    def __init__(
        self, stepper: Stepper, anchor: Anchor, seen: Seen, noted: Noted, batch: Any,
        frame: FrameType,
    ) -> None:  # fmt: skip
        super().__init__(stepper, anchor)
        self.seen, self.noted, self.batch = seen, noted, batch
        self._asked: FrameType | None = frame
        self.number = noted.number
        self.name = f"batch {noted.number}"

    @property
    def frame(self) -> FrameType | None:  # type: ignore[override]
        """The line of the user's that asked for the batch; found when somebody wants to know."""
        return None if self._asked is None else frames.Walk(self._asked).frame

    @frame.setter
    def frame(self, frame: FrameType | None) -> None:
        self._asked = frame

    def indices(self) -> Sequence[str]:
        """Return the dataset indices."""
        return [repr(index) for index in self.noted.indices]

    def targets(self) -> Sequence[str]:
        """Return the labels."""
        return parts.labels_of(self.batch)

    def extra(self) -> dict[str, Any]:
        """Return the names that typed code has here."""
        return {"batch": self.batch, "indices": list(self.noted.indices)}
