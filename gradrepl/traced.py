"""What a program asks for itself: ``gradrepl.watch()``, ``gradrepl.trace()``, ``gradrepl.check()``.

All look on in the user's own process, with no client and without a stop; what they return draws
itself.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any

from gradrepl import conditions as c
from gradrepl import model as records
from gradrepl.conditions import parse
from gradrepl.draw.numbers import count
from gradrepl.errors import StateError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from torch import nn

    from gradrepl.draw.ink import Line
    from gradrepl.engine.graph.tracing import Tracing
    from gradrepl.engine.session import Session

NAMED = 3
"""Parameters with a problem that the short text of a watch names."""


class _Shown:
    """Shows itself: in a terminal, and in a notebook where a plugin makes HTML of it."""

    def _lines(self) -> Iterable[Line]:
        raise NotImplementedError

    def _subject(self) -> Any:
        """Return what a plugin is given to make HTML of."""
        return self

    def __rich__(self) -> RenderableType:
        from gradrepl.repl.output import painted

        return painted(self._lines())

    def _repr_html_(self) -> str | None:
        from gradrepl import plugins

        here = plugins.here("program")
        here.load()
        made = here.call("gradrepl_html", shown=self._subject())
        return next((text for _, text in made), None)


# -- a model's gradients, after each backward ------------------------------------------------------


def watch(model: nn.Module, stop: str = "", *, every: int = 1) -> Watch:
    """Watch the gradients of ``model``'s parameters from now on, in this process.

    ``stop``: where to stop besides, a breakpoint's condition: ``"nan"``, ``"verdict vanishing"``,
    ``"norm > 10"``, ``"leaf fc1.weight"``; the client is that of ``set_trace()``. ``every``: only
    every so many backwards are looked at. Of a condition, verdicts, leaves and missing gradients
    are those of this model; ``nan`` and ``norm`` hold wherever they occur. It ends with
    ``close()``, or with the ``with`` it stands in.

    Raises:
        UsageError: ``model`` is no ``nn.Module``, or ``every`` is below 1.
        ConditionError: ``stop`` is no condition.
    """
    return Watch(model, stop, every, sys._getframe(1))


class Watch(_Shown):
    """What has been seen of one model's gradients; it shows itself."""

    def __init__(self, model: nn.Module, stop: str, every: int, frame: FrameType) -> None:
        _check(model, every)
        from gradrepl.engine.health.model_watch import ModelWatch
        from gradrepl.guest import api

        condition = parse(stop) if stop else None
        parts = [] if condition is None else condition.parts()
        judged = any(isinstance(part, c.VerdictIs) for part in parts)
        self._last: records.Health | None = None
        self._breakpoint = 0
        self._session = api.session()
        self._session.watch_for_torch()
        self._engine = ModelWatch(self._session, model, every, judged)
        api.begin(self._engine, stops=condition is not None)
        if condition is not None:
            try:
                self._arm(condition, stop, frame)
            except BaseException:
                self.close()
                raise

    def _arm(self, condition: c.Condition, text: str, frame: FrameType) -> None:
        from gradrepl.engine.code import frames
        from gradrepl.engine.health.model_watch import OWN, OwnCondition
        from gradrepl.engine.running import set_breakpoint
        from gradrepl.engine.stopping.gate import Place

        stepper = self._session.stepper
        place = Place("forward", frames.user_frames(frame))
        self._breakpoint = set_breakpoint(self._session, condition, text, place).id
        if any(isinstance(part, OWN) for part in condition.parts()):
            armed = stepper.armed.breakpoints[self._breakpoint]
            armed.condition = OwnCondition(armed.condition, self._engine)  # type: ignore[assignment]
            stepper.rearm()
        stepper.place_recorder()

    # -- its end -------------------------------------------------------------------------------

    def close(self) -> None:
        """Look no more, and stop no more; what was seen stays. May be called twice."""
        if self._last is not None:
            return
        from gradrepl.guest import api

        self._last = self._seen()
        self._session.stepper.armed.breakpoints.pop(self._breakpoint, None)
        api.end(self._engine, self._session)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *how: object) -> None:
        self.close()

    # -- what was seen -------------------------------------------------------------------------

    def health(self) -> records.Health:
        """Return all that is known now: rows, worst first; norms and losses; times."""
        return self._last or self._seen()

    @property
    def rows(self) -> tuple[records.HealthRow, ...]:
        """One row for each parameter, those with a problem first."""
        return self.health().rows

    @property
    def problems(self) -> tuple[records.HealthRow, ...]:
        """The rows with a verdict that something is wrong."""
        return tuple(row for row in self.rows if row.verdict in records.PROBLEMS)

    def _seen(self) -> records.Health:
        from gradrepl.engine.health.model_watch import seen

        return seen(self._engine)

    # -- how it shows --------------------------------------------------------------------------

    def __repr__(self) -> str:
        health = self.health()
        bad = [f"{row.name} {row.label}" for row in self.problems]
        more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        said = f"; {', '.join(bad[:NAMED])}{more}" if bad else ""
        closed = " (closed)" if self._last is not None else ""
        return (
            f"<gradrepl.watch{closed}: {health.total} parameters, {health.backwards} backwards,"
            f" {health.problems} with a problem{said}>"
        )

    def _subject(self) -> records.Health:
        return self.health()

    def _lines(self) -> Iterable[Line]:
        from gradrepl import draw

        return draw.lines(self.health())


