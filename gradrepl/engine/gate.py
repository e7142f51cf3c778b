"""The one place where threads meet: a parked thread waits and serves.

It posts its stop, then answers requests one after the other, in its own thread, frame and
autograd state, until one of them says to go on. The idle prompt is the same loop at the bottom of
the main thread. At most one thread serves at a time; others that want to stop queue behind it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import FrameType
from typing import Any

from gradrepl import protocol
from gradrepl.conditions import Continue, Verb
from gradrepl.errors import Aborted
from gradrepl.model import Record


class Quitting(BaseException):
    """Unwinds the user's code when gradrepl is left at a stop; no ``except Exception`` sees it."""


@dataclass
class Place:
    """Where a thread is parked, and what can be seen from there. Lives as long as the stop."""

    state: str
    """'idle', 'forward', 'backward', 'exception'."""
    frames: list[FrameType] = field(default_factory=list)
    """The user's frames, innermost first."""
    selected: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    """Names that exist only here: ``grad_in``, ``node``, ``out``."""
    event: Any = None
    """The op or node that we stopped at."""
    interrupted: bool = False
    """Was it Ctrl-C?"""

    @property
    def frame(self) -> FrameType | None:
        """The selected frame of the user's, if there is one."""
        return self.frames[self.selected] if self.frames else None


class Gate:
    """Serves the link's requests, one parked thread at a time, nested."""

    def __init__(
        self,
        send: Callable[[protocol.Message], None],
        answer: Callable[[Any, Place], Record | None],
    ) -> None:
        self._send = send
        self._answer = answer
        self.inbox: SimpleQueue[protocol.Ask | None] = SimpleQueue()
        """Requests from the link thread; None when the face is gone."""
        self._turn = threading.RLock()
        self.places: list[Place] = []
        """Places being served, outermost first; the last is the one that answers."""
        self.waiting = False
        """Is a thread waiting for a request, with no code of the user's running in it?"""
        self._answering: int | None = None
        """Thread that runs something typed at a stop: nothing may stop inside it."""
        self.detached = False

    def answering(self) -> bool:
        """Is the calling thread running an answer, where nothing may park?"""
        return self._answering is not None and self._answering == threading.get_ident()

    @contextmanager
    def masked(self) -> Iterator[None]:
        """Run something of the user's in which nothing may park."""
        before, self._answering = self._answering, threading.get_ident()
        try:
            yield
        finally:
            self._answering = before

    def serve(self, place: Place) -> Verb:
        """Serve requests here until one resumes; return how far to go on.

        Raises:
            Aborted, KeyboardInterrupt: the user wants out of this op or backward.
            Quitting: the user leaves gradrepl.
        """
        with self._turn:
            if self.detached:
                return Continue()
            self.places.append(place)
            outer, self._answering = self._answering, None
            try:
                return self._loop(place)
            finally:
                self.places.pop()
                self._answering = outer

    def _loop(self, place: Place) -> Verb:
        self.prompt(place)
        while True:
            ask = self._next()
            if ask is None:
                if place.state == "idle":
                    raise Quitting
                return Continue()
            request = ask.request
            if isinstance(request, (protocol.Resume, protocol.Abort, protocol.Quit)):
                self._send(protocol.Answer(id=ask.id))
                if place.state == "idle" and not isinstance(request, protocol.Quit):
                    self.prompt(place)
                    continue
                return _leave(request)
            record = self._run(request, place)
            self._send(protocol.Answer(id=ask.id, record=record))
            if isinstance(request, protocol.RUNS):
                self.prompt(place)

    def _next(self) -> protocol.Ask | None:
        if self.detached:
            return None
        self.waiting = True
        try:
            return self.inbox.get()
        finally:
            self.waiting = False

    def _run(self, request: Any, place: Place) -> Record | None:
        free = place.state == "idle" or getattr(request, "stepped", False)
        runs = isinstance(request, protocol.RUNS)
        self._answering = None if runs and free else threading.get_ident()
        try:
            return self._answer(request, place)
        finally:
            self._answering = None

    def prompt(self, place: Place) -> None:
        """Say that we wait."""
        self._send(protocol.Prompt(state=place.state, depth=len(self.places) - 1))

    def detach(self) -> None:
        """The face is gone: whoever is parked runs on, and nobody parks again."""
        self.detached = True
        self.inbox.put(None)


def _leave(request: Any) -> Verb:
    if isinstance(request, protocol.Quit):
        raise Quitting
    if isinstance(request, protocol.Abort):
        if request.interrupt:
            raise KeyboardInterrupt
        raise Aborted("aborted at a stop of gradrepl")
    verb: Verb = request.verb
    return verb
