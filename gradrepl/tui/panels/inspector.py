"""The inspector: everything about the op, the node or the tensor that is selected."""

from __future__ import annotations

from typing import ClassVar

from gradrepl import model
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.tui import figures
from gradrepl.tui.panels import tensor_lines
from gradrepl.tui.panels.base import Paper

STATES = {"ok": "good", "changed in place": "bad", "freed": "warn", "packed": "dim"}

UNSEEN = "known at its stop"
"""Of gradients of a node that has not run, or ran while nobody looked."""


def code(text: str, width: int) -> list[Line]:
    """Return the user's line, on two lines at most."""
    lines = ink.wrap([span(text.strip(), "code")], width, 2)
    if len(lines) > 2:
        lines = [lines[0], ink.fit([*lines[1], *lines[2]], width)]
    return lines


def draw_op(op: model.Op, width: int, when: str = "after") -> list[Line]:
    """Return an op: the user's line, what it made, what of."""
    lines: list[Line] = []
    if op.site:
        lines += code(op.site.text, width)
        lines.append(ink.between([span(figures.place(op.site), "dim")],
                                 [span(op.mode, "warn")], width))  # fmt: skip
    if when == "before":
        lines.append([("about to run", "here")])
    for index, info in enumerate(op.outputs):
        if len(op.outputs) > 1:
            lines.append(tensor_lines.section(f"out {index}", info.name, width))
        lines += tensor_lines.whole(info, width)
    if op.inputs:
        lines += [[], tensor_lines.section("inputs", "", width)]
        lines += [
            tensor_lines.brief(info, width, f"{index:>2} ") for index, info in enumerate(op.inputs)
        ]
    lines += _effects(op, width)
    return lines


def _effects(op: model.Op, width: int) -> list[Line]:
    """Return what else an op did: versions, graph nodes, time."""
    lines: list[Line] = []
    if op.bumped:
        lines += [[], tensor_lines.section("written in place", "", width)]
        lines += [[span(f" {text}", "warn")] for text in op.bumped]
    if op.nodes:
        lines += [[], tensor_lines.section("graph nodes made", "", width)]
        lines += [[span(f" {name}", "name")] for name in op.nodes]
    tail: list[Line] = []
    if op.module:
        tail.append([("module ", "dim"), span(f"{op.module} {op.module_class}".strip(), "module")])
    if op.duration:
        tail.append([("took ", "dim"), (figures.seconds(op.duration), "number")])
    return [*lines, [], *tensor_lines.pack(tail, width)] if tail else lines


def draw_node(node: model.Node, width: int, here: bool = True) -> list[Line]:
    """Return a node: its line, its rule, gradients in and out, where they go, what was saved.

    Where we stand before it (``here``) a step computes what goes out.
    """
    lines: list[Line] = []
    if node.site:
        lines += code(node.site.text, width)
        lines.append(ink.fit([("made at ", "dim"), span(figures.place(node.site)),
                              span(f" {node.site.function}", "dim")], width))  # fmt: skip
    if node.rule:
        lines += ink.wrap([("rule ", "dim"), span(node.rule, "code")], width, 5)
    lines.append(tensor_lines.section("IN", "grad_output" if node.grad_in else UNSEEN, width))
    lines += [_gradient(info, index, width) for index, info in enumerate(node.grad_in)]
    lines += _outgoing(node, width, here)
    if node.saved:
        lines.append(tensor_lines.section("SAVED", "", width))
        lines += [_saved(saved, width) for saved in node.saved]
    if node.hooks:
        lines.append([("your hooks ", "dim"), (str(node.hooks), "warn")])
    return lines


def _gradient(info: model.TensorInfo | None, index: int, width: int) -> Line:
    """Return one incoming gradient."""
    if info is None:
        return [(f" {index} ", "dim"), ("none", "dim")]
    left = [(f" {index} ", "dim"), span(figures.tensor(info), "")]
    return ink.between(left, _norm(info), width, must=bool(figures.broken(info.stats)))


def _norm(info: model.TensorInfo) -> Line:
    if info.stats is None:
        return []
    bad = figures.broken(info.stats)
    if not info.shape and info.stats.min is not None:
        return [("= ", "dim"), (figures.number(info.stats.min), "bad" if bad else "number")]
    end: Line = [("|g| ", "dim"), (figures.norm(info.stats.norm), "bad" if bad else "number")]
    return [*end, span(f" {bad} !", "bad")] if bad else end


