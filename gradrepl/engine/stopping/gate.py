"""The one place where threads meet: a parked thread waits and serves.

It posts its stop, then answers requests one after the other, in its own thread, frame and
autograd state, until one of them says to go on. The idle prompt is the same loop at the bottom of
the main thread. At most one thread serves at a time; others that want to stop queue behind it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any

from gradrepl import protocol
from gradrepl.conditions import Continue, Verb
from gradrepl.engine.boundary import Quitting
from gradrepl.engine.code import frames
from gradrepl.engine.code.patches import hidden
from gradrepl.errors import Aborted, StateError
from gradrepl.model import Error, Record, Site

CONTINUES = StateError("the program continues.", "Ask again at the next stop.").record()
"""The answer to what was asked too late for a stop."""
LEAVING = (protocol.Resume, protocol.Abort, protocol.Quit)
"""Requests that end a stop."""
RUNNING = ("forward", "backward")
"""States of a place whose program goes on."""
LOOK_UP = 0.25
"""Seconds after which a parked main thread looks for signals that came at a bad moment."""


Asked = protocol.Ask | Callable[[], None] | None


class Inbox:
    """Requests of the client, errands, and None when it is gone, in their order.

    What a signal's handler raises may come between any two steps: each stays here until it is done.
    """

    def __init__(self) -> None:
        self._asked: deque[Asked] = deque()
        self._came: SimpleQueue[None] = SimpleQueue()

    def put(self, asked: Asked) -> None:
        """Add one; in any thread."""
        self._asked.append(asked)
        self._came.put(None)

    def first(self) -> Asked:
        """Wait for one and return it; look up now and then in the main thread, for signals.

        One that comes between Python's last look for signals and its sleep would not wake it.
        """
        main = threading.current_thread() is threading.main_thread()
        while not self._asked:
            with suppress(Empty):
                self._came.get(timeout=LOOK_UP if main else None)
        return self._asked[0]

    def done(self, asked: Asked) -> None:
        """It is done, and is first no more."""
        if self._asked and self._asked[0] is asked:
            self._asked.popleft()

    def empty(self) -> list[Asked]:
        """Return what is left, and keep nothing."""
        left = list(self._asked)
        self._asked.clear()
        return left


@dataclass
class Place:
    """Where a thread is parked, and what can be seen from there. Lives as long as the stop."""

    state: str
    """'idle', 'forward', 'backward', 'exception'."""
    frames: list[FrameType] = field(default_factory=list)
    """The user's frames, innermost first."""
    raised: dict[FrameType, tuple[int, int]] = field(default_factory=dict)
    """Where an exception passed through frames that have gone on since: (f_lasti, line)."""
    selected: int = 0
    extras: Callable[[], dict[str, Any]] = dict
    """Makes the names that exist only here: ``grad_in``, ``node``, ``out``."""
    event: Any = None
    """The op or node that we stopped at."""
    looking: int | None = None
    """The node that ``u`` and ``d`` have walked to in a backward."""
    thread: threading.Thread = field(default_factory=threading.current_thread)
    inbox: Inbox = field(default_factory=Inbox)
    """What the link thread hands over."""
    waiting: bool = False
    """Is the thread waiting for a request?"""

    @cached_property
    def extra(self) -> dict[str, Any]:
        """The names that exist only here; made when something typed may ask for them."""
        return self.extras()

    def site(self, frame: FrameType) -> Site:
        """Return the line that counts of one of the frames."""
        return frames.site(frame, self.raised.get(frame))

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
        self.turn = threading.RLock()
        """Held by the thread that is parked: one stop at a time is told and served. The idle prompt
        does not hold it."""
        self._stack = threading.Lock()
        self.places: list[Place] = []
        """Places being served, outermost first; requests go to the last."""
        self._here = threading.local()
        self.detached = False
        self.left = False
        """``quit`` was said, and nobody attached since: code that swallows it meets it again at the
        next stop."""
        self.struck: Callable[[Exception, Place], Any] = _said
        """Says what a handler of the program's has raised while a thread waited: a worker of a
        DataLoader that died. At a stop the program gets it when it goes on."""
        self.quitting: type[BaseException] = Quitting
        """What ``quit`` raises out of a stop: Quitting, or a kind of it."""

    # -- who is asked ------------------------------------------------------------------------

    def put(self, ask: protocol.Ask | Callable[[], None]) -> bool:
        """Hand a request to the innermost place, in the link thread; False if there is none.

        Or an errand, which the parked thread does while it waits.
        """
        with self._stack:
            if self.places:
                self.places[-1].inbox.put(ask)
            return bool(self.places)

    @property
    def waiting(self) -> bool:
        """Does the innermost place wait for a request?"""
        return bool(self.places) and self.places[-1].waiting

    def main_waits(self) -> bool:
        """Does the main thread wait for a request, running no code of the user's?"""
        main = threading.main_thread()
        its_places = [place for place in list(self.places) if place.thread is main]
        return bool(its_places) and its_places[-1].waiting

    def detach(self) -> None:
        """The client is gone: whoever is parked runs on, and nobody parks again."""
        self.detached = True
        with self._stack:
            for place in self.places:
                place.inbox.put(None)

    def attach(self) -> None:
        """A client is there again: threads may park."""
        self.detached = self.left = False

    @contextmanager
    def elsewhere(self, inbox: Any) -> Iterator[Place]:
        """Put what is asked into ``inbox``: a copy of the program parks in this thread's place."""
        place = Place(self.places[-1].state, inbox=inbox)
        with self._stack:
            self.places.append(place)
        try:
            yield place
        finally:
            with self._stack:
                self.places.remove(place)

    def renew(self) -> None:
        """Serve this thread alone: this is a copy of the program, and no other thread is in it."""
        self.detached = False
        self.turn, self._stack = threading.RLock(), threading.Lock()

    # -- who may park ------------------------------------------------------------------------

    def answering(self) -> bool:
        """Is the calling thread running an answer, where nothing may park?"""
        return getattr(self._here, "answering", False)

    @contextmanager
    def masked(self, masked: bool = True) -> Iterator[None]:
        """Run something of the user's in which nothing may park."""
        before, self._here.answering = self.answering(), masked
        try:
            yield
        finally:
            self._here.answering = before

    # -- serving -----------------------------------------------------------------------------

    @hidden
    def serve(self, place: Place) -> Verb:
        """Serve requests here until one resumes; return how far to go on.

        Raises:
            Aborted, KeyboardInterrupt: the user wants out of this op or backward.
            Quitting: the user leaves gradrepl.
        """
        if place.state == "idle":
            return self._serve(place)
        with self.turn:
            return self._serve(place)

    @hidden
    def _serve(self, place: Place) -> Verb:
        if self.left:
            raise self.quitting
        if self.detached and place.state != "idle":
            return Continue()
        with self._stack:
            self.places.append(place)
        try:
            return self._loop(place)
        finally:
            self._leave_place(place)

    def _leave_place(self, place: Place) -> None:
        """Give what is still to be answered to the place that is now the innermost."""
        with self._stack:
            self.places.remove(place)
            outer = self.places[-1] if self.places else None
            unanswered = place.inbox.empty()
            for ask in unanswered if outer is not None else ():
                outer.inbox.put(ask)  # type: ignore[union-attr]
        for ask in unanswered if outer is None else ():
            if isinstance(ask, protocol.Ask):
                self._send(protocol.Answer(id=ask.id, record=CONTINUES))
        if outer is not None and outer.waiting:
            self.prompt(outer)

    @hidden
    def _loop(self, place: Place) -> Verb:
        struck: Exception | None = None
        begins = True
        while True:
            ask: protocol.Ask | None = None
            try:
                if begins:
                    self.prompt(place)
                    begins = False
                ask = self._next(place)
                if ask is not None and not isinstance(ask.request, LEAVING):
                    self._reply(ask, place)
                    continue
            except Quitting:
                raise
            except Exception as problem:  # out of a signal handler of the program's
                struck = problem if place.state in RUNNING else None
                self._tell_struck(problem, place, ask)
                continue
            place.inbox.done(ask)
            verb = self._leave_by(ask, place, struck)
            if verb is not None:
                return verb

    def _leave_by(
        self, ask: protocol.Ask | None, place: Place, struck: Exception | None
    ) -> Verb | None:
        """Leave a place as is asked; None where there is nothing to go on with."""
        idle = place.state == "idle"
        if ask is None:
            if idle:
                raise Quitting
            return Continue()
        self._send(protocol.Answer(id=ask.id))
        self.left = isinstance(ask.request, protocol.Quit)
        if self.left:
            raise self.quitting
        if idle:
            self.prompt(place)
            return None
        if struck is not None and isinstance(ask.request, protocol.Resume):
            raise struck
        return _leave(ask.request)

    def _tell_struck(self, problem: Exception, place: Place, ask: protocol.Ask | None) -> None:
        """Tell what a handler has raised, in the place of the answer that it came into."""
        with self.masked():
            record = self.struck(problem, place)
        if ask is None:
            self._send(protocol.Tell(record=record))
            return
        place.inbox.done(ask)
        self._send(protocol.Answer(id=ask.id, record=record))
        self.prompt(place)

    @hidden
    def _reply(self, ask: protocol.Ask, place: Place) -> None:
        """Answer; at the idle prompt, or if it is stepped, what runs the user's code may stop."""
        request = ask.request
        runs = isinstance(request, protocol.RUNS)
        stepped = isinstance(request, protocol.Backward) or getattr(request, "stepped", False)
        free = runs and (stepped or place.state == "idle")
        try:
            with self.masked(not free):
                record = self._answer(request, place)
        finally:
            place.inbox.done(ask)
        self._send(protocol.Answer(id=ask.id, record=record))  # type: ignore[arg-type]
        if runs and self.places[-1] is place:
            self.prompt(place)

    def _next(self, place: Place) -> protocol.Ask | None:
        if self.detached or self.left:
            return None
        place.waiting = True
        try:
            while callable(asked := place.inbox.first()):
                place.inbox.done(asked)
                asked()  # an errand that only this thread can do
            return asked
        finally:
            place.waiting = False

    def prompt(self, place: Place) -> None:
        """Say that ``place`` waits."""
        self._send(protocol.Prompt(state=place.state, depth=self.places.index(place)))


def _said(problem: Exception, place: Place) -> Error:
    return Error(message=f"{type(problem).__name__}: {problem}", kind=type(problem).__name__)


def _leave(request: Any) -> Verb:
    if isinstance(request, protocol.Abort):
        if request.interrupt:
            raise KeyboardInterrupt
        raise Aborted("aborted at a stop of gradrepl")
    verb: Verb = request.verb
    return verb