def _check(model: Any, every: Any) -> None:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        what = type(model).__name__
        raise UsageError(f"watch() needs a torch.nn.Module, not {what}.", "gradrepl.watch(model)")
    if not isinstance(every, int) or every < 1:
        raise UsageError(f"every={every!r} makes no sense.", "gradrepl.watch(model, every=10)")


# -- what ran, forward and backward --------------------------------------------------------------


def trace(function: Callable[..., Any] | None = None, /, *args: Any, **keywords: Any) -> Trace:
    """Record the forward ops and the backward passes of this thread, without a stop.

    ``with gradrepl.trace() as t:`` records what runs inside, ``t = gradrepl.trace(f, x)`` the call
    ``f(x)``, whose value is then ``t.result``. An exception passes; what ran before it is kept.
    """
    made = Trace()
    if function is not None:
        with made:
            made.result = function(*args, **keywords)
    return made


class Trace(_Shown):
    """What ran; it shows itself."""

    def __init__(self) -> None:
        self.result: Any = None
        """What the traced function returned."""
        self.exception = ""
        """What ended the recording early: 'ValueError: ...'; or empty."""
        self._session: Session | None = None
        self._engine: Tracing | None = None

    # -- recording -----------------------------------------------------------------------------

    def __enter__(self) -> Trace:
        if self._engine is not None:
            raise StateError("this trace has begun already.", "Make another: gradrepl.trace().")
        from gradrepl.engine.graph.tracing import Tracing
        from gradrepl.guest import api

        stepper = api.session().stepper
        self._engine = Tracing(stepper)
        self._session = api.begin(self._engine)
        self._engine.blind = stepper.thread is not threading.current_thread()
        return self

    def __exit__(self, kind: object, error: BaseException | None, tb: object) -> None:
        from gradrepl.engine.code.evaluate import summary
        from gradrepl.guest import api

        assert self._engine is not None
        assert self._session is not None
        if error is not None:
            self.exception = summary(error)
        api.end(self._engine, self._session)

    # -- what ran ------------------------------------------------------------------------------

    @property
    def ops(self) -> list[records.OpRow]:
        """The ops, in the order in which they ended; at most 20,000."""
        return list(self._engine.ops) if self._engine else []

    @property
    def passes(self) -> list[records.TracedPass]:
        """The backward passes, in the order in which they began; at most 200."""
        kept = self._engine.passes if self._engine else {}
        return [kept[number] for number in sorted(kept)]

    @property
    def graph(self) -> records.GraphView | None:
        """The graph of the last pass, drawn, in the engine's true order; None without a pass."""
        from gradrepl.engine.graph.tracing import drawn

        passes = self.passes
        return drawn(passes[-1]) if passes else None

    @property
    def dropped(self) -> dict[str, int]:
        """How many ops and passes ran that are not here."""
        engine = self._engine
        beyond = {"ops": engine.more_ops, "passes": engine.more_passes} if engine else {}
        return {what: many for what, many in beyond.items() if many}

    # -- how it shows --------------------------------------------------------------------------

    @property
    def summary(self) -> str:
        """How much there is, in a line: '42 ops in 5 modules, 2 passes of 57 nodes'."""
        ops, passes = self.ops, self.passes
        modules = len({op.module for op in ops if op.module})
        visited = sum(len(each.visits) for each in passes)
        parts = [f"{count(len(ops), 'op')} in {count(modules, 'module')}"]
        parts.append(f"{count(len(passes), 'pass', 'passes')} over {count(visited, 'node')}")
        parts += [f"{many:,} {what} more not kept" for what, many in self.dropped.items()]
        if any(each.cut for each in passes):
            parts.append("graphs with more nodes than are kept")
        engine = self._engine
        if engine is not None and engine.compiled:
            parts.append(f"{count(engine.compiled, 'compiled region')} ran unseen")
        if engine is not None and engine.blind:
            parts.append("no ops: another thread's forward is being recorded")
        if self.exception:
            parts.append(f"ended by {self.exception}")
        return ", ".join(parts)

    def __repr__(self) -> str:
        return f"<gradrepl.trace: {self.summary}>"

    def _lines(self) -> Iterable[Line]:
        from gradrepl.draw import running

        return running.trace(self.summary, self.ops, self.passes, self.graph)


