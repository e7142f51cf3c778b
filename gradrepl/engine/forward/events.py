"""An op as an event to stop at, and what all events about tensors share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from gradrepl.engine.code import frames
from gradrepl.engine.explain import nonfinite
from gradrepl.engine.forward.calls import Call, tensors_in
from gradrepl.engine.stopping.breakpoints import Anchor
from gradrepl.engine.stopping.events import Event
from gradrepl.engine.stopping.lines import same_file
from gradrepl.engine.tensor import facts, figures

if TYPE_CHECKING:
    from gradrepl.engine.stopping.stepper import Stepper
    from gradrepl.engine.tensor.names import Names


class TensorEvent(Event):
    """Something that makes tensors of tensors."""

    stepper: Stepper

    def made(self) -> list[Any]:
        """Tensors that came out of it, or, before a node, its incoming gradients."""
        return []

    def made_of(self) -> list[Any]:
        """Tensors that went into it."""
        return []

    def shapes(self) -> Sequence[tuple[int, ...]]:
        return [facts.shape(tensor) for tensor in self.made()]

    def norms(self) -> Sequence[float]:
        norms = map(figures.norm, self.made())
        return [norm for norm in norms if norm is not None]

    def born(self, what: str) -> bool:
        test = math.isnan if what == "nan" else math.isinf
        return _shows(self.made(), what, test) and not _shows(self.made_of(), what, test)

    def extra_quietly(self) -> dict[str, Any]:
        """Return ``extra`` without a trace in the user's modes."""
        with figures.quiet():
            return self.extra()


def _shows(tensors: list[Any], what: str, test: Any) -> bool:
    for tensor in tensors:
        norm = figures.norm(tensor)
        if norm is None or math.isfinite(norm):
            continue
        if what == "nan" and math.isnan(norm):
            return True
        stats = figures.stats(tensor)
        if stats and (stats.nans if what == "nan" else stats.infs):
            return True
    return False


class OpEvent(TensorEvent):
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
        return any(
            each.f_lineno == line and same_file(each.f_code.co_filename, file)
            for each in frames.user_frames(self.frame)
        )

    def inside(self, function: str) -> bool:
        return any(each.f_code.co_name == function for each in frames.user_frames(self.frame))

    def module_paths(self) -> Sequence[str]:
        return self.stepper.recorder.paths.spellings(self.module)

    def labels(self) -> Sequence[str]:
        names = map(self._names().tensor, [*self.call.inputs(), *self.made()])
        return [name for name in names if name]

    def made(self) -> list[Any]:
        return list(tensors_in(self.call.result))

    def born(self, what: str) -> bool:
        if self.name.startswith(("empty", "new_empty")):
            return False  # what was in that memory before means nothing
        return super().born(what)

    def made_of(self) -> list[Any]:
        # An input that was written to shows the result.
        return [] if self.call.bumped else self.call.inputs()

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
            "inputs": self.call.inputs(),
            "outputs": outputs,
            "out": outputs[0] if outputs else None,
        }

    def stop_fields(self, reason: str) -> dict[str, Any]:
        name_of = self._names().tensor
        record = self.call.record(name_of, self.when)
        causes = partial(nonfinite.of_op, self.call, name_of)
        return {
            "site": record.site,
            "module": record.module,
            "op": record,
            "position": record.id,
            "notes": nonfinite.notes(self, reason, causes),
        }

    def anchor_fields(self) -> dict[str, Any]:
        return {"module_frames": self.call.module_frames, "depth": self.call.depth}

    def _names(self) -> Names:
        return self.stepper.session.names(self.frame)
