"""``gradrepl.watch(model)``: a model's gradients, looked at after each backward."""

from __future__ import annotations

import sys
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from gradrepl import conditions as c
from gradrepl import model as records
from gradrepl.conditions import parse
from gradrepl.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from torch import nn

NAMED = 3
"""Parameters with a problem that the short text names."""


def watch(model: nn.Module, stop: str = "", *, every: int = 1) -> Watch:
    """Watch the gradients of ``model``'s parameters from now on, in this process.

    ``stop``: where to stop besides, a breakpoint's condition: ``"nan"``, ``"verdict vanishing"``,
    ``"norm > 10"``, ``"leaf fc1.weight"``; the face is that of ``set_trace()``. ``every``: only
    every so many backwards are looked at. Of a condition, verdicts, leaves and missing gradients
    are those of this model; ``nan`` and ``norm`` hold wherever they occur. It ends with
    ``close()``, or with the ``with`` it stands in.

    Raises:
        UsageError: ``model`` is no ``nn.Module``, or ``every`` is below 1.
        ConditionError: ``stop`` is no condition.
    """
    return Watch(model, stop, every, sys._getframe(1))


class Watch:
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
        from gradrepl.engine.breaking import set_breakpoint
        from gradrepl.engine.code import frames
        from gradrepl.engine.health.model_watch import OWN, OwnCondition
        from gradrepl.engine.stopping.gate import Place

        stepper = self._session.stepper
        place = Place("forward", frames.user_frames(frame))
        self._breakpoint = set_breakpoint(self._session, condition, text, place).id
        if any(isinstance(part, OWN) for part in condition.parts()):
            found = stepper.armed.breakpoints[self._breakpoint]
            found.condition = OwnCondition(found.condition, self._engine)  # type: ignore[assignment]
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
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

    def __rich__(self) -> RenderableType:
        from gradrepl import draw
        from gradrepl.repl.output import painted

        return painted(draw.lines(self.health()))

    def _repr_html_(self) -> str | None:
        from gradrepl.traced import html

        return html(self.health())


def _check(model: Any, every: Any) -> None:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        what = type(model).__name__
        raise UsageError(f"watch() needs a torch.nn.Module, not {what}.", "gradrepl.watch(model)")
    if not isinstance(every, int) or every < 1:
        raise UsageError(f"every={every!r} makes no sense.", "gradrepl.watch(model, every=10)")
