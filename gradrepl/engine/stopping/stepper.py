"""What is armed and in place, and the stop itself: from an event to a parked thread and back.

With nothing armed and nothing typed running, there is not one hook, mode or patch of ours in the
user's program. Everything of torch's is brought in by ``torch_arrived``.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from gradrepl import conditions as c
from gradrepl import model
from gradrepl.engine.code import frames
from gradrepl.engine.stopping.breakpoints import Anchor, Armed, Hit
from gradrepl.engine.stopping.gate import Gate, Place, Quitting
from gradrepl.engine.stopping.lines import Lines
from gradrepl.errors import Aborted, StateError
from gradrepl.model import Stop

if TYPE_CHECKING:
    from gradrepl.engine.data.watch import DataWatch
    from gradrepl.engine.forward.recorder import Recorder
    from gradrepl.engine.graph.backward import Pass
    from gradrepl.engine.graph.watcher import Watcher
    from gradrepl.engine.health.watch import HealthWatch
    from gradrepl.engine.observers import Observer
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.events import _Event


CAPTURED = (
    "a CUDA graph is being captured: its ops are recorded by CUDA and compute nothing now, so "
    "there is no stop in it. Step the eager warm-up before it."
)


class Stepper:
    """Decides at each event whether to stop, and stops."""

    recorder: Recorder
    watcher: Watcher

    def __init__(self, session: Session, gate: Gate) -> None:
        self.session = session
        self.gate = gate
        self.armed = Armed()
        self.lines = Lines(self.line_event)
        self.passes: list[Pass] = []
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
        self.asks_before_nodes = self.asks_after_nodes = False
        self.wanted = model.Watching()
        """What of the gradients is to be watched."""
        self.limits = model.HealthLimits()
        self.health: HealthWatch | None = None
        """What watches them; None until somebody asks for it and torch is there."""
        self.observers: list[Observer] = []
        """What the program itself has asked to be looked at; outlives every face."""
        self.watch_loaders = False
        """Loops of the program over its DataLoaders are to be watched."""
        self._told_capture = False
        self.loading: DataWatch | None = None
        """What watches them; None until somebody asks for it and torch is there."""

    def torch_arrived(self) -> None:
        """Torch is imported: bring in what needs it, and put in place what is armed."""
        from gradrepl.engine.forward.recorder import Recorder
        from gradrepl.engine.graph.watcher import Watcher

        frames.forget_kinds()
        self.recorder = Recorder(self)
        self.watcher = Watcher(self)
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
            self.recorder.forget_paths()
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
                self.recorder.forget_paths()

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
        if self.health is not None:
            self.health.clock.restart()
        if self.loading is not None:
            self.loading.restart()

    def rearm(self) -> None:
        """Work out what must be seen, and have in place what sees it (the recorder apart)."""
        armed = self.armed
        self.asks_before_ops = armed.asks(c.OP, "before")
        self.asks_after_ops = armed.asks(c.OP, "after")
        self.asks_before_nodes = armed.asks(c.NODE, "before")
        self.asks_after_nodes = armed.asks(c.NODE, "after")
        self.wants_passes = armed.wants(c.NODE) or armed.wants(c.PASS)
        self.records = (
            self.asks_before_ops or self.asks_after_ops or self.wants_passes or self.typed
            or self.traced()
        )  # fmt: skip
        if not self.torch_here:
            return
        for each in self.passes:
            each.rearm()
        self._loads()
        watches = self._watches()
        if self.wants_passes or self.typed or watches or self.observers:
            self.watcher.install()
        elif not self.passes:
            self.watcher.remove()

    def _watches(self) -> bool:
        """Are gradients watched? Has in place what watches them."""
        watching = self.watching()
        wanted = watching.grads or watching.breakpoints
        if self.health is None and wanted:
            from gradrepl.engine.health.watch import HealthWatch

            self.health = HealthWatch(self)
        if self.health is not None:
            self.health.place(watching)
        return wanted

    def _loads(self) -> None:
        """Have in place what watches DataLoaders, while it is wanted."""
        wanted = self.watch_loaders or self.armed.wants(c.BATCH)
        if self.loading is None and wanted:
            from gradrepl.engine.data.watch import DataWatch

            self.loading = DataWatch(self)
        if self.loading is not None:
            self.loading.place(wanted)

    def watching(self) -> model.Watching:
        """Return what is watched, for whatever reason."""
        return replace(self.wanted, breakpoints=self.armed.judges_gradients())

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
        """Forget everything: the face is gone, or this is a forked child."""
        self.armed = Armed()
        self.wanted = model.Watching()
        self.watch_loaders = False
        self.typed = False
        self.rearm()

    def traced(self) -> bool:
        """Does the program want its ops to be recorded?"""
        return any(each.records for each in self.observers)

    def drop_observers(self) -> None:
        """Forget what the program has asked for: this is a forked child."""
        observers, self.observers[:] = list(self.observers), []
        for each in observers:
            each.close()

    def sees(self) -> bool:
        """Is an op of the user's, and not of ours, running, and may it stop?"""
        return not self.gate.detached and not self.gate.answering()

    def records_here(self) -> bool:
        """The same, or may it not stop but is to be recorded?"""
        wanted = bool(self.observers) and self.traced() if self.gate.detached else True
        return wanted and not self.gate.answering()

    # -- events ------------------------------------------------------------------------------

    def op_event(self, call: Any, when: str) -> None:
        """An op is about to run, or done."""
        from gradrepl.engine.stopping.events import OpEvent

        self.event(OpEvent(self, self.armed.anchor, call, when))

    def judged(self, health: HealthWatch) -> None:
        """A watched backward is over: some parameters may have another verdict."""
        if health.new and self.armed.wants(c.WATCH):
            from gradrepl.engine.stopping.events import WatchEvent

            self.event(WatchEvent(self, self.armed.anchor, health.new))

    def line_event(self, frame: FrameType, entered: bool) -> None:
        """A watched line is about to run."""
        from gradrepl.engine.stopping.events import LineEvent

        self.event(LineEvent(self, self.armed.anchor, frame, entered))

    def event(self, event: _Event) -> None:
        """Stop here if something armed says so."""
        if not self.sees() or self._captures():
            return
        with self._unseen():
            hit = self.armed.why(event)  # type: ignore[arg-type]
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

    def park(self, event: _Event, hit: Hit) -> None:
        """Stop at ``event`` until the user says how far to go on."""
        from gradrepl.engine.stopping import stops
        from gradrepl.engine.tensor import figures

        with self.session.stop():
            self.armed.rest()
            self.pausing = False
            self.leaf_names.clear()
            state = "backward" if event.kind in ("node", "pass", "watch") else "forward"
            users = frames.user_frames(event.frame)
            place = Place(state, users, extras=event.extra_quietly, event=event)
            for backward in self.passes:
                backward.parked = True
            watches = self.session.news(place)
            with figures.quiet():
                record = stops.stop(self.session, event, hit, place, watches)
            self.session.observers.see("stop", stop=record)
            self.session.tell(record)
            verb = self._serve(place)
            self.go(verb, stops.anchor(event, place, verb))

    def _unseen(self) -> Any:
        from gradrepl.engine import torch_private

        return torch_private.DisableTorchFunction()

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
            from gradrepl.engine.forward import regions
            from gradrepl.engine.stopping.events import PlaceEvent

            event = PlaceEvent(self, self.armed.anchor, frame)
            with self.gate.turn():
                if said := regions.passed_by(self):
                    self.session.tell(model.Notice(message=said))
                self.park(event, Hit(reason))
            return
        with self.session.stop():
            self.pausing = False
            place = Place("forward", frames.user_frames(frame))
            site = frames.site(place.frames[0]) if place.frames else None
            self.session.tell(Stop(phase="forward", reason=reason, site=site, when="before"))
            self.go(self._serve(place))

    def pass_ended(self, record: model.Pass, told: bool) -> None:
        """A backward is over; the face is told of one in which somebody stopped."""
        self.session.observers.see("pass", done=record)
        if not told:
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
