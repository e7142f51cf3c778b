"""One sample from near: figures, picture, curve or text of each part, and what made it."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style

from gradrepl import model
from gradrepl.draw import charts as pictures
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.model.data import Part, SampleRow, TransformStep
from gradrepl.phrases import place
from gradrepl.tui import figures
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.panels.tensor_lines import pack

BESIDE = 68
"""Cells from which on the picture stands beside the figures."""
HIGH = 36
"""Dots of a picture's height at the most."""
CURVE = 5
"""Lines of a curve."""


def picture(rows: tuple[tuple[int, ...], ...], wide: int, high: int, colour: bool) -> list[Line]:
    """Return an image in half blocks, or where there is no colour in characters."""
    scaled = pictures.scaled(rows, wide, min(HIGH, high))
    if not colour:
        return [[(text, "")] for text in pictures.ramp(scaled)]
    return [
        [(text, _greys(*levels)) for text, levels in runs if levels is not None]
        for runs in pictures.halves(scaled)
    ]


def _greys(upper: int, lower: int) -> Style:
    return Style(color=f"rgb({upper},{upper},{upper})", bgcolor=f"rgb({lower},{lower},{lower})")


def about(part: Part, width: int) -> list[Line]:
    """Return one part: its key, kind and figures."""
    kind = figures.dtype(part.dtype) or part.kind
    shape = "" if part.shape is None else f"{figures.shape(part.shape)} "
    name = f"{part.key} " if part.key else ""
    line: Line = [span(name, "name"), span(shape, "number"), span(kind)]
    stats = part.stats
    if part.kind in ("int", "float", "bool", "number", "None") or (part.text and part.shape == ()):
        return [ink.fit([span(name, "name"), span(f"{kind} ", "dim"), span(part.text)], width)]
    if stats is None:
        return [ink.fit(line, width)]
    pairs = [("min", stats.min), ("max", stats.max), ("mean", stats.mean)]
    found: list[Line] = [
        [(f"{label} ", "dim"), (figures.number(value), "number")]
        for label, value in pairs
        if value is not None
    ]
    bad = figures.broken(stats)
    end = [span(f"{bad} !", "bad")] if bad else []
    return [ink.between(line, end, width, must=bool(bad)), *pack([[(" ", "")], *found], width, 1)]


def shown(part: Part, width: int, high: int, colour: bool, ascii: bool) -> list[Line]:
    """Return what a part looks like: its picture, its curve, or its text."""
    if part.lines:
        return picture(part.lines, width, high, colour)
    if len(part.values) > 1:
        drawn = pictures.curve(part.values, width - 1, CURVE, ascii)
        return [[(" ", ""), *_marked(text)] for text in drawn]
    if part.kind in ("str", "bytes") or (part.kind == "list" and part.text):
        return [[(" ", ""), *line] for line in ink.wrap([span(part.text, "string")], width - 1)]
    return []


def _marked(text: str) -> Line:
    """Return a line of a curve, the marks of NaN in their own role."""
    parts: Line = []
    for mark in text:
        role = "bad" if mark == "!" else "number"
        if parts and parts[-1][1] == role:
            parts[-1] = parts[-1][0] + mark, role
        else:
            parts.append((mark, role))
    return parts


def steps(found: tuple[TransformStep, ...], width: int) -> list[Line]:
    """Return the transforms with the time of each, and the one that made the first NaN."""
    if not found:
        return []
    name = min(max(len(step.name) for step in found), max(8, width - 26))
    lines: list[Line] = [[("transform steps", "title")]]
    for step in found:
        bad = step.first_nan or bool(step.nans)
        made = f"{figures.tight(step.out.shape)} {figures.dtype(step.out.dtype)}".replace("- ", "")
        said = (
            f"first {step.nans} nan !" if step.first_nan else f"{step.nans} nan !" if bad else made
        )
        lines.append(
            ink.fit(
                [
                    span(" " + ink.pad(step.name, name), "bad" if step.first_nan else "name"),
                    (ink.right(figures.seconds(step.seconds), 9) + "  ", "dim"),
                    span(said, "bad" if bad else ""),
                ],
                width,
            )
        )
    return lines


