"""Whether loops over loaders are to be watched: may be said before torch is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradrepl import conditions as c
from gradrepl.engine.observers import Observer
from gradrepl.engine.session import Session

if TYPE_CHECKING:
    from gradrepl.engine.data.epoch_log import EpochLog
    from gradrepl.engine.data.watch import DataWatch


class Loops(Observer):
    """Whether the program's loops over its loaders are watched, and what watches them."""

    built_in = True

    def __init__(self, session: Session) -> None:
        self.stepper = session.stepper
        self.asked = False
        self.watch: DataWatch | None = None

    def rearm(self) -> None:
        """Have in place what watches loaders, while it is wanted."""
        wanted = self.asked or self.stepper.armed.wants(c.BATCH)
        if self.watch is None and wanted:
            from gradrepl.engine.data.watch import DataWatch

            self.watch = DataWatch(self.stepper)
        if self.watch is not None:
            self.watch.rearm(wanted)

    def restart(self) -> None:
        """The time at a stop is none of the program's steps."""
        if self.watch is not None:
            self.watch.restart()

    def rest(self) -> None:
        """Watch nothing any more."""
        self.asked = False


def watch_of(session: Session) -> DataWatch | None:
    """Return what watches loaders, where something does."""
    watch = session.state(Loops).watch
    return watch if watch is not None and watch.on else None


def log_of(session: Session, loader: Any) -> EpochLog | None:
    """Return the last epoch seen of a loader, where loops are watched."""
    watch = watch_of(session)
    return watch.of(loader) if watch is not None else None
