"""What a program may call: pdb's functions, on this engine, ``listen``, and looking on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from gradrepl.engine.session import Session
from gradrepl.engine.stopping.interrupts import call_in_main_thread, refuses
from gradrepl.errors import StateError
from gradrepl.guest.host import BdbQuit, Host

if TYPE_CHECKING:
    from gradrepl.engine.observers import Observer

Result = TypeVar("Result")


def set_trace(*, header: str = "") -> None:
    """Stop here, in this thread: a client takes over the terminal until the program continues.

    ``c`` continues with whatever is armed, ``q`` raises ``bdb.BdbQuit``. Without a terminal the
    thread waits for ``gradrepl attach``; with ``GRADREPL_NO_TTY=continue`` it continues.
    """
    _stop_at(sys._getframe(1), header or "set_trace()")


def embed(*, header: str = "") -> None:
    """Open a prompt here, among the caller's variables; the same as :func:`set_trace`."""
    _stop_at(sys._getframe(1), header or "embed()")


def _stop_at(frame: FrameType, reason: str) -> None:
    session = Session.current
    if session is not None:  # started by ``gradrepl script.py``: it has its client
        if session.gate.detached:
            refuses(frame, reason)
        elif not session.gate.answering():
            session.stepper.pause_here(frame, reason)
    elif not refuses(frame, reason):
        Host.get().pause(frame, reason)


def post_mortem(tb: TracebackType | None = None) -> None:
    """Look at where an exception was raised: of ``tb``, or of the one that is being handled.

    Raises:
        ValueError: there is neither.
    """
    error = sys.exc_info()[1]
    if tb is None:
        tb = error.__traceback__ if error is not None else None
    if tb is None:
        raise ValueError("post_mortem() needs a traceback: no exception is being handled.")
    last = getattr(sys, "last_value", None)
    known = [each for each in (error, last) if each is not None and each.__traceback__ is tb]
    look_at(known[0] if known else None, tb)


def pm() -> None:
    """Look at where the last exception that nobody caught was raised.

    Raises:
        StateError: there was none.
    """
    error: BaseException | None = getattr(sys, "last_value", None)
    if error is None or error.__traceback__ is None:
        raise StateError("there is no last exception.", "pm() is for after an uncaught one.")
    look_at(error, error.__traceback__)


def look_at(error: BaseException | None, tb: TracebackType | None) -> None:
    """Stop at where ``error`` was raised; ``tb`` is the part of its traceback that counts."""
    from gradrepl.engine.code import script

    if Session.current is not None:
        script.post_mortem(Session.current, error, tb)
    elif tb is not None and not refuses(tb.tb_frame, "post_mortem()"):
        host = Host.get()
        host.wake()
        with suppress(BdbQuit):
            script.post_mortem(host.session, error, tb)
        host.finish()


def run(
    statement: str | CodeType,
    globals: dict[str, Any] | None = None,
    locals: dict[str, Any] | None = None,
) -> None:
    """Run a statement (by default in ``__main__``), stopped at its first line."""
    code = compile(statement, "<statement>", "exec") if isinstance(statement, str) else statement
    _stepped(exec, code, *_spaces(globals, locals))


def runeval(
    expression: str | CodeType,
    globals: dict[str, Any] | None = None,
    locals: dict[str, Any] | None = None,
) -> Any:
    """Return the value of an expression (by default in ``__main__``), stopped at its first line."""
    code = compile(expression, "<statement>", "eval") if isinstance(expression, str) else expression
    return _stepped(eval, code, *_spaces(globals, locals))


def runcall(function: Callable[..., Result], *args: Any, **keywords: Any) -> Result | None:
    """Return what ``function`` returns, stopped at its first line; None if it was left by ``q``."""
    return _stepped(function, *args, **keywords)


def _spaces(
    space: dict[str, Any] | None, local: dict[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    if space is None:
        space = sys.modules["__main__"].__dict__
    return space, space if local is None else local


def _stepped(function: Callable[..., Result], *args: Any, **keywords: Any) -> Result | None:
    frame = sys._getframe(2)
    if Session.current is not None or refuses(frame, "run()"):
        return function(*args, **keywords)
    host = Host.get()
    host.wake()
    host.pause_at_next("start", [])
    with suppress(BdbQuit):
        try:
            return function(*args, **keywords)
        finally:
            host.finish()
    return None


def listen(address: str = "") -> str:
    """Let clients attach from other terminals, and return where: ``gradrepl attach`` finds it.

    A private Unix socket, or ``tcp://HOST:PORT`` if that is asked for (port 0: any free one).
    The program runs as before until somebody attaches, and again after they detach.

    Raises:
        LinkError: nobody can listen there.
    """
    if Session.current is not None:
        raise StateError("this program has its client already.", "listen() is for others.")
    return Host.get().listen(address).address


# -- what looks on without a stop: watch(), trace() ----------------------------------------------


def session() -> Session:
    """Return this process's session; make one if there is none."""
    return Session.current or Host.get().session


def begin(observer: Observer, *, stops: bool = False) -> Session:
    """Let ``observer`` look on from now on; with ``stops`` threads may park."""
    joined = session()
    if Session.current is None:
        host = Host.get()
        host.wake() if stops else host.look_on()
    joined.stepper.observe(observer)
    joined.stepper.rearm()
    joined.stepper.place_recorder()
    return joined


def end(observer: Observer, joined: Session) -> None:
    """Let ``observer`` look no more: what it alone needed is taken away."""
    stepper = joined.stepper
    if observer in stepper.observers:
        stepper.observers.remove(observer)
    observer.close()
    stepper.rearm()
    if threading.current_thread() is stepper.thread:
        stepper.place_recorder()
    else:
        call_in_main_thread(stepper.place_recorder)
    if stepper.torch_here and not stepper.records:
        stepper.recorder.paths.forget()  # it holds the modules, whose paths it knows
    if Session.current is None and joined is Host.get().session:
        Host.get().looked_on()
