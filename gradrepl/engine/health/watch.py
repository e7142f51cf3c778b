"""Watches the gradients of a training that runs, and looks at them after each backward.

Installed only while something is watched: the monkeypatch of torch's way into the engine, which
calls ``begins``; two hooks for optimizers, one patch for DataLoaders, one for GradScalers. No
mode, and unless nodes are watched no hook in the backward.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.health import measure, nodes
from gradrepl.engine.health.clock import Clock
from gradrepl.engine.health.parameters import Parameters
from gradrepl.engine.health.scaling import Clips, Scaling
from gradrepl.engine.health.tracked import KEPT, LOST, Change, Telling, Tracked
from gradrepl.engine.observers import BackwardCall, Depth, Look
from gradrepl.engine.session import Session
from gradrepl.engine.tensor import figures
from gradrepl.model import health as h

OFTEN = 50.0
"""Figures may be worked out again after so many times what the last time took."""
HISTOGRAMS = 8
"""Parameters with a problem of which a histogram is kept then."""

Live = tuple[Tracked, torch.Tensor, Any]
"""A parameter before a backward, and the state of its gradient."""
Reached = tuple[Tracked, torch.Tensor, torch.Tensor]
"""A parameter after a backward that reached it, and its gradient."""


class _Round(Look):
    """One backward while it runs: looked at, or only timed."""

    def __init__(self, watch: HealthWatch, call: BackwardCall, number: int, watched: bool) -> None:
        begun = time.perf_counter()
        self._watch, self._call, self._number, self._watched = watch, call, number, watched
        before, watch.clips.took = watch.clips.took, 0.0
        self._live = watch.prepare(call) if watched else []
        if watched and watch.asked.nodes:
            self.depth = Depth.STATISTICS if watch.asked.statistics else Depth.NORM
            self.most = nodes.most()
        self._took = before + time.perf_counter() - begun

    def ended(self, seen: Recorder | None, error: BaseException | None, seconds: float) -> None:
        """Look at what the engine has left."""
        begun, watch, live = time.perf_counter(), self._watch, self._live
        self._live = []
        if self._watched:
            watch.parameters.stop_order()
        if error is not None:
            return
        if self._watched:
            watch.look(self._call.roots, self._number, seen, live)
        del live
        took = self._took + (seen.took if seen is not None else 0.0)
        took += time.perf_counter() - begun
        watch.clock.passed(seconds, took)
        watch.stepper.costs.gradients += took


class HealthWatch:
    """What is watched, and what has been seen."""

    def __init__(self, session: Session, limits: Callable[[], h.HealthLimits]) -> None:
        self.session = session
        self.stepper = stepper = session.stepper
        self._limits = limits
        self.asked = h.Watching()
        self.parameters = Parameters(session.names)
        self.clock = Clock(self._steps)
        self.scaling = Scaling()
        self.clips = Clips(stepper.sees, self._scaled)
        self.on = False
        self.urgent = False
        """A breakpoint waits for a verdict: figures at every look."""
        self.new: list[Change] = []
        """Parameters whose verdict is another since the last look."""
        self._lock = threading.Lock()
        self._pending = 0
        self.forget()

    # -- on and off ----------------------------------------------------------------------------

    @property
    def limits(self) -> h.HealthLimits:
        """The limits of the verdicts."""
        return self._limits()

    def place(self, asked: h.Watching) -> None:
        """Have in place what is asked for."""
        self.asked = asked
        self.urgent = asked.breakpoints
        on = asked.grads or asked.breakpoints
        if on == self.on:
            return
        self.on = on
        if on:
            self.forget()
            self.clock.install()
        else:
            self.clock.remove()
            self.scaling.forget()
            self.parameters.stop_order()
        for patch in (*self.scaling.patches, *self.clips.patches):
            patch.install() if on else patch.remove()

    def forget(self) -> None:
        """Restart."""
        self.parameters.clear()
        self.clips.forget()
        self.clock.kept.clear()
        self.backwards = self.scaling.skipped = self.clock.steps = 0
        self.points: deque[h.HealthPoint] = deque(maxlen=KEPT)
        self._lost = 0
        """Looks in a row whose total norm was not finite."""
        self.scale: float | None = None
        self.run: nodes.Run | None = None
        """The nodes of the last watched backward."""
        self.run_with_edges: nodes.Run | None = None
        """The same of the last one of which the edges were kept."""
        self._edges_end = self._edges_took = 0.0
        self._figures_end = self._figures_took = 0.0
        self._telling = Telling(self.session.tell)

    # -- around a backward ---------------------------------------------------------------------

    def begins(self, call: BackwardCall) -> _Round | None:
        """Look at a backward, or time it; not at one inside another, which is looked at."""
        if torch_private.running_backward() != -1:
            return None
        self.new = []
        if not call.accumulates:
            self.parameters.note(call.inputs)
        with self._lock:
            self.backwards += call.accumulates
            watched = call.accumulates and self.backwards % self.asked.every == 0
            return _Round(self, call, self.backwards, watched)

    def prepare(self, call: BackwardCall) -> list[Live]:
        """Be ready for a backward that is looked at; return what it may change."""
        parameters = self.parameters
        if parameters.due():
            parameters.search(call.caller)
            parameters.start_order()
        return self._live()

    def _live(self) -> list[Live]:
        """Return the parameters with what tells whether a backward writes to their gradients."""
        with torch_private.DisableTorchFunction():
            return [
                (each, parameter, measure.state(parameter.grad))
                for each, parameter in self.parameters.alive()
            ]

    def look(
        self, roots: Sequence[Any], number: int, recorded: Recorder | None, live: list[Live]
    ) -> None:
        """Look at the gradients that a backward has left."""
        with self._lock, figures.quiet():
            self._look(roots, number, recorded, live)

    def _look(
        self, roots: Sequence[Any], number: int, recorded: Recorder | None, live: list[Live]
    ) -> None:
        reached, idle = _parted(live)
        self.parameters.missing = any(not each.has_grad and each.requires_grad for each in idle)
        self.scale = scale = self.scaling.of(roots[0]) if roots else None
        norms = self._norms(reached, recorded)
        again = self._figures(reached, norms, number)
        self._judge(zip(reached, norms, strict=True), again, number)
        models = dict.fromkeys(each.model for each, _, _ in reached)
        self._pass_by(idle, models, number)
        self._note(roots, norms, models, number)
        if recorded is not None:
            names = {key: each.name for key, each in self.parameters.known.items()}
            self.run = nodes.run_of(recorded, names, number, scale)
            self._keep_edges(self.run, recorded)
        if self.new or self._telling.waits:
            self._telling.note(self.new, number, self.asked.grads)

    def _judge(
        self, reached: Iterable[tuple[Reached, float | None]], again: bool, number: int
    ) -> None:
        """Give the verdicts on gradients that a backward has reached."""
        limits, scale, new, steps = self.limits, self.scale or 1.0, self.new, self.clock.steps
        for (each, _, _), norm in reached:
            if was := each.arrived(norm, number, steps, scale, limits, again):
                new.append((each, was))

    def _pass_by(self, idle: list[Tracked], models: Container[str], number: int) -> None:
        """Give the verdicts on the others; ``models``: those of which some were reached."""
        limits, scale, new = self.limits, self.scale or 1.0, self.new
        several = self.parameters.models > 1
        if any(each.missed == limits.patience - 1 and not each.optimizer for each in idle):
            self.parameters.find_optimizers()
        for each in idle:
            apart = several and each.model not in models
            if not each.has_grad and not apart:
                tensor = each.ref()
                apart = tensor is not None and self.parameters.asked(tensor)
            if was := each.passed_by(number, scale, limits, apart):
                new.append((each, was))

    def _keep_edges(self, run: nodes.Run, recorded: Recorder) -> None:
        """Keep now and then which node passes its gradient on to which."""
        begun, ran = time.perf_counter(), list(recorded.ran)
        due = self.urgent or begun - self._edges_end >= 4 * OFTEN * self._edges_took
        if not due or len(recorded.graph) > nodes.LIMIT:
            return
        lines = {place: line for place, node in enumerate(ran) if (line := self._line(node))}
        self.run_with_edges = run.with_edges(ran, lines)
        self._edges_end = time.perf_counter()
        self._edges_took = self._edges_end - begun

    def _line(self, node: Any) -> str:
        """Return where the op stands that made ``node``, if ops are recorded."""
        call = self.stepper.recorder.op_of(node._sequence_nr()) if self.stepper.records else None
        if call is None or call.site is None:
            return ""
        return ", ".join(part for part in (call.module, call.site.place) if part)

    def _scaled(self, norm: float) -> bool:
        """Is a total norm that is clipped nearer to that of the scaled gradients?"""
        point = self.points[-1] if self.points else None
        scale = self.scale or 1.0
        if point is None or not point.total or scale <= 2 or not 0 < norm < math.inf:
            return False
        return abs(math.log(norm / point.total / scale)) < abs(math.log(norm / point.total))

    def _steps(self, optimizer: Any) -> None:
        """An optimizer is about to step."""
        self.parameters.stepped(optimizer)
        self.scaling.stepped(optimizer)

    def _norms(self, reached: list[Reached], recorded: Recorder | None) -> list[float | None]:
        if recorded is None:
            return measure.norms([grad for _, _, grad in reached])
        norms = [recorded.norm_at_leaf(parameter, grad) for _, parameter, grad in reached]
        rest = [at for at, norm in enumerate(norms) if norm is None]
        for at, norm in zip(rest, measure.norms([reached[at][2] for at in rest]), strict=True):
            norms[at] = norm
        return norms

    def _note(
        self, roots: Sequence[Any], norms: list[float | None], models: Iterable[str], number: int
    ) -> None:
        by = self.scale or 1.0
        known = [norm for norm in norms if norm is not None]
        total = math.hypot(*known) / by if known else None
        loss = _value(roots[0]) if len(roots) == 1 else None
        lost = total is not None and not math.isfinite(total)
        self._lost = self._lost + 1 if lost else 0
        if self._lost > LOST:
            self.points.pop()
        self.points.append(
            h.HealthPoint(
                backward=number,
                total=total,
                loss=None if loss is None else loss / by,
                models=", ".join(list(models)[:4]) if self.parameters.models > 1 else "",
            )
        )

    # -- figures -------------------------------------------------------------------------------

    def _figures(self, reached: list[Reached], norms: list[float | None], number: int) -> bool:
        """Work out, where it is time, what costs more than a norm; return whether anything was."""
        begun = time.perf_counter()
        due = self._due(begun, number)
        again = False
        if self._pending and (due or self.clock.steps != self._pending - 1):
            again = self._compare()
            self._figures_took += time.perf_counter() - begun
        for (each, _, grad), norm in zip(reached, norms, strict=True):
            if norm is not None and norm - norm != 0.0 and (due or not each.bad_for):
                each.nans, each.infs = measure.counts(grad)
        if due:
            self._measure(reached, number)
            self._figures_end = time.perf_counter()
            self._figures_took = self._figures_end - begun
        return due or again

    def _due(self, moment: float, number: int) -> bool:
        """Is it time for figures? So often as is set, else as often as costs little."""
        looks = self.limits.figures
        if self.urgent or looks:
            return self.urgent or number // self.asked.every % looks == 0
        return moment - self._figures_end >= OFTEN * self._figures_took

    def _measure(self, reached: list[Reached], number: int) -> None:
        """Work out the figures of gradients, and keep weights to see what a step changes."""
        histograms = 0
        for each, parameter, grad in reached:
            each.measure(parameter, grad, number, self.limits.patience)
            if each.word in h.PROBLEMS and histograms < HISTOGRAMS:
                histograms += 1
                each.histogram = measure.histogram(grad, self.scale or 1.0)
                each.histogram_at = number
            if each.copy is None:
                self.parameters.copy(each, parameter, self.clock.steps)
        self._pending = self.clock.steps + 1
        self.parameters.ask_rates = True

    def _compare(self) -> bool:
        """See how the weights have changed since some of them were kept; return whether any."""
        steps = self.clock.steps
        compared = [
            (each, each.copy, *measure.change(parameter, each.copy))
            for each, parameter in self.parameters.alive()
            if each.copy is not None and each.copy.steps < max(steps, 1)
        ]
        if not any(changed for _, _, changed, _, _ in compared):
            return False  # no step in between, of whatever kind: compare later
        self._pending = 0
        for each, kept, changed, update, elements in compared:
            each.update, each.update_of = update, elements
            each.update_steps = steps - kept.steps
            self.parameters.drop(each)
            if changed or not each.has_grad:
                each.changed_at = each.reaches
            each.same = each.reaches - each.changed_at
            each.left_out = not each.optimizer and each.model in self.parameters.steps_some_of
        return True

    def catch_up(self) -> None:
        """Work out the figures of gradients that are still those of the last look."""
        for each, parameter in self.parameters.alive():
            grad, norm = parameter.grad, each.scaled_norm
            if grad is None or each.figures_at >= each.reached_at or norm is None:
                continue
            if measure.norms([grad])[0] == norm:
                each.measure(parameter, grad, each.reached_at, self.limits.patience)

    # -- what may be asked ---------------------------------------------------------------------

    def worst_first(self) -> list[Tracked]:
        """Return all parameters, the worst first, within a verdict as the models list them."""
        places = {word: place for place, word in enumerate(h.VERDICTS)}
        alive = [each for each, _ in self.parameters.alive()]
        return sorted(alive, key=lambda each: places[each.word])

    @contextmanager
    def still(self, seconds: float) -> Iterator[bool]:
        """Keep looks from happening meanwhile; False if one takes longer than ``seconds``."""
        got = self._lock.acquire(timeout=seconds)
        try:
            yield got
        finally:
            if got:
                self._lock.release()


def _parted(live: list[Live]) -> tuple[list[Reached], list[Tracked]]:
    """Return the parameters that a backward has reached, and those that it has not."""
    reached: list[Reached] = []
    idle: list[Tracked] = []
    for each, parameter, before in live:
        grad = parameter.grad
        each.requires_grad = parameter.requires_grad
        each.has_grad = grad is not None
        if grad is not None and measure.state(grad) != before:
            reached.append((each, parameter, grad))
        else:
            idle.append(each)
    return reached, idle


def _value(root: Any) -> float | None:
    """Return the value of a root that is a single real number."""
    if not isinstance(root, torch.Tensor) or root.numel() != 1 or root.is_complex():
        return None
    try:
        return float(root.detach().item()) if figures.readable(root) else None
    except figures.UNREADABLE:
        return None
