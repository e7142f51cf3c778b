"""The narrow column of wide screens: modules, frames, breakpoints, names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from gradrepl import model
from gradrepl.draw import looking, modules
from gradrepl.draw.ink import Line, span
from gradrepl.tui.panels.base import Paper


def draw_modules(paths: Sequence[str], here: str) -> list[Line]:
    """Return the modules that ops ran in as a tree; ``here`` is marked."""
    known = sorted({part for path in (*paths, here) for part in _above(path)}, key=_order(paths))
    lines: list[Line] = []
    for path in known:
        glyph, role = modules.mark(path, here, ("✓", "done"))
        indent, name = "  " * path.count("."), path.rsplit(".", 1)[-1]
        named = span(indent + name, "here" if path == here else "module")
        lines.append([(f" {glyph} ", role), named])
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
            return modules.tree(self.record, self.here, width)
        return draw_modules(self.modules, self.here)

    def resized(self) -> None:
        """Draw the sections that there are."""
        width = self.room
        sections: list[tuple[str, list[Line]]] = [
            ("Modules", self._modules(width)),
            ("Frames", looking.frames(self.frames, width) if self.frames else []),
            ("Breakpoints", [*looking.breakpoints(self.points.rows, width)] if self.points else []),
            ("Names", looking.names(self.names, width) if self.names else []),
        ]
        lines: list[Line] = []
        for title, content in sections:
            if content:
                lines += [[], [(title, "title")], *content]
        self.caption("Where", self.here)
        self.write(lines[1:])
