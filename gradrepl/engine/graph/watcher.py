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
from gradrepl.engine.boundary import Part
from gradrepl.engine.code.patches import Once, standing_in, unseen
from gradrepl.engine.graph.backward import Pass
from gradrepl.engine.graph.graph import Graph
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.observers import BackwardCall, Depth, Look, Observer
from gradrepl.engine.stopping.stepper import Stepper

Engine = Callable[[], Any]


class Watcher:
    """Stands in for ``torch.autograd``'s way into the engine while something is armed."""

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self.part = Part("looking at backwards", self.remove)
        self._original: Callable[..., Any] | None = None
        self._run = standing_in(self.part, self._seen, self._torchs)

    def _torchs(self) -> Any:
        return self._original or torch_private.engine_itself

    def install(self) -> None:
        """Stand in."""
        if self._original is None and self.part.works:
            self._original = torch_private.engine()
            torch_private.set_engine(self._run)

    def remove(self) -> None:
        """Put torch's own function back."""
        if self._original is not None:
            torch_private.set_engine(self._original)
            self._original = None

    @unseen
    def _seen(self, kept: Once, roots: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        stepper = self.stepper
        if stepper.gate.answering():
            kept.its_own(stepper.check_nested_backward)
            return kept(roots, *args, **kwargs)
        engine: Engine = partial(kept, roots, *args, **kwargs)
        call = BackwardCall(roots, args, kwargs)
        observers = stepper.around_backwards
        watching = sorted(observers, key=lambda each: each.built_in)
        if stepper.records or (stepper.passes and stepper.recorder.part.works):
            stepper.recorder.paths.backward_begins(stepper.recorder.last_id)
            stepper.recorder.flow.backward(roots)
            seen: AbstractContextManager[None] = stepper.recorder.within()
        else:
            seen = nullcontext()  # nothing but gradients is watched
        with seen:
            result = self._watched(engine, call, watching)
        stepper.costs.steps += 1
        stepper.tell_cost()
        for each in observers:
            with each.part:
                each.ended()
        return result

    @unseen
    def _watched(self, engine: Engine, call: BackwardCall, watching: Sequence[Any]) -> Any:
        """Run the engine for whoever watches; the last one begins first and is told last."""
        looks = [look for each in reversed(watching) if (look := _begun(each, call))][::-1]
        steps = self.stepper.wants_passes and len(call.starts) == len(call.roots)
        recorder = _recorder(call, looks, steps, self.part)
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


def _begun(observer: Observer, call: BackwardCall) -> Look | None:
    """Return who looks at a backward for an observer."""
    look = None
    with observer.part:
        look = observer.begins(call) if observer.part.works else None
        if look is not None:
            look.part = observer.part
    return look


def _recorder(
    call: BackwardCall, looks: Sequence[Look], steps: bool, part: Part
) -> Recorder | None:
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
            part=part,
        )
    recorder.took = time.perf_counter() - begun
    return recorder


@unseen
def _run_and_report(engine: Engine, looks: Sequence[Look], recorder: Recorder | None) -> Any:
    """Run the engine, take the hooks away, and tell how it went."""
    problem: BaseException | None = None
    started = time.perf_counter()
    try:
        result = engine()
        if recorder is not None and recorder.struck:
            raise recorder.struck[0]
        return result
    except BaseException as error:
        problem = error
        raise
    finally:
        seconds = time.perf_counter() - started
        if recorder is not None:
            recorder.remove()
        seen = recorder if recorder is not None and recorder.whole else None
        for look in looks:
            with look.part:
                look.ended(seen if look.depth is not None else None, problem, seconds)
        del problem  # its traceback holds this frame
