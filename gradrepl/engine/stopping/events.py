"""What conditions are asked about: an op, a node, the end of a backward. See ``conditions.Event``.

An event is made for each op or node that something armed may stop at, and computes nothing that
no condition asks for.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from gradrepl.engine.code import frames
from gradrepl.engine.forward.calls import Call, tensors_in
from gradrepl.engine.stopping.breakpoints import Anchor
from gradrepl.engine.stopping.lines import same_file
from gradrepl.engine.tensor import facts, figures
from gradrepl.model.health import VERDICTS

if TYPE_CHECKING:
    from gradrepl.engine.graph.backward import Pass
    from gradrepl.engine.stopping.stepper import Stepper

VIEWS = frozenset(
    """
    TBackward ViewBackward UnsafeViewBackward ExpandBackward TransposeBackward PermuteBackward
    SqueezeBackward UnsqueezeBackward ReshapeAliasBackward AliasBackward CloneBackward
    ToCopyBackward DetachBackward
    """.split()  # noqa: SIM905
)


class _Event:
    """What all events share."""

    kind = ""
    when = "after"
    number = 0
    name = ""
    module = ""

    def __init__(self, stepper: Stepper, anchor: Anchor) -> None:
        self.stepper = stepper
        self.anchor = anchor
        self.frame: FrameType | None = None

    def at(self, file: str, line: int) -> bool:
        return False

    def inside(self, function: str) -> bool:
        return False

    def labels(self) -> Sequence[str]:
        return ()

    def leaf(self) -> str:
        return ""

    def leaf_names(self) -> Sequence[str]:
        return ()

    def module_paths(self) -> Sequence[str]:
        return (self.module,)

    def shapes(self) -> Sequence[tuple[int, ...]]:
        return [facts.shape(tensor) for tensor in self.made()]

    def norms(self) -> Sequence[float]:
        found = (figures.norm(tensor) for tensor in self.made())
        return [norm for norm in found if norm is not None]

    def born(self, what: str) -> bool:
        test = math.isnan if what == "nan" else math.isinf
        return _shows(self.made(), what, test) and not _shows(self.made_of(), what, test)

    def missing(self) -> Sequence[str]:
        return ()

    def verdicts(self) -> Sequence[str]:
        return ()

    def indices(self) -> Sequence[str]:
        return ()

    def targets(self) -> Sequence[str]:
        return ()

    def evaluate(self, expression: str) -> bool:
        return self.stepper.session.truth(expression, self)

    def ask_plugin(self, word: str, text: str) -> bool:
        return self.stepper.session.observers.asked(word, text, self)

    def show_plugins(self) -> None:
        self.stepper.session.observers.see("event", event=self)

    def deeper(self) -> bool:
        return False

    def trivial(self) -> bool:
        return False

    def left_module(self) -> bool:
        return True

    def past_line(self) -> bool:
        return True

    def made(self) -> list[Any]:
        """Tensors that came out of it, or, before a node, its incoming gradients."""
        return []

    def made_of(self) -> list[Any]:
        """Tensors that went into it."""
        return []

    def extra(self) -> dict[str, Any]:
        """Names that typed code and conditions have at this event."""
        return {}

    def extra_quietly(self) -> dict[str, Any]:
        """Return ``extra`` without a trace in the user's modes."""
        with figures.quiet():
            return self.extra()


def _shows(found: list[Any], what: str, test: Any) -> bool:
    for tensor in found:
        norm = figures.norm(tensor)
        if norm is None or math.isfinite(norm):
            continue
        if what == "nan" and math.isnan(norm):
            return True
        stats = figures.stats(tensor)
        if stats and (stats.nans if what == "nan" else stats.infs):
            return True
    return False


class OpEvent(_Event):
    """An op about to run or done."""

    kind = "op"

    def __init__(self, stepper: Stepper, anchor: Anchor, call: Call, when: str) -> None:
        super().__init__(stepper, anchor)
        self.call = call
        self.when = when
        self.number = call.id
        self.name = call.name
        self.module = call.module
        self.frame = call.frame

    def at(self, file: str, line: int) -> bool:
        found = frames.user_frames(self.frame)
        return any(
            each.f_lineno == line and same_file(each.f_code.co_filename, file) for each in found
        )

    def inside(self, function: str) -> bool:
        return any(each.f_code.co_name == function for each in frames.user_frames(self.frame))

    def module_paths(self) -> Sequence[str]:
        return self.stepper.recorder.paths.spellings(self.module)

    def labels(self) -> Sequence[str]:
        names = self.stepper.session.names(self.frame)
        found = [names.tensor(t) for t in tensors_in((self.call.args, self.call.kwargs))]
        found += [names.tensor(t) for t in self.made()]
        return [name for name in found if name]

    def made(self) -> list[Any]:
        return list(tensors_in(self.call.result))

    def born(self, what: str) -> bool:
        if self.name.startswith(("empty", "new_empty")):
            return False  # what was in that memory before means nothing
        return super().born(what)

    def made_of(self) -> list[Any]:
        if self.call.bumped:  # an input that was written to shows the result
            return []
        return list(tensors_in((self.call.args, self.call.kwargs)))

    def deeper(self) -> bool:
        stood = self.anchor.module_frames
        calls = self.call.module_frames
        if self._inside_pass() or self.call.depth > self.anchor.depth:
            return True
        fetch = frames.fetch()
        if fetch is not None and fetch is not self.anchor.fetch:
            return True  # a DataLoader makes a batch here: one step of the loop over it
        if len(calls) <= len(stood):
            return False
        inner = calls[len(calls) - len(stood) :]
        return all(a is b for a, b in zip(stood, inner, strict=True))

    def left_module(self) -> bool:
        if self._inside_pass():
            return False
        if self.anchor.module_frames:
            return all(self.anchor.module_frames[0] is not f for f in self.call.module_frames)
        return not self._in_stack(self.anchor.frame)

    def past_line(self) -> bool:
        frame = self.anchor.frame
        if self._inside_pass():
            return False
        if frame is None or not self._in_stack(frame):
            return True
        if self.anchor.number:
            return frame.f_lineno >= self.anchor.number
        return frame.f_lineno > self.anchor.line

    def _inside_pass(self) -> bool:
        """Did we stand in a backward that runs still, of which this op is a part?"""
        return self.anchor.phase == "backward" and bool(self.stepper.passes)

    def _in_stack(self, frame: FrameType | None) -> bool:
        return any(each is frame for each in frames.up(self.frame))

    def extra(self) -> dict[str, Any]:
        outputs = self.made() if self.when == "after" else []
        return {
            "inputs": list(tensors_in((self.call.args, self.call.kwargs))),
            "outputs": outputs,
            "out": outputs[0] if outputs else None,
        }


