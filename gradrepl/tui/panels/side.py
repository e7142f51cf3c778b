"""The narrow column of wide screens: modules, frames, breakpoints, names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from gradrepl import model
from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.tui import figures
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.panels.tree import draw_tree

TENSORS = ("Tensor", "Parameter", "tensor")
PLUMBING = ("module", "function", "type", "builtin_function_or_method", "ABCMeta")
"""Kinds of names that are shown last: what was imported and defined."""


def draw_modules(paths: Sequence[str], here: str) -> list[Line]:
    """Return the modules that ops ran in as a tree; ``here`` is marked."""
    known = sorted({part for path in (*paths, here) for part in _above(path)}, key=_order(paths))
    lines: list[Line] = []
    for path in known:
        at = path == here
        inside = here.startswith(path + ".")
        mark, role = ("●", "here") if at else ("▼", "here") if inside else ("✓", "done")
        name = path.rsplit(".", 1)[-1]
        indent = "  " * path.count(".")
        lines.append([(f" {mark} ", role), span(indent + name, "here" if at else "module")])
    return lines


def _above(path: str) -> list[str]:
    parts = path.split(".") if path else []
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def _order(paths: Sequence[str]):  # type: ignore[no-untyped-def]
    """Return a sort key: the order in which modules first ran, parents before children."""
    first: dict[str, int] = {}
    for index, path in enumerate(paths):
        for part in _above(path):
            first.setdefault(part, index)
    last = len(paths)

    def key(path: str) -> list[tuple[int, str]]:
        return [(first.get(part, last), part) for part in _above(path)]

    return key


def draw_frames(frames: model.Frames, width: int) -> list[Line]:
    """Return the user's frames, outermost first as in a traceback."""
    lines: list[Line] = []
    for frame in reversed(frames.frames):
        mark = ("▶ ", "here") if frame.selected else ("  ", "")
        left = [mark, (f"{frame.index} ", "dim"), span(figures.place(frame.site))]
        lines.append(ink.between(left, [span(frame.site.function, "name")], width))
    return lines


def draw_breakpoints(points: model.Breakpoints, width: int) -> list[Line]:
    """Return the breakpoints with their hits."""
    lines: list[Line] = []
    for point in points.rows:
        mark = ("◆", "bad") if point.enabled else ("○", "dim")
        once = " once" if point.temporary else ""
        off = "" if point.enabled else " off"
        left = [mark, (f"{point.id:>2} ", "dim"), span(_short(point.text) + once + off)]
        lines.append(ink.between(left, [(f"{point.hits}×", "dim")], width))
    return lines


def _brief(text: str) -> str:
    """Return a name's value with short dtypes."""
    first = text.partition(") ")[2].partition(" ")[0]
    return text.replace(f") {first}", f") {figures.dtype(first)}", 1) if first else text


def _short(text: str) -> str:
    """Return a breakpoint's text, its file without folders."""
    return text.rpartition("/")[2] if text.startswith("/") else text


def draw_names(names: model.Variables, width: int) -> list[Line]:
    """Return the names that can be typed here."""
    rows = sorted(names.rows, key=lambda row: row.kind in PLUMBING)
    rows.sort(key=lambda row: row.kind not in TENSORS)
    longest = min(12, max((len(row.name) for row in rows), default=0))
    lines = [
        ink.fit(
            [span("  " + ink.pad(row.name, longest) + " ", "name"), span(_brief(row.text), "dim")],
            width,
        )
        for row in rows
    ]
    more = names.total - len(names.rows)
    return [*lines, [(f"  and {more} more", "dim")]] if more > 0 else lines


class Side(Paper):
    """Modules, frames, breakpoints and names under one another."""

    NAME: ClassVar[str] = "Where"
    HELP: ClassVar[str] = (
        "The modules that are being called (● here, ▼ around it, ✓ done), the frames of your "
        "code (▶ is the one that names are looked up in), and your breakpoints: ◆ on, ○ off."
    )

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.modules: list[str] = []
        """Paths of modules that ops ran in, for as long as no tree is known."""
        self.record: model.Modules | None = None
        self.here = ""
        self.frames: model.Frames | None = None
        self.points: model.Breakpoints | None = None
        self.names: model.Variables | None = None

    def _modules(self, width: int) -> list[Line]:
        if self.record is not None and self.record.rows:
            return draw_tree(self.record, self.here, width)
        return draw_modules(self.modules, self.here)

    def resized(self) -> None:
        """Draw the sections that there are."""
        width = self.room
        sections: list[tuple[str, list[Line]]] = [
            ("Modules", self._modules(width)),
            ("Frames", draw_frames(self.frames, width) if self.frames else []),
            ("Breakpoints", draw_breakpoints(self.points, width) if self.points else []),
            ("Names", draw_names(self.names, width) if self.names else []),
        ]
        lines: list[Line] = []
        for title, content in sections:
            if content:
                lines += [[], [(title, "title")], *content]
        self.caption("Where", self.here)
        self.write(lines[1:])
