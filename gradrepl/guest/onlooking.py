"""To look on in this process, at the program's own wish: which session, and what stays of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from gradrepl.engine import current
from gradrepl.engine.session import Session
from gradrepl.guest import main_thread
from gradrepl.guest.home import Home

if TYPE_CHECKING:
    from gradrepl.engine.observers import Observer


def session() -> Session:
    """Return this process's session; make one if there is none."""
    return current.session or Home.get().session


def begin(observer: Observer, *, stops: bool = False) -> Session:
    """Let ``observer`` look on from now on; with ``stops`` threads may park."""
    found = session()
    if current.session is None:
        home = Home.get()
        home.wake() if stops else home.look_on()
    found.stepper.observers.append(observer)
    found.stepper.rearm()
    found.stepper.place_recorder()
    return found


def end(observer: Observer, found: Session) -> None:
    """Let ``observer`` look no more: what it alone needed is taken away."""
    stepper = found.stepper
    if observer in stepper.observers:
        stepper.observers.remove(observer)
    observer.close()
    stepper.rearm()
    if threading.current_thread() is stepper.thread:
        stepper.place_recorder()
    else:
        main_thread.call_soon(stepper.place_recorder)
    if stepper.torch_here and not stepper.records:
        stepper.recorder.forget_paths()  # it holds the modules, whose paths it knows
    if current.session is None and found is Home.get().session:
        Home.get().looked_on()