def _outgoing(node: model.Node, width: int, here: bool) -> list[Line]:
    """Return one line for each edge: what goes along it, and to where."""
    if not node.edges and not node.grad_out:
        return []
    soon = "not computed yet: s" if here and node.grad_in else UNSEEN
    note = "grad_input" if node.grad_out else soon
    lines = [tensor_lines.section("OUT", note, width)]
    for index in range(max(len(node.edges), len(node.grad_out))):
        info = node.grad_out[index] if index < len(node.grad_out) else None
        edge = node.edges[index] if index < len(node.edges) else None
        left: Line = [(f" {index} ", "dim")]
        if info is not None:
            left += [span(figures.shape(info.shape)), (" ", "")]
        left += _target(edge)
        bad = bool(info and figures.broken(info.stats))
        lines.append(ink.between(left, _norm(info) if info else [], width, must=bad))
    return lines


def _target(edge: model.Edge | None) -> Line:
    if edge is None or edge.label == "none":
        return [("no gradient needed", "dim")]
    leaf = not edge.label.startswith("#")
    return [("→ ", "dim"), span(edge.label, "leaf" if leaf else "name")]


def _saved(saved: model.Saved, width: int) -> Line:
    """Return one saved value with its version and state."""
    left: Line = [span(f" {saved.name} ", "name")]
    if saved.tensor is not None:
        left.append(span(figures.tensor(saved.tensor)))
        if saved.tensor.version is not None:
            left.append((f" v{saved.tensor.version}", "dim"))
    elif saved.value:
        left.append(span(saved.value))
    if saved.tensor is None and saved.state == "ok":
        return ink.fit(left, width)
    mark = "! " if saved.state == "changed in place" else ""
    state = span(mark + saved.state, STATES.get(saved.state, "dim"))
    return ink.between(left, [state], width, must=saved.state != "ok")


def draw_exception(stop: model.Stop, width: int) -> list[Line]:
    """Return what was raised, and where."""
    lines = [part for text in stop.exception.split("\n")
             for part in ink.wrap([span(text, "bad")], width, 2)]  # fmt: skip
    lines += [part for note in stop.notes for part in ink.wrap([span(note)], width, 2)]
    if stop.site:
        lines += [
            [],
            [span(figures.place(stop.site), "dim"), span(f" {stop.site.function}", "dim")],
        ]
        lines += ink.wrap([span(stop.site.text.strip(), "code")], width, 2)
    return [*lines, [], [("u d ", "key"), ("frames   ", "dim"), ("p ", "key"), ("print", "dim")]]


def draw_line(record: model.Record | None, when: str) -> Line:
    """Return one line, for a screen that has no room for more."""
    match record:
        case model.Op():
            shown = "not run yet" if when == "before" else "  ".join(map(_brief, record.outputs))
            return [span(f"%{record.id} {record.name} ", "name"), span(shown, "number"),
                    span(f"  {figures.place(record.site)}", "dim")]  # fmt: skip
        case model.Node():
            norms = [_norm(info) for info in record.grad_in if info is not None]
            return [span(f"#{record.id} {record.name} ", "name"), span(record.label, "module"),
                    (" ", ""), *(norms[0] if norms else [])]  # fmt: skip
        case model.Stop():
            return [span(record.exception, "bad")]
    return []


def _brief(info: model.TensorInfo) -> str:
    bad = figures.broken(info.stats)
    return figures.tensor(info) + (f" {bad} !" if bad else "")


class Inspector(Paper):
    """Details of what is selected in the list; the place of the stop until the cursor moves."""

    NAME: ClassVar[str] = "Inspect"
    HELP: ClassVar[str] = (
        "What is selected on the left, from near. Of an op: what went in, what came out, the "
        "node that it made. Of a node: its rule, the gradients that arrive (IN) and go on (OUT, "
        "with → where to), and what the forward saved for it; ! marks a saved value that was "
        "changed in place since, and nan or inf."
    )
    record: model.Record | None = None
    when = "after"
    note = ""

    def show(self, record: model.Record | None, when: str = "after", note: str = "") -> None:
        """Show ``record``; ``note`` says how it is not the place of the stop."""
        changed = record is not self.record
        self.record, self.when, self.note = record, when, note
        self.caption(*self._captions())
        self.write(self._drawn(self.room))
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

    def _drawn(self, width: int) -> list[Line]:
        if self.size.height == 1:
            return [draw_line(self.record, self.when)]
        match self.record:
            case model.Op():
                return draw_op(self.record, width, self.when)
            case model.Node():
                return draw_node(self.record, width, here=not self.note)
            case model.Stop():
                return draw_exception(self.record, width)
            case model.Tensor():
                from gradrepl.tui import reply  # it draws with us

                return reply.whole(self.record, width)
            case model.TensorInfo():
                return tensor_lines.whole(self.record, width)
        return []

    def resized(self) -> None:
        """Draw for the new width."""
        self.caption(*self._captions())
        self.write(self._drawn(self.room))
