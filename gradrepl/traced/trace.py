"""``gradrepl.trace()``: what ran, forward and backward, without a stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gradrepl import model as records
from gradrepl.errors import StateError
from gradrepl.model.running import OpRow
from gradrepl.model.traced import TracedPass

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gradrepl.engine.graph.tracing import Tracing
    from gradrepl.engine.session import Session


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


class Trace:
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

        found = api.session()
        self._engine = Tracing(found.stepper)
        self._session = api.begin(self._engine)
        self._engine.blind = found.stepper.thread is not threading.current_thread()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        from gradrepl.engine.code.evaluate import summary
        from gradrepl.guest import api

        assert self._engine is not None
        assert self._session is not None
        if error is not None:
            self.exception = summary(error)
        api.end(self._engine, self._session)

    # -- what ran ------------------------------------------------------------------------------

    @property
    def ops(self) -> list[OpRow]:
        """The ops, in the order in which they ended; at most 20,000."""
        return list(self._engine.ops) if self._engine else []

    @property
    def passes(self) -> list[TracedPass]:
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
        found = {"ops": engine.more_ops, "passes": engine.more_passes} if engine else {}
        return {what: count for what, count in found.items() if count}

    # -- how it shows --------------------------------------------------------------------------

    @property
    def summary(self) -> str:
        """How much there is, in a line: '42 ops in 5 modules, 2 passes of 57 nodes'."""
        ops, passes = self.ops, self.passes
        modules = len({op.module for op in ops if op.module})
        visited = sum(len(each.visits) for each in passes)
        parts = [f"{_counted(len(ops), 'op')} in {_counted(modules, 'module')}"]
        parts.append(f"{_counted(len(passes), 'pass', 'es')} over {_counted(visited, 'node')}")
        parts += [f"{count:,} {what} more not kept" for what, count in self.dropped.items()]
        if any(each.cut for each in passes):
            parts.append("graphs with more nodes than are kept")
        engine = self._engine
        if engine is not None and engine.compiled:
            parts.append(f"{_counted(engine.compiled, 'compiled region')} ran unseen")
        if engine is not None and engine.blind:
            parts.append("no ops: another thread's forward is being recorded")
        if self.exception:
            parts.append(f"ended by {self.exception}")
        return ", ".join(parts)

    def __repr__(self) -> str:
        return f"<gradrepl.trace: {self.summary}>"

    def __rich__(self) -> RenderableType:
        from gradrepl.draw import traced
        from gradrepl.repl.paint import painted

        return painted(traced.trace(self.summary, self.ops, self.passes, self.graph))

    def _repr_html_(self) -> str | None:
        from gradrepl.traced import html

        return html(self)


def _counted(count: int, what: str, ending: str = "s") -> str:
    return f"{count:,} {what}{'' if count == 1 else ending}"
