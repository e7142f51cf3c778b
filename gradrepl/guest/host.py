"""The engine's session in a process that the user started, and the clients that come to it."""

from __future__ import annotations

import atexit
import bdb
import builtins
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, ClassVar

from gradrepl import conditions as c
from gradrepl import protocol
from gradrepl.engine import debuggee
from gradrepl.engine.boundary import Part, Quitting
from gradrepl.engine.code import frames, patches
from gradrepl.engine.stopping.interrupts import (
    Interrupts,
    NextLine,
    call_in_main_thread,
    others_wait,
    own,
)
from gradrepl.errors import LinkError
from gradrepl.guest import terminal
from gradrepl.guest.clients import Client, Clients, Listener, own_name
from gradrepl.link import BlockingLink
from gradrepl.model import Notice

NO_TTY = "GRADREPL_NO_TTY"
"""Set to 'continue', a stop without a terminal is skipped; else it waits for ``attach``."""


class BdbQuit(Quitting, bdb.BdbQuit):
    """``q`` at a stop: what pdb raises into the user's code."""


BdbQuit.__module__, BdbQuit.__qualname__ = "bdb", "BdbQuit"


class Host:
    """One process's session: there is at most one, made at the first stop or ``listen()``."""

    here: ClassVar[Host | None] = None

    @classmethod
    def get(cls) -> Host:
        """Return this process's host; make it if there is none."""
        if cls.here is None or cls.here.pid != os.getpid():
            cls.here = Host()
            os.register_at_fork(after_in_child=cls.here.forked)
            patches.hide_fork_warning()
            atexit.register(cls.here.at_exit)
        return cls.here

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.clients = Clients(self._asked, self._client_went)
        self.session = debuggee.begin(self.clients)
        self.session.gate.quitting = BdbQuit
        self.session.before_stop, self.session.after_stop = self._stops, self._continues
        self.interrupts = Interrupts(self.session)
        self.lent: terminal.Lent | None = None
        self.listener: Listener | None = None
        self._child: Client | None = None
        self._handler: Any = None
        """Who had SIGINT before us; None while we do not have it."""
        self._underscore: tuple[Any, bool] | None = None
        """``_`` before typed code set it, and whether it was there."""
        self.has_come = threading.Event()
        """Set when a client has attached."""
        self.session.gate.detached = True  # until somebody stops, or a client comes
        self._rest()

    # -- stops -------------------------------------------------------------------------------

    def wake(self) -> None:
        """Let threads park, from now on; the calling thread is the one that is stepped."""
        self.session.gate.attach()
        self.look_on()

    def look_on(self) -> None:
        """See what runs, from now on; of ops those of the calling thread, if of no other yet."""
        stepper = self.session.stepper
        if not self.armed() and not stepper.traced():
            stepper.thread = threading.current_thread()
        stepper.running = self.session.running_script = True
        self.session.watch_for_torch()

    def looked_on(self) -> None:
        """Nobody looks on any more, or one fewer: have nothing in place that is not needed."""
        idle = not self.armed() and not self.session.stepper.added()
        if idle and not self.session.gate.places:
            self._rest()

    def pause(self, frame: FrameType | None, reason: str) -> None:
        """Stop the calling thread at ``frame``."""
        if self.session.gate.answering():
            self.session.tell(Notice(message=f"{reason} skipped: typed code does not stop."))
            return
        self.wake()
        self.session.stepper.pause_here(frame, reason)

    def finish(self) -> None:
        """What was run to be stepped is over: the terminal goes back."""
        stepper = self.session.stepper
        stepper.pausing = False
        stepper.armed.rest()
        stepper.rearm()
        stepper.place_recorder()
        if isinstance(getattr(sys.gettrace(), "__self__", None), NextLine):
            sys.settrace(None)
        if not self.session.gate.places:
            self._part()

    def armed(self) -> bool:
        """Is there anything to stop at?"""
        armed = self.session.stepper.armed
        return bool(armed.breakpoints) or not isinstance(armed.verb, c.Continue)

    def _stops(self) -> None:
        """A thread is about to park: have a client to show it to."""
        self.session.watch_for_torch()
        if self.clients.attached or self.session.gate.detached:
            return
        if self._underscore is None:
            self._underscore = vars(builtins).get("_", None), "_" in vars(builtins)
        in_cell = terminal.cell_can_ask()
        name = "" if in_cell else terminal.path()
        if name or in_cell:
            self._lend(name)
        elif os.environ.get(NO_TTY) == "continue":
            self.say(f"breakpoint skipped: no terminal ({NO_TTY}=continue).")
            self._let_go()
        else:
            self._wait_for_a_client()

    def _wait_for_a_client(self) -> None:
        try:
            self.listen()
        except LinkError as error:
            self._let_go()
            self.say(f"breakpoint skipped: no terminal, and {error}")
            return
        self.say(
            f"stopped, and there is no terminal: waiting for 'gradrepl attach {own_name()}'"
            f" ({NO_TTY}=continue skips the stop instead)."
        )

    def _lend(self, name: str) -> None:
        try:
            lent = self._lent(name)
        except OSError as error:
            why = error.strerror or error
            self.say(f"no client could be started ({why}): the program continues.")
            self.session.gate.detach()
            self._forget()
            return
        self.lent = lent
        if name:
            self._take_sigint()
        self._child = self.clients.join(BlockingLink(lent.link), self.session.ready)

    def _lent(self, name: str) -> terminal.Lent:
        if name:
            return terminal.Terminal(name, lambda: self.session.send(protocol.Input()))
        from gradrepl.notebook import Cell

        return Cell(self.session.gate)

    def _continues(self) -> None:
        """A thread left its stop: give the terminal back, unless the client is still needed."""
        session = self.session
        if session.gate.places:
            return
        if session.gate.left:
            self._forget()
            session.gate.attach()
        session.stepper.place_recorder()
        self.clients.resumed()
        if isinstance(session.stepper.armed.verb, c.Continue):
            self._part()

    def _part(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            self.clients.part(child)
            if child.thread is not threading.current_thread():
                child.thread.join(1)
        self._return_terminal()
        if not self.armed():
            self._rest()

    def _return_terminal(self) -> int:
        lent, self.lent = self.lent, None
        if lent is None:
            return 0
        status = lent.take_back()
        self._give_sigint()
        return status

    def _rest(self) -> None:
        """Nothing is armed: have nothing of ours in the process."""
        self.session.rest()
        if self._underscore is not None:
            value, had = self._underscore
            self._underscore = None
            if had:
                vars(builtins)["_"] = value
            else:
                vars(builtins).pop("_", None)

    def _forget(self) -> None:
        """Disarm everything, in the thread where it is armed if that can be had."""
        self.session.client_gone()
        if threading.current_thread() is not self.session.stepper.thread:
            call_in_main_thread(self.session.stepper.place_recorder)

    # -- clients -----------------------------------------------------------------------------

    def listen(self, address: str = "", script: str = "") -> Listener:
        """Let clients come from elsewhere; returns where.

        Raises:
            LinkError: nobody can listen there.
        """
        if self.listener is None:
            self.listener = Listener(address, script, self._came)
            if self.listener.public:
                self.say(
                    f"{self.listener.address} can be reached from other machines: who has the "
                    "token controls this program, and what is sent is not encrypted."
                )
        return self.listener

    def _came(self, link: BlockingLink) -> None:
        """A client has attached; in a thread of the listener's."""
        first = not self.clients.attached
        if first:
            self.session.gate.attach()
            self.session.stepper.running = self.session.running_script = True
            call_in_main_thread(self.session.watch_for_torch)
        self.clients.join(link, self.session.ready)
        self.has_come.set()
        if waiting := others_wait():
            self.session.tell(Notice(message=waiting))
        if first and not self.session.gate.places:
            self._pause_soon()

    def _client_went(self, client: Client, why: str) -> None:
        """The link of ``client`` has ended; in its own thread."""
        if client.leaving:
            return
        status = 0
        if client is self._child:
            self._child = None
            status = self._return_terminal()
        if not self.clients.attached:
            how = why.removesuffix(".") or (f"exit status {status}" if status else "it is closed")
            self._let_go()
            self.say(f"the client is gone ({how}): the program continues, with no stop.")

    def _let_go(self) -> None:
        self.session.gate.detach()
        self._forget()

    def _asked(self, client: Client, ask: protocol.Ask) -> None:
        """Do or hand on what a client asks; in its own thread."""
        record = debuggee.at_once(ask.request, self.session)
        if record is not None:
            self.clients.send(protocol.Answer(id=ask.id, record=record))  # type: ignore[arg-type]
            return
        match ask.request:
            case protocol.Pause() if self._handler is not None:
                self.interrupts.pause()
            case protocol.Pause():
                self._pause_soon()
            case protocol.Interrupt():
                os.kill(os.getpid(), signal.SIGINT)
            case protocol.Detach():
                self._detach(client, ask)
                return
            case _:
                if self.session.gate.put(ask):
                    return
                if isinstance(ask.request, protocol.Quit):
                    self._detach(client, ask)
                    return
        self.clients.send(protocol.Answer(id=ask.id))

    def _detach(self, client: Client, ask: protocol.Ask) -> None:
        self.clients.send(protocol.Answer(id=ask.id))
        self.clients.part(client)
        if client is self._child:
            self._child = None
            self._return_terminal()
        if not self.clients.attached:
            self._let_go()

    # -- Ctrl-C ------------------------------------------------------------------------------

    def _pause_soon(self) -> None:
        """Stop at the main thread's next event: an op, a node, or a line of the user's."""
        if not self.session.gate.main_waits():
            call_in_main_thread(self._arm_pause)

    def _arm_pause(self) -> None:
        if not self.session.gate.detached and not self.session.gate.places:
            running = frames.user_frames(sys._getframe(0))
            self.pause_at_next("pause", [each for each in running if own(each)])

    def pause_at_next(self, reason: str, running: list[FrameType]) -> None:
        """Stop the calling thread at its next op or node, or at the next line of new frames and of
        those that are ``running``."""
        self.session.stepper.pausing = True
        self.session.stepper.go(c.First())
        if sys.gettrace() is None:
            NextLine(self.session, reason).set(running)

    def _take_sigint(self) -> None:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._handler = signal.signal(signal.SIGINT, self.interrupts.handle)

    def _give_sigint(self) -> None:
        before, self._handler = self._handler, None
        if before is None:
            return
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGINT) == self.interrupts.handle:
                signal.signal(signal.SIGINT, before)
        else:
            self._handler = before
            call_in_main_thread(self._give_sigint)

    # -- the process -------------------------------------------------------------------------

    def say(self, sentence: str) -> None:
        """Say something to whoever reads the program's standard error."""
        print(f"gradrepl: {sentence}", file=sys.stderr, flush=True)

    def forked(self) -> None:
        """In a forked child: no clients, no hooks, no stops of the parent's."""
        if Host.here is not self:
            return
        Host.here = None
        self.session.gate.detached = True
        with Part("closing the links in a forked child"):
            self.clients.drop()
            for held in (self.lent, self.listener):
                if held is not None:
                    held.abandon()
        with Part("leaving a forked child alone"):
            self.session.forked()

    def at_exit(self) -> None:
        """The process ends: the terminal goes back, nobody is listened for."""
        if self.pid != os.getpid():
            return
        self.session.gate.detached = True
        with Part("leaving a program that ends"):
            self.session.leave()
            for client in list(self.clients.attached):
                self.clients.part(client)
            self._child = None
            self._return_terminal()
            if self.listener is not None:
                self.listener.close()
                self.listener = None
