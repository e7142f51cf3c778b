"""The faces of one debuggee: the first drives, the others watch.

To the session a hub is the link: what it tells goes to all faces, an answer to the one that asked.
A face that comes late is told where we stand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import msgspec

from gradrepl import protocol
from gradrepl.errors import LinkError, StateError
from gradrepl.link import BlockingLink, leave_signals
from gradrepl.model import Error, Notice, Stop

CHANGES = (*protocol.RUNS, protocol.SetBreakpoint, protocol.ChangeBreakpoint, protocol.Display)
"""Requests that only the face that drives may make."""


WATCHES = Notice(message="another face steps this program; this one watches.")


class Face:
    """One face as the debuggee has it."""

    def __init__(self, link: BlockingLink, *, drives: bool) -> None:
        self.link = link
        self.drives = drives
        self.leaving = False
        """It goes by its own wish or by ours: no loss."""
        self.thread = threading.current_thread()

    def send(self, message: protocol.Message) -> None:
        """Send, unless the face is gone: its own thread sees that."""
        with suppress(LinkError):
            self.link.send(message)


class Hub:
    """All faces that there are, in the order in which they came."""

    def __init__(
        self,
        asked: Callable[[Face, protocol.Ask], None],
        gone: Callable[[Face, str], None],
    ) -> None:
        self._on_ask = asked
        self._on_gone = gone
        self._lock = threading.RLock()
        self._askers: dict[int, tuple[Face, int]] = {}
        self._last = 0
        self._stops: dict[int, protocol.Tell] = {}
        self._prompt: protocol.Prompt | None = None
        self.faces: list[Face] = []

    # -- what the session needs of a link ----------------------------------------------------

    def send(self, message: protocol.Message) -> None:
        """Send to whom it concerns."""
        with self._lock:
            if isinstance(message, protocol.Answer):
                face, number = self._askers.pop(message.id, (None, 0))
                if face is not None:
                    face.send(msgspec.structs.replace(message, id=number))
                return
            self._remember(message)
            for each in self.faces:
                each.send(message)

    def _remember(self, message: protocol.Message) -> None:
        match message:
            case protocol.Tell(record=Stop() as stop):
                self._stops[stop.depth] = message
            case protocol.Prompt(depth=depth):
                self._prompt = message
                self._stops = {at: told for at, told in self._stops.items() if at <= depth + 1}

    # -- faces -------------------------------------------------------------------------------

    def join(self, link: BlockingLink, ready: protocol.Ready | None) -> Face:
        """Take in a face, and tell it where we stand; its requests are heard from now on."""
        with self._lock:
            face = Face(link, drives=not any(each.drives for each in self.faces))
            self.faces.append(face)
            if not face.drives:
                face.send(protocol.Tell(record=WATCHES))
            for message in (ready, *self._where()):
                if message is not None:
                    face.send(message)
        face.thread = threading.Thread(
            target=self._listen, args=(face,), name="gradrepl-face", daemon=True
        )
        face.thread.start()
        return face

    def _where(self) -> list[protocol.Message]:
        if self._prompt is None:
            return []
        return [*self._stops.values(), self._prompt]

    def resumed(self, by: Face | None = None) -> None:
        """The user's code runs on."""
        with self._lock:
            if self._prompt is None:
                return
            self._prompt = None
            for each in self.faces:
                if each is not by:
                    each.send(protocol.Resumed())

    def part(self, face: Face) -> None:
        """Let ``face`` go: it hears all that was said, then the end."""
        face.leaving = True
        face.link.close()
        self._forget(face)

    def drop(self) -> None:
        """Forget all faces without a word to them: this is a forked child."""
        for each in self.faces:
            each.leaving = True
            each.link.drop()
        self.faces.clear()

    def _forget(self, face: Face) -> None:
        with self._lock:
            if face not in self.faces:
                return
            self.faces.remove(face)
            self._askers = {n: who for n, who in self._askers.items() if who[0] is not face}
            heir = self.faces[0] if self.faces and face.drives else None
            if heir is not None:
                heir.drives = True
                heir.send(
                    protocol.Tell(record=Notice(message="the other face is gone: you step now."))
                )

    # -- requests ----------------------------------------------------------------------------

    def _listen(self, face: Face) -> None:
        leave_signals()
        why = ""
        while True:
            try:
                message = face.link.receive()
            except LinkError as error:
                why, message = str(error), None
            if message is None:
                break
            if isinstance(message, protocol.Ask):
                self._take(face, message)
        face.link.close(0)
        self._forget(face)
        self._on_gone(face, why)

    def _take(self, face: Face, ask: protocol.Ask) -> None:
        if isinstance(ask.request, CHANGES) and not face.drives:
            face.send(protocol.Answer(id=ask.id, record=refused()))
            return
        with self._lock:
            self._last += 1
            self._askers[self._last] = face, ask.id
            mine = msgspec.structs.replace(ask, id=self._last)
        if isinstance(ask.request, protocol.RUNS):
            self.resumed(face)
        self._on_ask(face, mine)


def refused() -> Error:
    """Return the answer to a face that watches and wants to step."""
    return Error(
        message="another face steps this program; this one watches.",
        hint="Look with p, w, t, ops; when the other face leaves, this one steps.",
        kind=StateError.__name__,
    )