def told(sample: model.Sample, width: int) -> list[Line]:
    """Return what is odd, how long it took, what was drawn, and where it is made."""
    lines: list[Line] = []
    for text in sample.odd:
        lines += ink.wrap([("! ", "bad"), span(text, "bad")], width, 2)
    lines += steps(sample.steps, width)
    took: list[Line] = [[("took ", "dim"), (figures.seconds(sample.seconds), "number")]]
    if sample.label:
        took.insert(0, [("label ", "dim"), span(sample.label, "name")])
    if sample.random:
        took.append([("draws from ", "dim"), span(", ".join(sample.random), "warn")])
    if sample.worker is not None:
        seed = "" if sample.seed is None else f", seed {sample.seed}"
        took.append([("as worker ", "dim"), span(f"{sample.worker}{seed}")])
    if sample.site is not None:
        took.append([("made by ", "dim"), span(f"{sample.dataset}  {place(sample.site)}")])
    lines += [part for line in pack(took, width) for part in ink.wrap(line, width, 2)]
    for note in sample.notes:
        lines += ink.wrap([span(f"({note})", "dim")], width, 2)
    return lines


def draw(sample: model.Sample, width: int, height: int, colour: bool, ascii: bool) -> list[Line]:
    """Return a sample; where it is wide its picture stands beside what is said of it."""
    image = next((part for part in sample.parts if part.lines), None)
    if image is not None and width >= BESIDE:
        left = picture(image.lines, width // 2, max(16, 2 * height), colour)
        cells = max(map(ink.width, left), default=0) + 2
        rest = _parts(sample, width - cells, height, colour, ascii, beside=image)
        rest += told(sample, width - cells)
        return _side_by_side(left, rest, cells)
    return [*_parts(sample, width, height, colour, ascii), *told(sample, width)]


def _parts(
    sample: model.Sample, width: int, height: int, colour: bool, ascii: bool,
    beside: Part | None = None,
) -> list[Line]:  # fmt: skip
    lines: list[Line] = []
    for part in sample.parts:
        lines += about(part, width)
        if part is not beside:
            lines += shown(part, width, max(16, 2 * (height - 8)), colour, ascii)
    return lines


def _side_by_side(left: list[Line], rest: list[Line], cells: int) -> list[Line]:
    lines: list[Line] = []
    for at in range(max(len(left), len(rest))):
        line = left[at] if at < len(left) else []
        gap: Line = [(" " * (cells - ink.width(line)), "")]
        lines.append([*line, *gap, *(rest[at] if at < len(rest) else [])])
    return lines


def draw_row(row: SampleRow, width: int) -> list[Line]:
    """Return what the batch told of a sample, before it was looked at alone."""
    lines = [line for part in row.parts for line in about(part, width)]
    for part in row.parts:
        if part.kind == "str":
            lines += shown(part, width, 0, False, False)
    for text in (row.error or "", ", ".join(row.odd)):
        lines += ink.wrap([("! ", "bad"), span(text, "bad")], width, 2) if text else []
    if not row.index:
        return lines
    hint = [("enter", "key"), (" its picture, its transforms; ", "dim"),
            ("f", "key"), (" make it here, step by step", "dim")]  # fmt: skip
    return [*lines, [], *ink.wrap(hint, width)]


class SamplePane(Paper):
    """The selected sample."""

    NAME: ClassVar[str] = "Sample"
    HELP: ClassVar[str] = (
        "The selected sample from near: the figures of each part, its picture, curve or text, "
        "and each transform with the time that it took. ! marks nan, and the transform that "
        "made the first one."
    )
    _of: model.Sample | SampleRow | None = None

    def show(self, of: model.Sample | SampleRow | None) -> None:
        """Show a sample, or what the batch told of one."""
        changed = of is not self._of
        self._of = of
        self.resized()
        if changed:
            self.scroll_home(animate=False, immediate=True)

    def resized(self) -> None:
        """Draw for this size."""
        of, width = self._of, self.room
        match of:
            case model.Sample():
                count = "" if of.length is None else f" of {of.length}"
                alone = "   esc back" if self.has_class("-maximised") else ""
                self.caption(f"Sample {of.index}", f"{of.dataset}{count}{alone}")
                colour = not (self.ascii or self.app.no_color)
                self.write(draw(of, width, self.size.height, colour, self.ascii))
            case SampleRow():
                index = f"index {of.index}" if of.index else ""
                self.caption(f"Sample {of.place}", index)
                self.write(draw_row(of, width))
            case None:
                self.caption("Sample")
                self.write([])
