"""Random keys, clicks, drags and resizes on every page: the screen stays, and answers."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest
from textual import events
from textual.geometry import Size

TUI = Path(__file__).parent.parent / "tui"
sys.path[:0] = [str(TUI), str(TUI.parent)]

from hand_made import node_stop, op_stop  # noqa: E402
from screens import Seen, screen  # noqa: E402

LETTERS = "abcdefghijklmnoprstuvwxyz"
NAMED = (Path(__file__).parent / "keys.txt").read_text().split()
KEYS = [*LETTERS, *LETTERS.upper(), *"0123456789", *NAMED]
SIZES = [(80, 24), (160, 45), (60, 15), (40, 10), (20, 5), (200, 60), (1, 1), (79, 24)]


def mouse(chance: random.Random, seen: Seen) -> events.Event:
    """Return something that the mouse does, also outside of the screen: it was larger just now."""
    x, y = chance.randint(-2, 210), chance.randint(-2, 65)
    if chance.random() < 0.7:
        size = seen.app.size
        x, y = x % max(1, size.width), y % max(1, size.height)
    kinds = (
        events.MouseDown,
        events.MouseUp,
        events.MouseMove,
        events.MouseScrollDown,
        events.MouseScrollUp,
    )
    kind = chance.choice(kinds)
    button = chance.choice((0, 1, 1, 2, 3))
    return kind(
        None, x, y, chance.randint(-3, 3), chance.randint(-3, 3), button, *[False] * 3, x, y
    )


async def play(seen: Seen, chance: random.Random, count: int) -> None:
    """Do ``count`` random things."""
    for turn in range(count):
        what = chance.random()
        if what < 0.6:
            await seen.pilot.press(chance.choice(KEYS))
        elif what < 0.85:
            seen.app.post_message(mouse(chance, seen))
        elif what < 0.93:
            width, height = chance.choice(SIZES)
            size = Size(width, height)
            seen.app.post_message(events.Resize(size, size))
        else:
            seen.talk.at(chance.choice((node_stop, op_stop))(chance.randint(1, 5)))
        if turn % 5 == 0:
            await seen.pilot.pause()
        if seen.talk.finished or not seen.app.is_running:
            return


@pytest.mark.timeout(0)
def test_the_screen_stays(
    chance: random.Random, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.chdir(tmp_path)

    async def run() -> None:
        async with screen(size=chance.choice(SIZES[:6])) as seen:
            await play(seen, chance, 80)
            await seen.settle()

    for _ in range(2 * times):
        asyncio.run(run())
        assert not list(tmp_path.rglob("crash*")), "\n".join(
            file.read_text() for file in tmp_path.rglob("crash*")
        )