class PlaceEvent(_Event):
    """No op and no node: wherever Ctrl-C found the user's code."""

    kind = "place"
    when = "before"

    def __init__(self, stepper: Stepper, anchor: Anchor, frame: FrameType | None) -> None:
        super().__init__(stepper, anchor)
        self.frame = frame


class LineEvent(PlaceEvent):
    """A line that is about to run."""

    kind = "line"

    def __init__(self, stepper: Stepper, anchor: Anchor, frame: FrameType, entered: bool) -> None:
        super().__init__(stepper, anchor, frame)
        self.line = frame.f_lineno
        self.code = frame.f_code
        self.entered = entered

    def at(self, file: str, line: int) -> bool:
        return self.line == line and same_file(self.code.co_filename, file)

    def inside(self, function: str) -> bool:
        return self.entered and self.code.co_name == function


class NodeEvent(_Event):
    """A node about to run (its gradients in are known) or done (those out, too)."""

    kind = "node"

    def __init__(
        self, stepper: Stepper, anchor: Anchor, backward: Pass, node: int, when: str
    ) -> None:
        super().__init__(stepper, anchor)
        self.backward = backward
        self.node = node
        self.when = when
        self.frame = backward.frame
        self.grad_in: list[Any] = []
        self.grad_out: list[Any] = []

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.backward.name(self.node)

    @property
    def number(self) -> int:  # type: ignore[override]
        return self.backward.order.place(self.node)

    @property
    def module(self) -> str:  # type: ignore[override]
        return self.backward.module(self.node)

    def labels(self) -> Sequence[str]:
        label = self.backward.label(self.node)
        return [label] if label else []

    def leaf(self) -> str:
        return self.backward.leaf(self.node)

    def leaf_names(self) -> Sequence[str]:
        return self.backward.leaf_names(self.node)

    def module_paths(self) -> Sequence[str]:
        return self.backward.module_paths(self.node)

    def made(self) -> list[Any]:
        found = self.grad_out if self.when == "after" else self.grad_in
        return [grad for grad in found if grad is not None]

    def made_of(self) -> list[Any]:
        if self.when == "after":
            return [grad for grad in self.grad_in if grad is not None]
        # Before a node its gradients are judged only where they came from nowhere else.
        return [] if self.backward.is_root(self.node) else self.made()

    def deeper(self) -> bool:
        return self.anchor.phase == "forward"  # from the forward, a backward is one step

    def trivial(self) -> bool:
        return self.name == "AccumulateGrad" or self.name.rstrip("0123456789") in VIEWS

    def left_module(self) -> bool:
        if self.anchor.phase == "forward":
            return False
        stood = self.anchor.module
        return not (stood and (self.module == stood or self.module.startswith(stood + ".")))

    def past_line(self) -> bool:
        return self.anchor.phase != "forward"

    def extra(self) -> dict[str, Any]:
        node = self.backward.graph.nodes[self.node]
        found = {
            "node": node,
            "grad_in": self.grad_in,
            "saved": self.backward.saved_values(node),
            "leaf": getattr(node, "variable", None),
        }
        if self.when == "after":
            found["grad_out"] = self.grad_out
        return found


class PassEvent(_Event):
    """The end of a backward."""

    kind = "pass"

    def __init__(self, stepper: Stepper, anchor: Anchor, backward: Pass) -> None:
        super().__init__(stepper, anchor)
        self.backward = backward
        self.frame = backward.frame
        self.name = "end of backward"
        self.number = backward.order.total

    def missing(self) -> Sequence[str]:
        return self.backward.missing()

    def verdicts(self) -> Sequence[str]:
        health = self.stepper.health
        return [] if health is None else [each.word for each, _ in health.new]

    def deeper(self) -> bool:
        return True


class WatchEvent(_Event):
    """The end of a backward after which parameters have another verdict than before."""

    kind = "watch"
    name = "end of backward"

    def __init__(self, stepper: Stepper, anchor: Anchor, new: Sequence[Any]) -> None:
        super().__init__(stepper, anchor)
        self.new = [each for each, _ in new]
        self.frame = frames.Walk(sys._getframe(1)).frame

    def verdicts(self) -> Sequence[str]:
        return [each.word for each in self.new]

    def said(self) -> list[str]:
        """Return who has got which verdict, at most 8, the bad ones first."""
        ordered = sorted(self.new, key=lambda each: VERDICTS.index(each.word))
        return [f"{each.name} {each.label}" for each in ordered[:8]]

    def deeper(self) -> bool:
        return True
