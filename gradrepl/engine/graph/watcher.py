"""Where every backward is met: at the one function that ``backward`` and ``grad`` both call.

It is replaced only while something is armed. Each observer says what it wants to know of a
backward; its nodes are hooked once, for all of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from gradrepl.engine import torch_private
from gradrepl.engine.code import evaluate
from gradrepl.engine.code.patches import unseen
from gradrepl.engine.graph.backward import Pass
from gradrepl.engine.graph.graph import Graph
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.observers import BackwardCall, Depth, Look
from gradrepl.engine.stopping.stepper import Stepper

Engine = Callable[[], Any]


class Watcher:
    """Stands in for ``torch.autograd``'s way into the engine while something is armed."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self._original: Callable[..., Any] | None = None

    def install(self) -> None:
        """Stand in."""
        if self._original is None:
            self._original = torch_private.engine()
            torch_private.set_engine(self._run)

    def remove(self) -> None:
        """Put torch's own function back."""
        if self._original is not None:
            torch_private.set_engine(self._original)
            self._original = None

    @unseen
    def _run(self, roots: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return self._seen(roots, *args, **kwargs)
        except BaseException:
            evaluate.leave_no_entry()
            raise

    @unseen
    def _seen(self, roots: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        original = self._original or torch_private.engine_itself
        stepper = self.stepper
        if stepper.gate.answering():
            stepper.check_nested_backward()
            return original(roots, *args, **kwargs)
        engine: Engine = partial(original, roots, *args, **kwargs)
        call = BackwardCall(roots, args, kwargs)
        observers = stepper.around_backwards
        watching = sorted(observers, key=lambda each: each.built_in)
        if stepper.records or stepper.passes:
            stepper.recorder.paths.backward_begins(stepper.recorder.last_id)
            seen: AbstractContextManager[None] = stepper.recorder.within()
        else:
            seen = nullcontext()  # nothing but gradients is watched
        with seen:
            result = self._watched(engine, call, watching)
        for each in observers:
            each.ended()
        return result

    @unseen
    def _watched(self, engine: Engine, call: BackwardCall, watching: Sequence[Any]) -> Any:
        """Run the engine for whoever watches; the last one begins first and is told last."""
        looks = [each.begins(call) for each in reversed(watching)][::-1]
        looks = [look for look in looks if look is not None]
        steps = self.stepper.wants_passes and len(call.starts) == len(call.roots)
        recorder = _recorder(call, looks, steps)
        try:
            with torch_private.DisableTorchFunction():
                backward = Pass(self.stepper, call, recorder) if steps and recorder else None
                if backward is None and recorder is not None:
                    recorder.attach()
            run = partial(_run_and_report, engine, looks, recorder)
            return run() if backward is None else backward.run(run)
        finally:
            if recorder is not None:
                recorder.release()


def _recorder(call: BackwardCall, looks: Sequence[Look], steps: bool) -> Recorder | None:
    """Return what sees the nodes as deep as the deepest look; None where none looks at any."""
    deep = [look for look in looks if look.depth is not None]
    if not (deep or steps) or not call.starts:
        return None
    most = None if steps else max(look.most or sys.maxsize for look in deep)
    begun = time.perf_counter()
    with torch_private.DisableTorchFunction():
        recorder = Recorder(
            Graph(call.starts, most),
            max((look.depth or Depth.ORDER for look in deep), default=Depth.ORDER),
            keeps=call.keeps,
            grows=call.grows,
            times=any(look.times for look in deep),
            steps=steps,
            shared=bool(deep),
        )
    recorder.took = time.perf_counter() - begun
    return recorder


@unseen
def _run_and_report(engine: Engine, looks: Sequence[Look], recorder: Recorder | None) -> Any:
    """Run the engine, take the hooks away, and tell how it went."""
    problem: BaseException | None = None
    started = time.perf_counter()
    try:
        return engine()
    except BaseException as error:
        problem = error
        raise
    finally:
        seconds = time.perf_counter() - started
        if recorder is not None:
            recorder.remove()
        for look in looks:
            look.ended(recorder if look.depth is not None else None, problem, seconds)
        del problem  # its traceback holds this frame
