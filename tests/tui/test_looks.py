"""Every screen as text, at four sizes, compared with ``snapshots/``; dark and light are alike.

``GRADREPL_UPDATE=1 pytest tests/tui/test_looks.py`` writes the snapshots anew: read the diff.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from scenes import NAMES, Whole, scenes
from screens import Seen, on_screen

from gradrepl.commands import registry
from gradrepl.tui.views import VIEWS

SNAPSHOTS = Path(__file__).parent / "snapshots"
SIZES = [(60, 15), (80, 24), (120, 35), (160, 45)]


@pytest.fixture(autouse=True)
def _no_plugins() -> Iterator[None]:
    """Take away the screens that plugins have brought in other tests of this process."""
    before, commands = [*VIEWS], {**registry.COMMANDS}
    VIEWS[:] = before[:6]
    registry.COMMANDS.pop("synthetic", None)
    yield
    VIEWS[:] = before
    registry.COMMANDS.update(commands)


def grid(seen: Seen) -> str:
    """Return the text of the screen, without the blanks at the ends of lines."""
    return "\n".join(line.rstrip() for line in seen.lines) + "\n"


def seen_at(size: tuple[int, int], theme: str) -> dict[str, str]:
    """Return every screen by its name."""
    found: dict[str, str] = {}

    async def body(seen: Seen) -> None:
        async for name in scenes(seen):
            found[name] = grid(seen)
            if name in ("help", "palette"):  # a new command moves the end of the scroll bar
                found[name] = re.sub("[▁-▇]", " ", found[name])

    on_screen(body, size=size, make=Whole, theme=theme)
    return found


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_every_screen_is_as_it_was(size: tuple[int, int]) -> None:
    dark = seen_at(size, "dark")
    assert sorted(dark) == sorted(NAMES)
    for name, text in dark.items():
        file = SNAPSHOTS / f"{name}-{size[0]}x{size[1]}.txt"
        if os.environ.get("GRADREPL_UPDATE"):
            SNAPSHOTS.mkdir(exist_ok=True)
            file.write_text(text)
        assert text == file.read_text(), f"{file.name}; GRADREPL_UPDATE=1 writes it anew"


@pytest.mark.parametrize("theme", ["light"])
def test_the_text_is_the_same_in_every_theme(theme: str) -> None:
    for name, text in seen_at((80, 24), theme).items():
        assert text == (SNAPSHOTS / f"{name}-80x24.txt").read_text(), name


@pytest.mark.parametrize("file", sorted(SNAPSHOTS.glob("*.txt")), ids=lambda file: file.stem)
def test_a_snapshot_fills_its_screen(file: Path) -> None:
    width, height = map(int, file.stem.rpartition("-")[2].split("x"))
    lines = file.read_text().splitlines()
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    assert file.stem.rpartition("-")[0] in NAMES
