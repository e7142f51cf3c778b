"""The same typed lines give the same records in batch, at the line prompt and on the screen."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect

from gradrepl import model
from gradrepl.commands.conversation import Conversation
from gradrepl.launch import Options
from gradrepl.tui.app import GradreplApp

LINES = [
    "x = torch.tensor([1.0, 2.0], requires_grad=True)",
    "b node Mul*",
    "L = (x * x).exp().sum()",
    "bw L",
    "s",
    "p grad_in[0].sum()",
    "w",
    "until leaf x",
    "c",
    "x.grad",
    "1 / 0",
    ":frobnicate",
]
TIMES = {"duration": 0.0, "seconds": 0.0}


def timeless(value: Any) -> Any:
    """Return a record as plain data without what differs from run to run."""
    if isinstance(value, dict):
        return {k: TIMES.get(k, timeless(v)) for k, v in value.items()}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def plain(records: list[model.Record]) -> list[Any]:
    return [timeless(json.loads(model.to_json(record))) for record in records]


def in_batch() -> list[Any]:
    result = subprocess.run(
        [sys.executable, "-m", "gradrepl", "--json"],
        input="\n".join(LINES) + "\n", capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    return [timeless(json.loads(line)) for line in result.stdout.splitlines()]


def on_the_screen() -> list[Any]:
    shown: list[model.Record] = []

    async def run() -> None:
        options = Options(stdin="asked", output="piped")

        def make(show: Any) -> Conversation:
            return Conversation(options, lambda record: (shown.append(record), show(record))[1])

        app = GradreplApp(make, typing=True)
        async with app.run_test(size=(120, 40)) as pilot:
            while getattr(getattr(app, "talk", None), "prompt", None) is None:
                await pilot.pause()
            for line in LINES:
                await app.talk.enter(line)
                await pilot.pause()

    asyncio.run(asyncio.wait_for(run(), 100))
    return plain(shown)


def at_the_prompt(tmp_path: Path) -> list[Any]:
    """Run the line face on a terminal, its records noted by a Conversation that tells a file."""
    noted = tmp_path / "records"
    code = (
        "import sys\n"
        "from gradrepl import cli, model\n"
        "from gradrepl.commands import conversation\n"
        "real = conversation.Conversation.__init__\n"
        "def init(self, options, show):\n"
        "    def note(record):\n"
        f"        open({str(noted)!r}, 'a').write(model.to_json(record) + chr(10))\n"
        "        show(record)\n"
        "    real(self, options, note)\n"
        "conversation.Conversation.__init__ = init\n"
        "sys.exit(cli.main(['--repl']))\n"
    )
    environment = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1",
                   "XDG_STATE_HOME": str(tmp_path)}  # fmt: skip
    child = pexpect.spawn(
        sys.executable, ["-c", code], env=environment, dimensions=(40, 120), timeout=60
    )
    for line in [*LINES, ":quit"]:
        child.expect(r"(>>>|\(grad(:bw)?\)).*\?25h")  # a prompt, drawn to its end
        child.sendline(line)
    child.expect(pexpect.EOF)
    child.close()
    return [timeless(json.loads(line)) for line in noted.read_text().splitlines()]


def test_three_faces_one_answer(tmp_path: Path) -> None:
    batch = in_batch()
    assert [each["type"] for each in batch] == [
        "Breakpoint", "Stop", "Stop", "Value", "Frames", "Stop", "Pass", "Value", "Error", "Error",
    ]  # fmt: skip
    assert on_the_screen() == batch
    assert at_the_prompt(tmp_path) == batch


