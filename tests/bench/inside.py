"""The engine inside this process, with a face that only listens: what it costs, without a link."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import torch  # noqa: F401  # the session finds it here

from gradrepl import protocol
from gradrepl.conditions import parse
from gradrepl.engine import debuggee
from gradrepl.engine.session import Session

Heard = Callable[[protocol.Message], None]


class NoLink:
    """Encodes what is sent, as the real one does in the same thread, and drops it."""

    def __init__(self, heard: Heard = lambda message: None) -> None:
        self.heard = heard

    def send(self, message: protocol.Message) -> None:
        protocol.encode(message)
        self.heard(message)


def session(heard: Heard = lambda message: None) -> Session:
    """Return a session of an engine that has found torch."""
    return debuggee.begin(NoLink(heard))  # type: ignore[arg-type]


@contextmanager
def armed(
    engine: Session, text: str, *, forward: bool = True, ignore: int = 0
) -> Iterator[None]:  # fmt: skip
    """Have a breakpoint, as a running script has; without ``forward`` only backwards see it."""
    stepper = engine.stepper
    number = stepper.armed.add(parse(text), text, False).id
    stepper.armed.change(number, "ignore", ignore, "", ())
    stepper.rearm()
    try:
        if forward:
            with stepper.code(typed=False):
                yield
        else:
            yield
    finally:
        stepper.armed.change(number, "clear", 0, "", ())
        stepper.rearm()
        stepper.recorder.ops.clear()


@contextmanager
def recorded(engine: Session) -> Iterator[None]:
    """Have forward ops recorded and nothing armed, as for what is typed at the idle prompt."""
    with engine.stepper.code(typed=True):
        yield
    engine.stepper.recorder.ops.clear()
