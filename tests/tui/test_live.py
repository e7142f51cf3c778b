"""The screen on a real debuggee: one script from its first op to its end, then a backward typed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from gradrepl.commands.conversation import Conversation
from gradrepl.launch import Options
from gradrepl.tui.app import GradreplApp

SCRIPT = """\
import sys
import torch

name = input("name? ")
a = torch.tensor(2.0, requires_grad=True)
left = 3 * a
L = left * a**2
L.backward()
print("hello", name)
print("warned", file=sys.stderr)
"""


def text_of(app: GradreplApp) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(part.text for part in strip) for strip in strips)


async def until(pilot: Pilot[Any], *words: str) -> str:
    """Return the screen's text as soon as all ``words`` are on it."""

    async def wait() -> str:
        while True:
            await pilot.pause()
            text = text_of(pilot.app)  # type: ignore[arg-type]
            if all(word in text for word in words):
                return text

    try:
        return await asyncio.wait_for(wait(), 60)
    except TimeoutError:
        raise AssertionError(f"{words} in\n{text_of(pilot.app)}") from None  # type: ignore[arg-type]


def test_a_script_from_its_first_op_to_its_end(tmp_path: Path) -> None:
    script = tmp_path / "paths.py"
    script.write_text(SCRIPT)
    options = Options(target=str(script), stdin="asked", output="piped")

    async def run() -> int | None:
        app = GradreplApp(lambda show: Conversation(options, show), typing=False)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, "input: ", "name? ")
            await pilot.press(*"Ada", "enter")
            await until(pilot, "PAUSED", "op 1", "about to run", "▶")
            await pilot.press("colon", *"break", "space", *"leaf", "space", "a", "enter", "escape")
            await until(pilot, "leaf a")
            await pilot.press("s", "s")
            await until(pilot, "●   2 mul")
            await pilot.press("c")
            await until(pilot, "[2 Bwd]", "Graph from L", "AccumulateGrad", "4/4")
            await pilot.press("s")
            await until(pilot, "READY", "ended with code 0")
            await pilot.press("6")
            await until(pilot, "name? Ada", "hello Ada", "! warned")
            await pilot.press("i", *"a.grad", "enter")
            await until(pilot, ">>> a.grad", "tensor(36.)")
            await pilot.press("escape", "q")
        return app.return_value

    assert asyncio.run(run()) == 0
