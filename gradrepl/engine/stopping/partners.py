"""What the stepper works with, as far as it knows them: a session, what sees ops and backwards."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from gradrepl import model
from gradrepl.engine.stopping.events import Event
from gradrepl.engine.stopping.gate import Place

if TYPE_CHECKING:
    from gradrepl.engine.forward.flow import Flow, ModulePaths
    from gradrepl.engine.tensor.names import Names


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


class OpRecorder(Protocol):
    """What records ops; there once torch is."""

    opening: bool
    last_id: int
    paths: ModulePaths
    flow: Flow

    def install(self) -> None:
        """See the ops of this thread."""

    def remove(self) -> None:
        """See none."""

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


class BackwardMeeter(Protocol):
    """What meets every backward; there once torch is."""

    def install(self) -> None:
        """Meet them."""

    def remove(self) -> None:
        """Meet none."""


class Running(Protocol):
    """A backward that runs and is watched."""

    parked: bool

    def rearm(self) -> None:
        """Have the hooks that are needed now."""
