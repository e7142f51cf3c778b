"""Watches the gradients of a training that runs, and looks at them after each backward.

Installed only while something is watched: the stand-in for torch's way into the engine, which
calls ``begins``; two hooks for optimizers, one patch for DataLoaders, one for GradScalers. No
mode, and unless nodes are watched no hook in the backward.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.health import measure, route
from gradrepl.engine.health.clipping import Clips
from gradrepl.engine.health.clock import Clock
from gradrepl.engine.health.nodes import Run, most, run_of
from gradrepl.engine.health.parameters import Parameters
from gradrepl.engine.health.scaling import Scaling
from gradrepl.engine.health.telling import Telling
from gradrepl.engine.health.tracked import KEPT, LOST, Tracked
from gradrepl.engine.observers import BackwardCall, Depth, Look
from gradrepl.engine.tensor import figures
from gradrepl.model import health as h

if TYPE_CHECKING:
    from gradrepl.engine.session import Session

OFTEN = 50.0
"""Figures may be worked out again after so many times what the last time took."""

SPREAD = 8
"""Parameters with a problem of which the spread of the elements is kept then."""


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
            self.most = most()
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
        watch.clock.passed(seconds, took + time.perf_counter() - begun)


class HealthWatch:
    """What is watched, and what has been seen."""

    def __init__(self, session: Session, limits: Callable[[], h.HealthLimits]) -> None:
        self.session = session
        self.stepper = stepper = session.stepper
        self._limits = limits
        self.asked = h.Watching()
        self.parameters = Parameters(session)
        self.clock = Clock(self._steps)
        self.scaling = Scaling()
        self.clips = Clips(stepper.sees, self._scaled)
        self.points: deque[h.HealthPoint] = deque(maxlen=KEPT)
        self._lost = 0
        """Looks in a row whose total norm was not finite."""
        self.backwards = 0
        self.scale: float | None = None
        self.run: Run | None = None
        """The nodes of the last watched backward."""
        self.map: route.Map | None = None
        """The graph of the last one of which it was kept."""
        self.map_scale = 1.0
        self._map_end = self._map_took = 0.0
        self.run_at = 0
        self.run_scale: float | None = None
        self.on = False
        self.urgent = False
        """A breakpoint waits for a verdict: figures at every look."""
        self.new: list[tuple[Tracked, str]] = []
        """Parameters whose verdict is another since the last look, and the word before."""
        self._lock = threading.Lock()
        self._figures_end = self._figures_took = 0.0
        self._telling = Telling(session.tell)
        self._pending = 0

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
            self.scaling.install()
            self.clips.install()
            self.clock.install()
        else:
            self.clock.remove()
            self.clips.remove()
            self.scaling.remove()
            self.parameters.stop_order()

    def forget(self) -> None:
        """Begin anew."""
        self.parameters.clear()
        self.points.clear()
        self.clips.forget()
        self.clock.kept.clear()
        self.clock.steps = 0
        self.backwards = self.scaling.skipped = self._lost = 0
        self.run = self.scale = self.map = None
        self._map_end = self._map_took = 0.0
        self._figures_end = self._figures_took = 0.0
        self._telling.forget()

    # -- around a backward ---------------------------------------------------------------------

    def begins(self, call: BackwardCall) -> _Round | None:
        """Look at a backward, or time it; not at one inside another, which is looked at."""
        if torch_private.running_backward() != -1:
            return None
        self.new = []
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
        self, roots: Sequence[Any], number: int, nodes: Recorder | None, live: list[Live]
    ) -> None:
        """Look at the gradients that a backward has left."""
        with self._lock, figures.quiet():
            self._look(roots, number, nodes, live)

    def _look(
        self, roots: Sequence[Any], number: int, nodes: Recorder | None, live: list[Live]
    ) -> None:
        reached: list[Reached] = []
        models: dict[str, bool] = {}
        idle: list[Tracked] = []
        missing = False
        for each, parameter, before in live:
            grad = parameter.grad
            each.requires_grad = parameter.requires_grad
            if grad is not None and measure.state(grad) != before:
                each.has_grad = True
                reached.append((each, parameter, grad))
                models[each.model] = True
            else:
                each.has_grad = grad is not None
                missing = missing or (grad is None and each.requires_grad)
                idle.append(each)
        self.parameters.missing = missing
        self.scale = scale = self.scaling.of(roots[0]) if roots else None
        by = scale or 1.0
        norms = self._norms(reached, nodes)
        again = self._figures(reached, norms, number)
        limits, new = self.limits, self.new
        for (each, _, _), norm in zip(reached, norms, strict=True):
            if was := each.arrived(norm, number, by, limits, again):
                new.append((each, was))
        several = self.parameters.models > 1
        for each in idle:
            apart = several and each.model not in models
            if was := each.passed_by(number, by, limits, apart):
                new.append((each, was))
        self._note(roots, norms, models, number, by)
        if nodes is not None:
            names = {key: each.name for key, each in self.parameters.known.items()}
            self.run, self.run_at, self.run_scale = run_of(nodes, names), number, scale
            self._mapped(nodes, number)
        if new or self._telling.waits:
            self._telling.note(new, number, self.asked.grads)

    def _mapped(self, nodes: Recorder, number: int) -> None:
        """Keep now and then which node passes its gradient on to which."""
        begun, run, ran = time.perf_counter(), self.run, list(nodes.ran)
        due = self.urgent or begun - self._map_end >= 4 * OFTEN * self._map_took
        if not due or run is None or len(nodes.graph) > route.LIMIT:
            return
        lines = {place: line for place, node in enumerate(ran) if (line := self._line(node))}
        self.map = route.mapped(number, ran, run.names, run.norms, run.labels, lines)
        self.map_scale = self.run_scale or 1.0
        self._map_end = time.perf_counter()
        self._map_took = self._map_end - begun

    def _line(self, node: Any) -> str:
        """Return where the op stands that made ``node``, if ops are recorded."""
        call = self.stepper.recorder.op_of(node._sequence_nr()) if self.stepper.records else None
        if call is None or call.site is None:
            return ""
        place = call.site.place if call.site else ""
        return ", ".join(part for part in (call.module, place) if part)

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

    def _norms(self, reached: list[Reached], nodes: Recorder | None) -> list[float | None]:
        if nodes is None:
            return measure.norms([grad for _, _, grad in reached])
        found = [nodes.norm_at_leaf(parameter, grad) for _, parameter, grad in reached]
        rest = [at for at, norm in enumerate(found) if norm is None]
        for at, norm in zip(rest, measure.norms([reached[at][2] for at in rest]), strict=True):
            found[at] = norm
        return found

    def _note(
        self,
        roots: Sequence[Any],
        norms: list[float | None],
        models: dict[str, bool],
        number: int,
        by: float,
    ) -> None:
        known = [norm for norm in norms if norm is not None]
        total = math.hypot(*known) / by if known else None
        several = self.parameters.models > 1
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
                models=", ".join(list(models)[:4]) if several else "",
            )
        )

    # -- figures -------------------------------------------------------------------------------

    def _figures(self, reached: list[Reached], norms: list[float | None], number: int) -> bool:
        """Work out, where it is time, what costs more than a norm; return whether anything was."""
        begun = time.perf_counter()
        looks = self.limits.figures
        if self.urgent or looks:
            due = self.urgent or number // self.asked.every % looks == 0
        else:
            due = begun - self._figures_end >= OFTEN * self._figures_took
        again = False
        if self._pending and (due or self.clock.steps != self._pending - 1):
            again = self._compare()
            self._figures_took += time.perf_counter() - begun
        for (each, _, grad), norm in zip(reached, norms, strict=True):
            if norm is not None and norm - norm != 0.0 and (due or not each.bad_for):
                each.nans, each.infs = measure.counts(grad)
        if not due:
            return again
        spread, by = 0, self.scale or 1.0
        for each, parameter, grad in reached:
            each.low, each.high, each.zeros = measure.extremes(grad)
            each.weight = measure.norms([parameter.detach()])[0]
            each.figures_at = number
            if each.word in h.PROBLEMS and spread < SPREAD:
                spread += 1
                each.spread, each.spread_at = measure.spread(grad, by), number
            if each.copy is None:
                self.parameters.copy(each, parameter, self.clock.steps)
        self._pending = self.clock.steps + 1
        self.parameters.ask_rates = True
        self._figures_end = time.perf_counter()
        self._figures_took = self._figures_end - begun
        return True

    def _compare(self) -> bool:
        """See how the weights have changed since some of them were kept; return whether any."""
        steps = self.clock.steps
        seen = []
        for each, parameter in self.parameters.alive():
            if each.copy is not None and each.copy.steps < max(steps, 1):
                seen.append((each, each.copy, *measure.change(parameter, each.copy)))
        if not any(changed for _, _, changed, _, _ in seen):
            return False  # no step in between, of whatever kind: compare later
        self._pending = 0
        for each, kept, changed, update, elements in seen:
            each.update, each.update_of = update, elements
            each.update_steps = steps - kept.steps
            self.parameters.drop(each)
            if changed or not each.has_grad:
                each.changed_at = each.reaches
            each.same = each.reaches - each.changed_at
        return True

    def catch_up(self) -> None:
        """Work out the figures of gradients that are still those of the last look."""
        for each, parameter in self.parameters.alive():
            grad = parameter.grad
            if grad is None or each.figures_at >= each.reached_at or each.norm is None:
                continue
            norm = measure.norms([grad])[0]
            if norm == each.norm:
                each.low, each.high, each.zeros = measure.extremes(grad)
                each.weight = measure.norms([parameter.detach()])[0]
                each.figures_at = each.reached_at

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


def _value(root: Any) -> float | None:
    """Return the value of a root that is a single real number."""
    if not isinstance(root, torch.Tensor) or root.numel() != 1 or root.is_complex():
        return None
    try:
        return float(root.detach().item()) if figures.readable(root) else None
    except figures.UNREADABLE:
        return None
