"""The inspector: everything about the op, the node or the tensor that is selected."""

from __future__ import annotations

from typing import ClassVar

from gradrepl import draw, model
from gradrepl.draw import Look, ink, running
from gradrepl.draw.ink import Line, span
from gradrepl.tui.panels.base import Paper


def draw_line(record: model.Record | None, look: Look) -> Line:
    """Return one line, for a screen that has no room for more."""
    match record:
        case model.Op() | model.Node():
            first = [(*line, ("  ", "")) for line in draw.lines(record)[:3]]
            return ink.fit([part for line in first for part in line], look.width)
        case model.Stop():
            return [span(record.exception, "bad")]
    return []


class Inspector(Paper):
    """Details of what is selected in the list; the place of the stop until the cursor moves."""

    NAME: ClassVar[str] = "Inspect"
    HELP: ClassVar[str] = (
        "What is selected on the left, from near. Of an op: what went in, what came out, the "
        "node that it made. Of a node: its rule, the gradients that arrive (grad_in) and leave "
        "(grad_out, and where to), and what the forward saved for it; ! marks a saved value that "
        "was changed in place since, and nan or inf."
    )
    record: model.Record | None = None
    when = "after"
    note = ""

    def show(self, record: model.Record | None, when: str = "after", note: str = "") -> None:
        """Show ``record``; ``note`` says how it is not the place of the stop."""
        changed = record is not self.record
        self.record, self.when, self.note = record, when, note
        self.caption(*self._captions())
        self.write(self._drawn())
        if changed:
            self.scroll_to(0, 0, animate=False)

    def _captions(self) -> tuple[str, str]:
        match self.record:
            case model.Node(id=id, name="AccumulateGrad", label=label) if label:
                return f"#{id} {label}", self.note or "AccumulateGrad"
            case model.Node(id=id, name=name, seq=seq, label=label):
                wide = self.room >= 60
                end = " ".join(
                    part for part in (label, f"seq {seq}" if seq and wide else "") if part
                )
                return f"#{id} {name}", self.note or end
            case model.Op(id=id, name=name):
                return f"%{id} {name}", self.note or ("next" if self.when == "before" else "")
            case model.Stop():
                return "Raised", ""
            case model.TensorInfo(name=name):
                return name or "Tensor", ""
        return "Inspect", ""

    def _drawn(self) -> list[Line]:
        record, look = self.record, self.look
        if self.size.height == 1:
            return [draw_line(record, look)]
        match record:
            case model.Stop():
                lines = running.exception(record)
                return [part for line in lines for part in draw.broken(line, look.width)]
            case model.Op() | model.Node():
                ahead: Line = [("about to run", "here")]
                waiting = isinstance(record, model.Op) and self.when == "before"
                return [*([ahead] if waiting else []), *draw.lines(record, look)[1:]]
            case model.TensorInfo():
                return draw.lines(record, look)
        return []

    def resized(self) -> None:
        """Draw for the new width."""
        self.caption(*self._captions())
        self.write(self._drawn())
