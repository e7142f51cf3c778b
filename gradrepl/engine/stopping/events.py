"""What the stepper decides about, and what it is handed to see it with.

An event is made for each op or node that something armed may stop at, and computes nothing that
no condition asks for. Here are those that need no torch; each room that runs something has its own.
The protocols are what the stepper knows of the session, of the recorders and of a backward.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from gradrepl import conditions as c
from gradrepl import model
from gradrepl.engine.boundary import Part
from gradrepl.engine.stopping.breakpoints import Anchor
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.stopping.lines import same_file

if TYPE_CHECKING:
    from gradrepl.engine.forward.flow import Flow, ModulePaths
    from gradrepl.engine.tensor.names import Names


class Event(c.Event):
    """What all events of the engine share."""

    phase = "forward"

    def __init__(self, stepper: Any, anchor: Anchor) -> None:
        self.stepper = stepper
        self.anchor = anchor
        self.frame: FrameType | None = None

    def evaluate(self, expression: str) -> bool:
        truth: bool = self.stepper.session.truth(expression, self)
        return truth

    def ask_plugin(self, word: str, text: str) -> bool:
        """Is this an event to stop at, by a kind of breakpoint that an observer brings?"""
        return any(each.stops_at(word, text, self) for each in self.stepper.observers)

    def show_plugins(self) -> None:
        """Show it to whoever looks on at everything."""
        for each in self.stepper.observers:
            each.saw(self)

    def extra_quietly(self) -> dict[str, Any]:
        """Return ``extra`` without a trace in the user's modes."""
        return self.extra()

    def stop_fields(self, reason: str) -> dict[str, Any]:
        """Return what a stop here tells besides where it is: fields of ``model.Stop``."""
        return {}

    def anchor_fields(self) -> dict[str, Any]:
        """Return what 'deeper' and 'left' are measured from: fields of ``Anchor``."""
        return {}


class PlaceEvent(Event):
    """No op and no node: wherever Ctrl-C found the user's code."""

    kind = "place"
    when = "before"

    def __init__(self, stepper: Any, anchor: Anchor, frame: FrameType | None) -> None:
        super().__init__(stepper, anchor)
        self.frame = frame


class LineEvent(PlaceEvent):
    """A line that is about to run."""

    kind = "line"

    def __init__(self, stepper: Any, anchor: Anchor, frame: FrameType, entered: bool) -> None:
        super().__init__(stepper, anchor, frame)
        self.line = frame.f_lineno
        self.code = frame.f_code
        self.entered = entered

    def at(self, file: str, line: int) -> bool:
        return self.line == line and same_file(self.code.co_filename, file)

    def inside(self, function: str) -> bool:
        return self.entered and self.code.co_name == function


# -- what the stepper is handed ------------------------------------------------------------------


class Host(Protocol):
    """What a stop needs of the session that it is in."""

    script: str
    from_command_line: bool

    def tell(self, record: model.Record) -> None:
        """Tell the clients."""

    def stop(self) -> AbstractContextManager[None]:
        """Be at a stop, with somebody to show it to."""

    def news(self, place: Place) -> tuple[model.Watch, ...]:
        """Return what is displayed, and what else is new at a stop."""

    def names(self, frame: FrameType | None) -> Names:
        """Return the names in scope of a frame."""

    def truth(self, expression: str, event: Event) -> bool:
        """Return the truth of a breakpoint's expression."""


class Watcher(Protocol):
    """What meets every backward; there once torch is."""

    def install(self) -> None:
        """See what runs in this thread from now on."""

    def remove(self) -> None:
        """See nothing."""


class OpRecorder(Watcher, Protocol):
    """What records ops; there once torch is."""

    part: Part
    opening: bool
    last_id: int
    paths: ModulePaths
    flow: Flow

    def within(self) -> AbstractContextManager[None]:
        """See ops inside of an op."""

    def held_back(self) -> bool:
        """Are we inside of an op?"""

    def unseen_here(self) -> str:
        """Return what cannot be stepped from where this thread is, or ''."""

    def unseen_regions(self) -> int:
        """Return how many compiled regions have run unseen."""

    def op_of(self, seq: int) -> Any:
        """Return the op that made a node, or None."""


class RunningBackward(Protocol):
    """A backward that runs and is watched."""

    parked: bool

    def rearm(self) -> None:
        """Have the hooks that are needed now."""
