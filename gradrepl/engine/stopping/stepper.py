"""What is armed and in place, and the stop itself: from an event to a parked thread and back.

With nothing armed and nothing typed running, there is not one hook, mode or patch of ours in the
user's program. Everything of torch's is brought in by ``torch_arrived``.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

from gradrepl import conditions as c
from gradrepl import model
from gradrepl.engine.boundary import Quitting
from gradrepl.engine.code import frames
from gradrepl.engine.observers import Observer
from gradrepl.engine.stopping.breakpoints import Anchor, Armed, Hit
from gradrepl.engine.stopping.cost import Costs
from gradrepl.engine.stopping.events import (
    Event,
    Host,
    LineEvent,
    OpRecorder,
    PlaceEvent,
    RunningBackward,
    Watcher,
)
from gradrepl.engine.stopping.gate import Gate, Place
from gradrepl.engine.stopping.lines import Lines
from gradrepl.errors import Aborted, StateError
from gradrepl.model import Stop

CAPTURED = (
    "a CUDA graph is being captured: its ops are recorded by CUDA and compute nothing now, so "
    "there is no stop in it. Step the eager warm-up before it."
)


class Stepper:
    """Decides at each event whether to stop, and stops."""

    recorder: OpRecorder
    watcher: Watcher

    def __init__(self, session: Host, gate: Gate) -> None:
        self.session = session
        self.gate = gate
        self.armed = Armed()
        self.lines = Lines(self.line_event)
        self.costs = Costs()
        self.passes: list[RunningBackward] = []
        """Backwards that are running and watched, outermost first."""
        self.leaf_names: dict[int, tuple[weakref.ref[Any], tuple[str, ...], Any]] = {}
        """By id: the leaf, the names it was found to have and the code that called
        the backward; until somebody stops or types."""
        self.last_pass: model.Pass | None = None
        self.torch_here = False
        self.pausing = False
        """A pause was asked for and comes at the next event."""
        self.interrupted = False
        """Ctrl-C came in the middle of our own work: KeyboardInterrupt follows."""
        self.typed = False
        """Something typed at the idle prompt is running: it is recorded, to name its nodes."""
        self.running = False
        """Code of the user's runs in the stepped thread, or is parked in it."""
        self.thread = threading.main_thread()
        """The thread whose ops and lines are seen."""
        self.records = False
        """Must ops be seen at all?"""
        self.wants_passes = False
        self.asks_before_ops = self.asks_after_ops = False
        self.observers: list[Observer] = []
        """Who looks on: those of every session first, then whoever asked."""
        self.around_backwards: tuple[Observer, ...] = ()
        """Those of them that are around each backward now."""
        self._recording: tuple[Observer, ...] = ()
        """Those that may want ops to be recorded."""
        self.note_op: tuple[Callable[[Any], None], ...] = ()
        """Told of each op that has run."""
        self._told_capture = False

    def torch_arrived(self, recorder: OpRecorder, watcher: Watcher) -> None:
        """Torch is imported: put in place what is armed."""
        frames.forget_kinds()
        self.recorder, self.watcher = recorder, watcher
        self.torch_here = True
        self.rearm()
        self.place_recorder()

    # -- arming ------------------------------------------------------------------------------

    @contextmanager
    def code(self, *, typed: bool) -> Iterator[None]:
        """Run code of the user's in this thread: at the idle prompt, or stepped from a stop."""
        outer = self.typed, self.running
        self.typed, self.running = typed, True
        self.leaf_names.clear()
        if self.torch_here:
            self.recorder.paths.forget()
        self._restart_clocks()
        self.rearm()
        nested = self.torch_here and self.recorder.held_back()
        try:
            with self.recorder.within() if nested else nullcontext():
                self.place_recorder()
                yield
        finally:
            self.typed, self.running = outer
            self.pausing = self.interrupted = False
            self.armed.rest()
            self.rearm()
            self.place_recorder()
            if self.torch_here:
                self.recorder.paths.forget()

    def go(self, verb: c.Verb, anchor: Anchor | None = None) -> None:
        """Arm ``verb``, as the user's code is about to run on."""
        self.armed.go(verb, anchor or Anchor())
        self._restart_clocks()
        self.rearm()
        if self.torch_here:
            self.recorder.opening = isinstance(verb, c.Into)
        self.place_recorder()

    def _restart_clocks(self) -> None:
        """The time at a stop, or at a prompt, is none of the program's."""
        self.costs.restart()
        for each in self.observers:
            each.restart()

    def rearm(self) -> None:
        """Work out what must be seen, and have in place what sees it (the recorder apart)."""
        armed = self.armed
        self.asks_before_ops = bool(armed.asking(c.OP, "before"))
        self.asks_after_ops = bool(armed.asking(c.OP, "after"))
        self.wants_passes = armed.wants(c.NODE) or armed.wants(c.PASS)
        self._recording = tuple(e for e in self.observers if type(e).records is not False)
        self.note_op = tuple(each.op for each in self._recording)
        asks_ops = self.asks_before_ops or self.asks_after_ops
        self.records = asks_ops or self.wants_passes or self.typed or self.traced()
        if self.torch_here:
            self.records = self.records and self.recorder.part.works
            self._rearm_backwards()

    def _rearm_backwards(self) -> None:
        """Have in place what sees backwards, and nothing else."""
        for each in self.passes:
            each.rearm()
        for observer in self.observers:
            observer.rearm()
        self.around_backwards = tuple(each for each in self.observers if each.meets_backwards)
        if self.wants_passes or self.typed or self.around_backwards:
            self.watcher.install()
        elif not self.passes:
            self.watcher.remove()

    def place_recorder(self) -> None:
        """Have recorder and line tracer in the stepped thread exactly while they are needed."""
        if not self.torch_here or threading.current_thread() is not self.thread:
            return
        watched = self.armed.lines() if self.running else ([], frozenset[str]())
        self.lines.watch(*watched)
        if self.passes:
            return  # the engine gives the stack back as it was: at the end of the pass
        if self.records and self.running:
            self.recorder.install()
        else:
            self.recorder.remove()

    def disarm(self) -> None:
        """Forget everything: the client is gone, or this is a forked child."""
        self.armed = Armed()
        self.typed = False
        for each in self.observers:
            each.rest()
        self.rearm()

    def traced(self) -> bool:
        """Does the program want its ops to be recorded?"""
        return any(each.records for each in self._recording)

    def observe(self, observer: Observer) -> None:
        """Let ``observer`` look on; what it needs is in place after the next ``rearm``."""
        if observer not in self.observers:
            self.observers.append(observer)

    def added(self) -> list[Observer]:
        """Return the observers that somebody asked for, who outlive every client."""
        return [each for each in self.observers if not each.built_in]

    def drop_observers(self) -> None:
        """Forget what the program has asked for: this is a forked child."""
        for each in self.added():
            self.observers.remove(each)
            each.close()

    def sees(self) -> bool:
        """Is an op of the user's, and not of ours, running, and may it stop?"""
        return not self.gate.detached and not self.gate.answering()

    def records_here(self) -> bool:
        """The same, or may it not stop but is to be recorded?"""
        wanted = self.traced() if self.gate.detached else True
        return wanted and not self.gate.answering()

    # -- events ------------------------------------------------------------------------------

    def line_event(self, frame: FrameType, entered: bool) -> None:
        """A watched line is about to run."""
        self.event(LineEvent(self, self.armed.anchor, frame, entered))

    def event(self, event: Event) -> None:
        """Stop here if something armed says so."""
        if not self.sees() or self._captures():
            return
        from gradrepl.engine import torch_private

        with torch_private.DisableTorchFunction():
            hit = self.armed.why(event)
        if hit is not None:
            self.park(event, hit)

    def _captures(self) -> bool:
        """Is a CUDA graph being captured? To look at a value there would break it: that is told."""
        import torch

        if not torch.cuda.is_initialized() or not torch.cuda.is_current_stream_capturing():  # type: ignore[no-untyped-call]
            self._told_capture = False
            return False
        if not self._told_capture:
            self._told_capture = True
            self.session.tell(model.Notice(message=CAPTURED))
        return True

    def park(self, event: Event, hit: Hit) -> None:
        """Stop at ``event`` until the user says how far to go on."""
        from gradrepl.engine.tensor import figures

        with self.session.stop():
            self.armed.rest()
            self.pausing = False
            self.leaf_names.clear()
            users = frames.user_frames(event.frame)
            place = Place(event.phase, users, extras=event.extra_quietly, event=event)
            for backward in self.passes:
                backward.parked = True
            watches = self.session.news(place)
            with figures.quiet():
                record = self._stop(event, hit, place, watches)
            for observer in self.observers:
                observer.stopped(record)
            self.session.tell(record)
            verb = self._serve(place)
            self.go(verb, _anchor(event, place, verb))

    def _stop(self, event: Event, hit: Hit, place: Place, watches: tuple[model.Watch, ...]) -> Stop:
        """Return what a client needs to draw this stop."""
        fields: dict[str, Any] = {
            "phase": event.phase,
            "reason": hit.reason,
            "breakpoints": hit.breakpoints,
            "when": event.when,
            "thread": threading.current_thread().name,
            "depth": len(self.gate.places),
            "watches": watches,
            "position": self.recorder.last_id,
        } | event.stop_fields(hit.reason)
        if "site" not in fields:
            fields["site"] = frames.site(place.frames[0]) if place.frames else None
        return Stop(**fields)

    def _serve(self, place: Place) -> c.Verb:
        try:
            return self.gate.serve(place)
        except (Quitting, Aborted, KeyboardInterrupt):
            self.armed.rest()
            self.rearm()
            raise
        finally:
            frames.release(place.frames)

    def deliver_interrupt(self) -> None:
        """Raise the KeyboardInterrupt that came in the middle of our own work, if one did."""
        if self.interrupted:
            self.interrupted = False
            raise KeyboardInterrupt

    def pause_here(self, frame: FrameType | None, reason: str) -> None:
        """Stop where the main thread is: Ctrl-C, or ``breakpoint()``."""
        if self.torch_here:
            event = PlaceEvent(self, self.armed.anchor, frame)
            with self.gate.turn:
                if unseen := self.recorder.unseen_here():
                    self.session.tell(model.Notice(message=unseen))
                self.park(event, Hit(reason))
            return
        with self.session.stop():
            self.pausing = False
            place = Place("forward", frames.user_frames(frame))
            site = frames.site(place.frames[0]) if place.frames else None
            self.session.tell(Stop(phase="forward", reason=reason, site=site, when="before"))
            self.go(self._serve(place))

    def tell_cost(self) -> None:
        """Say what looking costs, where that is most of the time."""
        if self.costs.due():
            self.session.tell(self.costs.record(self.armed))

    def pass_ended(self, record: model.Pass, tell: bool) -> None:
        """A backward is over; the client is told of one in which somebody stopped."""
        for each in self.observers:
            each.passed(record)
        if not tell:
            return
        self.last_pass = record
        self.session.tell(record)
        self.rearm()
        self.place_recorder()

    def check_nested_backward(self) -> None:
        """Refuse a backward typed at a stop that holds the engine's device thread.

        Raises:
            StateError: it would wait for ever.
        """
        event: Any = self.gate.places[-1].event if self.gate.places else None
        thread = threading.current_thread()
        if getattr(event, "kind", "") == "node" and thread is not event.backward.thread:
            raise StateError(
                "this stop holds the engine's own thread: a backward typed here would never end.",
                "Let the pass end (c), or step on the CPU.",
            )

    def wants(self, what: str) -> bool:
        """Does anybody want to be told of each 'pass' or 'batch'?"""
        return any(each.wants(what) for each in self.observers)


def _anchor(event: Event, place: Place, verb: c.Verb) -> Anchor:
    """Return where we stood, for 'deeper', 'left the module', 'past the line'.

    Frames are held only for the verbs that ask: a held frame keeps its variables alive.
    """
    fields = event.anchor_fields()
    if isinstance(verb, c.Step | c.Continue | c.Finish):
        return Anchor(place.state, module=fields.get("module", ""))
    number = verb.number if isinstance(verb, c.Until) else 0
    return Anchor(place.state, place.frame, number=number, fetch=frames.fetch(), **fields)
