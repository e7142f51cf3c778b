"""The same typed lines give the same records in batch, at the line prompt and on the screen."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
from terminal import Terminal

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
ROOT = Path(__file__).parent.parent
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
    """Run the line client on a terminal, its records noted by a Conversation that tells a file."""
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
        child.send(f"{line}\r")
    child.expect(pexpect.EOF)
    child.close()
    return [timeless(json.loads(line)) for line in noted.read_text().splitlines()]


def test_three_clients_one_answer(tmp_path: Path) -> None:
    batch = in_batch()
    assert [each["type"] for each in batch] == [
        "Breakpoint", "Stop", "Stop", "Value", "Frames", "Stop", "Pass", "Value", "Error", "Error",
    ]  # fmt: skip
    assert on_the_screen() == batch
    assert at_the_prompt(tmp_path) == batch


TRAIN = """\
import os, sys, torch
open('client', 'w').write(str(os.getppid()))
w = torch.ones(2, requires_grad=True)
for i in range(5):
    (w * i).sum().backward()
print('to its end', flush=True)
left = [torch._C._len_torch_function_stack(), sys.gettrace()]
left += [torch.autograd.graph._engine_run_backward.__code__.co_filename[-8:]]
with open('unfinished', 'w') as file:
    file.write(repr((w.grad.tolist(), left)))
os.replace('unfinished', 'end')
"""


def _code(folder: Path) -> str:
    """Return what the shell wrote of the killed client's end, '' before it has."""
    written = folder / "code"
    return written.read_text() if written.exists() else ""


@pytest.mark.parametrize(
    ("client", "then", "stopped"),
    [([], "c", "[2 Bwd]"), (["--repl"], "c\r", " MulBackward0")],
    ids=["screen", "prompt"],
)
def test_a_killed_client_lets_the_script_continue(
    tmp_path: Path, client: list[str], then: str, stopped: str
) -> None:
    """In a backward, with a breakpoint set, the client goes: the script ends as it does alone."""
    (tmp_path / "train.py").write_text(TRAIN)
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, check=True, capture_output=True)
    alone = (tmp_path / "end").read_text()
    (tmp_path / "end").unlink()
    environment = {
        **os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    words = [sys.executable, "-m", "gradrepl", *client, "-c", "b node Mul*", "train.py"]
    # A shell between: killing the leader of a terminal's session would hang up its terminal, and
    # so would its end.
    wait = "while [ ! -e end ]; do sleep 0.1; done; sleep 60"
    program = f"{shlex.join(words)}; echo $? > code; {wait}"
    t = Terminal(["-c", program], environment, rows=40, columns=120, program="/bin/sh")
    t.wait("node Mul*")
    t.wait("PAUSED")
    t.type(then)
    t.wait(stopped)
    os.kill(int((tmp_path / "client").read_text()), signal.SIGKILL)
    t.draw_until(lambda: (tmp_path / "end").exists() and _code(tmp_path) != "", "the end")
    assert (tmp_path / "end").read_text() == alone
    assert (tmp_path / "code").read_text() == "137\n"
    t.wait("to its end")
    t.child.close(force=True)
