"""A look that runs code of the user's is made in a forked copy of the program.

Whatever a dataset, a sampler or ``collate_fn`` does there, it does to the copy: it draws, reads on
in a file, fills a cache, ends the process. The record comes back, and the copy is gone, with all
processes that it started. Only the thread that looks is in the copy, on the CPU, with one thread
of torch's own.
"""

from __future__ import annotations

import gc
import os
import random
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.draw.numbers import describe_exit
from gradrepl.engine.boundary import Part, Quitting
from gradrepl.engine.code import patches
from gradrepl.engine.data import isolate, order, workers
from gradrepl.engine.session import Answer, on
from gradrepl.engine.stopping.gate import CONTINUES, Place
from gradrepl.errors import LinkError, StateError
from gradrepl.link import BlockingLink

if TYPE_CHECKING:
    from gradrepl.engine.session import Session

ENDED, LEFT = -1, -2
"""In the place of a number in an Answer: the copy has the record; it was left with ``quit``."""
EVERY = 0.25
"""Seconds between two looks at what becomes of the copy."""
GRACE = 5.0
"""Seconds in which it has to end after Ctrl-C."""
QUIET, BUSY = 60.0, 0.01
"""Seconds after which a copy that computes less than this share of them waits for a lost lock."""
PRINTED = 64 * 1024
"""Bytes of what it prints that are shown."""

inside = False
"""Is this process such a copy?"""


class Work:
    """What is to be answered in the copy, as if a client had asked for it."""

    def __init__(self, made: Callable[[], Answer]) -> None:
        self.made = made


@on(Work)
def _(request: Work, session: Session, place: Place) -> Answer:
    return request.made()


def answered(
    session: Session,
    place: Place,
    made: Callable[[], Answer],
    *,
    stepped: bool = False,
    silent: bool = False,
) -> Answer:
    """Return the record that ``made`` returns in a copy of the program.

    With ``stepped`` it may stop there: what is asked meanwhile is asked of the copy. What it
    prints is shown, unless it is ``silent``.

    Raises:
        StateError: there can be no copy here, or it has ended otherwise.
    """
    if inside:
        return made()
    if not isolate.possible():
        raise StateError(
            f"{sys.platform} cannot keep a copy of the program apart from it.", isolate.HERE
        )
    copy = Copy(session, 0 if silent else PRINTED)
    with copy.alone():
        copy.begin(place, made, stepped)
        with session.gate.elsewhere(copy) if stepped else nullcontext() as copy.place:
            return copy.record()


# -- in the copy ---------------------------------------------------------------------------------


def _live(
    session: Session,
    place: Place,
    made: Callable[[], Answer],
    theirs: socket.socket,
    prints: int,
    stepped: bool,
) -> NoReturn:
    """Make the record, send it, and end: nothing of the program's own end runs here."""
    global inside
    inside = True
    try:
        link = session.link = BlockingLink(theirs)
        session.gate.renew()
        session.before_stop = session.after_stop = lambda: None  # the terminal is the program's
        try:
            _settle(session, link, prints, stepped)
            record = session.answer(Work(made), place)
            last = p.Answer(id=ENDED, record=record)  # type: ignore[arg-type]
        except Quitting:
            last = p.Answer(id=LEFT)
        except Exception as error:  # ours
            why = StateError(f"a copy of the program cannot be kept apart: {error}", isolate.HERE)
            last = p.Answer(id=ENDED, record=why.record())
        sys.stdout.flush()
        sys.stderr.flush()
        session.send(last)
        link.close()
    finally:
        os._exit(0)


