"""Where every backward is met: the one function that ``backward`` and ``grad`` both call.

It is replaced only while something is armed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from gradrepl.engine import torch_private
from gradrepl.engine.code.patches import unseen
from gradrepl.engine.graph.backward import Pass
from gradrepl.engine.tensor import facts

if TYPE_CHECKING:
    from gradrepl.engine.stopping.stepper import Stepper


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
        original = self._original or torch_private.engine_itself
        stepper = self.stepper
        if stepper.gate.answering():
            stepper.check_nested_backward()
            return original(roots, *args, **kwargs)
        engine: Callable[[], Any] = partial(original, roots, *args, **kwargs)
        health, observers = stepper.health, tuple(stepper.observers)
        for each in observers:
            engine = partial(each.around, engine, roots, args, kwargs)
        if health is not None and health.on:
            engine = partial(health.around, engine, roots, args, kwargs)
        if stepper.records or stepper.passes:
            result = self._pass(engine, roots, args, kwargs)
        else:
            result = engine()  # nothing but gradients is watched
        if health is not None:
            stepper.judged(health)
        for each in observers:
            each.ended()
        return result

    @unseen
    def _pass(self, engine: Callable[[], Any], roots: Sequence[Any], args: Any, kwargs: Any) -> Any:
        stepper = self.stepper
        stepper.recorder.paths.backward_begins(stepper.recorder.last_id)
        with stepper.recorder.within():
            backward = _start(stepper, roots, args, kwargs) if stepper.wants_passes else None
            return engine() if backward is None else backward.run(engine)


def _start(stepper: Stepper, roots: Sequence[Any], args: Any, kwargs: Any) -> Pass | None:
    """Return a Pass for a call of the engine, or None where the engine will refuse it."""
    starts = []
    with torch_private.DisableTorchFunction():
        for root in roots:
            node = facts.start_of(root)
            if node is None:
                return None
            starts.append(node)
        # (grad_tensors, retain_graph, create_graph, inputs, ...): as torch.autograd calls it
        inputs = args[3] if len(args) > 3 else kwargs.get("inputs", ())
        accumulate = bool(kwargs.get("accumulate_grad", False))
        keeps = bool(args[1] if len(args) > 1 else kwargs.get("keep_graph", True))
        return Pass(stepper, roots, starts, tuple(inputs or ()), accumulate, keeps)