# -- what is wrong with it -------------------------------------------------------------------------


def check() -> Check:
    """Judge what this thread runs inside of ``with gradrepl.check() as c:``.

    Afterwards ``c.findings`` has what was found, the worst first, as ``gradrepl check`` prints it;
    ``c.errors`` and ``c.warnings`` are those of that severity. An exception passes, and is judged.
    """
    return Check()


class Check(_Shown):
    """What was found wrong; it shows itself."""

    fail_on = "error"
    """From which severity on the fixture ``gradrepl_check`` fails a test: 'error' or 'warning'."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._engine: Any = None

    def __enter__(self) -> Check:
        if self._engine is not None:
            raise StateError("this check has begun already.", "Make another: gradrepl.check().")
        from gradrepl.engine.check.wanted import Check as Judge
        from gradrepl.guest import api

        self._engine = Judge(api.session(), built_in=False)
        self._session = api.begin(self._engine)
        return self

    def __exit__(self, kind: object, error: BaseException | None, tb: Any) -> None:
        from gradrepl.engine.code import script
        from gradrepl.guest import api

        assert self._session is not None
        self._engine.over(error, script.raised_at(tb))
        api.end(self._engine, self._session)

    @property
    def findings(self) -> tuple[records.Finding, ...]:
        """All that was found, the worst first."""
        found: records.Findings = self._engine.findings() if self._engine else records.Findings()
        return found.rows

    @property
    def errors(self) -> tuple[records.Finding, ...]:
        """What makes the program do something else than it says."""
        return tuple(each for each in self.findings if each.severity == "error")

    @property
    def warnings(self) -> tuple[records.Finding, ...]:
        """What most likely does."""
        return tuple(each for each in self.findings if each.severity == "warning")

    def __repr__(self) -> str:
        errors, warnings = len(self.errors), len(self.warnings)
        return f"<gradrepl.check: {count(errors, 'error')}, {count(warnings, 'warning')}>"

    def _subject(self) -> records.Findings:
        return self.record()

    def record(self) -> records.Findings:
        """Return all that was found, as one record."""
        return records.Findings(rows=self.findings, looked_at=("what ran",))

    def _lines(self) -> Iterable[Line]:
        from gradrepl import draw

        return draw.lines(self.record())
