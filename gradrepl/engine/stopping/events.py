"""What conditions are asked about: an op, a node, the end of a backward. See ``conditions.Event``.

An event is made for each op or node that something armed may stop at, and computes nothing that
no condition asks for. Here are those that need no torch; each room that runs something has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FrameType
from typing import Any, Protocol

from gradrepl.engine.stopping.breakpoints import Anchor
from gradrepl.engine.stopping.lines import same_file


class Asker(Protocol):
    """What an event itself asks: the stepper."""

    def truth(self, expression: str, event: Any) -> bool:
        """Return the truth of a Python expression at this event."""

    def stops_at(self, word: str, text: str, event: Any) -> bool:
        """Is this an event to stop at, by an observer's own kind of breakpoint?"""

    def saw(self, event: Any) -> None:
        """Show it to those who look on at everything."""


class Event:
    """What all events share."""

    kind = ""
    phase = "forward"
    when = "after"
    number = 0
    name = ""
    module = ""

    def __init__(self, stepper: Asker, anchor: Anchor) -> None:
        self.stepper = stepper
        self.anchor = anchor
        self.frame: FrameType | None = None

    def at(self, file: str, line: int) -> bool:
        return False

    def inside(self, function: str) -> bool:
        return False

    def labels(self) -> Sequence[str]:
        return ()

    def leaf(self) -> str:
        return ""

    def leaf_names(self) -> Sequence[str]:
        return ()

    def module_paths(self) -> Sequence[str]:
        return (self.module,)

    def shapes(self) -> Sequence[tuple[int, ...]]:
        return ()

    def norms(self) -> Sequence[float]:
        return ()

    def born(self, what: str) -> bool:
        return False

    def missing(self) -> Sequence[str]:
        return ()

    def verdicts(self) -> Sequence[str]:
        return ()

    def indices(self) -> Sequence[str]:
        return ()

    def targets(self) -> Sequence[str]:
        return ()

    def evaluate(self, expression: str) -> bool:
        return self.stepper.truth(expression, self)

    def ask_plugin(self, word: str, text: str) -> bool:
        return self.stepper.stops_at(word, text, self)

    def show_plugins(self) -> None:
        self.stepper.saw(self)

    def deeper(self) -> bool:
        return False

    def trivial(self) -> bool:
        return False

    def left_module(self) -> bool:
        return True

    def past_line(self) -> bool:
        return True

    def extra(self) -> dict[str, Any]:
        """Names that typed code and conditions have at this event."""
        return {}

    def extra_quietly(self) -> dict[str, Any]:
        """Return ``extra`` without a trace in the user's modes."""
        return self.extra()

    # -- the stop ------------------------------------------------------------------------------

    def told(self, reason: str) -> dict[str, Any]:
        """Return what a stop here tells besides where it is: fields of ``model.Stop``."""
        return {}

    def stands(self) -> dict[str, Any]:
        """Return what 'deeper' and 'left' are measured from: fields of ``Anchor``."""
        return {}


class PlaceEvent(Event):
    """No op and no node: wherever Ctrl-C found the user's code."""

    kind = "place"
    when = "before"

    def __init__(self, stepper: Asker, anchor: Anchor, frame: FrameType | None) -> None:
        super().__init__(stepper, anchor)
        self.frame = frame


class LineEvent(PlaceEvent):
    """A line that is about to run."""

    kind = "line"

    def __init__(self, stepper: Asker, anchor: Anchor, frame: FrameType, entered: bool) -> None:
        super().__init__(stepper, anchor, frame)
        self.line = frame.f_lineno
        self.code = frame.f_code
        self.entered = entered

    def at(self, file: str, line: int) -> bool:
        return self.line == line and same_file(self.code.co_filename, file)

    def inside(self, function: str) -> bool:
        return self.entered and self.code.co_name == function