def _settle(session: Session, link: BlockingLink, prints: int, stepped: bool) -> None:
    """Keep this copy apart from the program, and let it be asked what it may stop at."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    workers.worker_signals._SIGCHLD_handler_set = False
    order.kept = order.all_iterators()
    gc.freeze()  # what the program has dropped is the program's to end
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        isolate.cut.add("GPU")
    isolate.isolate((link.fileno(),), prints)
    torch.set_num_threads(1)
    os.environ["GRADREPL_NO_TTY"] = "continue"
    os.register_at_fork(after_in_child=link.drop)
    if stepped:
        hear = threading.Thread(target=_hear, args=(session, link), name="gradrepl-copy")
        hear.daemon = True
        hear.start()


def _hear(session: Session, link: BlockingLink) -> None:
    """Take what is asked of the copy, until the program is gone."""
    with suppress(LinkError):
        while isinstance(asked := link.receive(), p.Ask):
            session.gate.put(asked)
    os._exit(1)


# -- beside it, in the program -------------------------------------------------------------------


class Copy:
    """A copy of the program, from here: what it says, what it prints, how it ends."""

    def __init__(self, session: Session, shown: int) -> None:
        self._session = session
        self._pid = 0
        self._status: int | None = None
        self._left = shown
        self._asked_to_end: float | None = None
        own = [each for each in threading.enumerate() if not each.name.startswith("gradrepl")]
        self._lost = len(own) > 1
        """Has the program threads that are not in the copy?"""
        self._busy = (time.monotonic(), 0.0)
        self._unanswered: dict[int, Any] = {}
        self.place: Place | None = None
        """Where it parks, if it may."""

    def begin(self, place: Place, made: Callable[[], Answer], stepped: bool) -> None:
        """Fork. Python's own generator, which is seeded in every child, is as it was.

        Raises:
            StateError: there is no memory for it, or no process.
        """
        ours, theirs = socket.socketpair()
        self._printed, prints = os.pipe()
        os.set_blocking(self._printed, False)
        self._link = BlockingLink(ours)
        state = random.getstate()
        patches.branching = True
        try:
            self._pid = os.fork()
            if not self._pid:
                random.setstate(state)
                patches.branching = False
                self._link.drop()
                os.close(self._printed)
                _live(self._session, place, made, theirs, prints, stepped)
        except OSError as error:
            why = f"the program cannot be copied: {error.strerror}."
            raise StateError(why, isolate.HERE) from None
        finally:
            patches.branching = False
            theirs.close()
            os.close(prints)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep its end from a handler of the program's; afterwards nothing of it is left."""
        main = threading.current_thread() is threading.main_thread()
        before: Any = signal.getsignal(signal.SIGCHLD) if main else None

        def handler(number: int, frame: Any) -> None:
            ours = False
            with Part("telling the end of a copy from that of a worker"):
                ours = self._status is None and self._is_over()
            if not ours:
                before(number, frame)

        if callable(before):
            signal.signal(signal.SIGCHLD, handler)
        try:
            yield
        finally:
            self._kill()
            if callable(before):
                signal.signal(signal.SIGCHLD, before)

    @property
    def _waits(self) -> bool:
        """Is it parked, and waits for a request?"""
        return self.place is not None and self.place.waiting

    def put(self, asked: Any) -> None:
        """Hand a request to the copy; what only this thread can do waits for it."""
        if not isinstance(asked, p.Ask):
            self._unanswered[id(asked)] = asked
            return
        self._unanswered[asked.id] = asked
        if self.place is not None and isinstance(asked.request, p.RUNS):
            self.place.waiting = False
        with suppress(LinkError):
            self._link.send(asked)

    def record(self) -> Answer:
        """Wait for the record.

        Raises:
            StateError: the copy ended without one.
        """
        poll = select.poll()
        for number in (self._link.fileno(), self._printed):
            poll.register(number, select.POLLIN)
        while True:
            try:
                for number, _ in poll.poll(EVERY * 1000):
                    if number == self._printed:
                        if not self._print():
                            poll.unregister(number)
                    elif (last := self._heard()) is not None:
                        return self._end(last)
                self._look_after()
            except KeyboardInterrupt:
                self._interrupt()

    def _heard(self) -> p.Answer | None:
        """Pass on what the copy says; return its last word."""
        message = self._link.receive()
        if message is None:
            raise self._how_it_ended()
        if isinstance(message, p.Answer):
            if message.id < 0:
                return message
            self._unanswered.pop(message.id, None)
        if self.place is not None and isinstance(message, p.Prompt):
            self.place.waiting = True
        self._session.send(message)
        return None

    def _end(self, last: p.Answer) -> Answer:
        while self._print():
            pass
        if last.id == LEFT:
            self._session.gate.left = True
            raise self._session.gate.quitting
        return last.record

    def _print(self) -> bool:
        """Show what it has printed, as far as there is not too much of it; was there anything?"""
        try:
            piece = os.read(self._printed, PRINTED)
        except BlockingIOError:
            return False
        shown, self._left = piece[: max(0, self._left)], self._left - len(piece)
        if shown:
            more = "\n(more is not shown)" if self._left < 0 else ""
            text = shown.decode(errors="replace").rstrip("\n") + more
            self._session.tell(model.Text(title="printed there", body=text))
        return bool(piece)

    # -- its end -------------------------------------------------------------------------------

    def _look_after(self) -> None:
        stepper = self._session.stepper
        if stepper.interrupted:
            stepper.interrupted = False
            self._interrupt()
        late = self._asked_to_end is not None and time.monotonic() > self._asked_to_end + GRACE
        if late and not self._waits:
            raise self._ended("it did not stop at Ctrl-C, and was killed.")
        if self._session.gate.detached:
            raise self._ended("nobody waits for it any more.")
        if self._is_over():
            raise self._how_it_ended()
        if self._lost and self._is_quiet():
            raise self._ended(
                f"nothing happened in {QUIET:.0f} s: it waits, perhaps for a lock that another "
                "thread of the program held, and threads are not in the copy."
            )

    def _interrupt(self) -> None:
        """Ask it to end, once; where it parks, Ctrl-C is the client's to handle."""
        if not self._waits and self._asked_to_end is None:
            self._asked_to_end = time.monotonic()
            os.kill(self._pid, signal.SIGINT)

    def _is_quiet(self) -> bool:
        """Has the copy computed next to nothing, and nothing of its own either, for a while?"""
        moment, spent = self._busy
        now = time.monotonic()
        if now - moment < QUIET:
            return False
        computed = map(workers.computed, (self._pid, *workers.children(self._pid)))
        mine = sum(each[0] for each in computed if each is not None)
        self._busy = now, mine
        return mine - spent < BUSY * (now - moment)

    def _is_over(self) -> bool:
        """Has it ended? Its status is kept."""
        if self._pid and self._status is None:
            try:
                pid, status = os.waitpid(self._pid, os.WNOHANG)
            except ChildProcessError:  # another thread of the program waits for every child
                pid, status = self._pid, 0
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status is not None

    def _kill(self) -> None:
        """End it, and the processes that it has started."""
        with suppress(ProcessLookupError):
            if self._pid:
                os.killpg(self._pid, signal.SIGTERM)
        if self._pid and not self._is_over():
            os.kill(self._pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
        self._link.close()
        os.close(self._printed)
        for asked in filter(None, self._unanswered.values()):
            if isinstance(getattr(asked, "request", None), p.RUNS):
                self._session.send(p.Answer(id=asked.id, record=CONTINUES))
            else:
                self._session.gate.put(asked)

    def _how_it_ended(self) -> StateError:
        end = time.monotonic() + GRACE
        while not self._is_over() and time.monotonic() < end:
            time.sleep(0.01)
        if self._asked_to_end is not None:
            return self._ended("stopped.")
        return self._ended(f"what it runs ended its process: {describe_exit(self._status or 0)}.")

    def _ended(self, why: str) -> StateError:
        return StateError(why, "It ran in a copy of the program, which is as it was.")
