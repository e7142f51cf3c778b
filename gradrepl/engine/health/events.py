"""A watched backward after which parameters have another verdict, as an event to stop at."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradrepl.engine.code import frames
from gradrepl.engine.forward.events import TensorEvent
from gradrepl.engine.stopping.breakpoints import Anchor
from gradrepl.model.health import VERDICTS

if TYPE_CHECKING:
    from gradrepl.engine.stopping.stepper import Stepper


class WatchEvent(TensorEvent):
    """The end of a backward after which parameters have another verdict than before."""

    kind = "watch"
    phase = "backward"
    name = "end of backward"

    def __init__(self, stepper: Stepper, anchor: Anchor, new: Sequence[Any]) -> None:
        super().__init__(stepper, anchor)
        self.new = [each for each, _ in new]
        self.frame = frames.Walk(sys._getframe(1)).frame

    def verdicts(self) -> Sequence[str]:
        return [each.word for each in self.new]

    def said(self) -> list[str]:
        """Return who has got which verdict, at most 8, the bad ones first."""
        ordered = sorted(self.new, key=lambda each: VERDICTS.index(each.word))
        return [f"{each.name} {each.label}" for each in ordered[:8]]

    def deeper(self) -> bool:
        return True

    def stop_fields(self, reason: str) -> dict[str, Any]:
        return {"reason": f"{reason}: {', '.join(self.said())}"}
