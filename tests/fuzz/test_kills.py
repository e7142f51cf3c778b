"""The client is killed at any moment: its terminal is as it was, and the program ends as alone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from terminals import Run, running

SCRIPT = """\
import os, sys, time
open("begun", "w").close()
import torch
torch.manual_seed(3)
w = torch.ones(3, requires_grad=True)
for i in range(12):
    loss = (w * torch.rand(3)).exp().sum()
    loss.backward()
    print("step", i, flush=True)
    time.sleep(0.02)
with open("unfinished", "w") as file:
    print(w.grad.tolist(), torch.rand(1).item(), torch._C._len_torch_function_stack(), file=file)
os.replace("unfinished", "end")
sys.exit(7)
"""
TYPED = ("c", "s", "s 3", "n", "b node Mul*", "b nan", ":mem", ":graph", "p w", "w", "x = 1")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what the script writes when it runs alone."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "train.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "train.py"], cwd=folder, capture_output=True)
    assert done.returncode == 7
    return (folder / "end").read_text()


@pytest.mark.timeout(0)
def test_a_killed_client_leaves_all_in_order(
    chance: random.Random, times: int, tmp_path: Path, alone: str
) -> None:
    """Killed, ended or hung up while it starts, runs, stands at a stop, or does a command."""
    for turn in range(3 * times):
        number = chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP))
        client = chance.choice(([], ["--repl"], ["--repl", "--plain"]))
        with running(tmp_path / str(turn), SCRIPT, client) as run:
            _play(run, chance)
            _kill(run, number, alone)


def _kill(run: Run, number: signal.Signals, alone: str) -> None:
    if number == signal.SIGHUP:
        run.wait_for_stop()
    run.draw_until(lambda: run.client() or run.over(), "the client")
    with suppress(ProcessLookupError):
        os.kill(run.client() or 0x7FFFFFFF, number)
    run.draw_until(run.over, f"the end by {number.name}")
    run.check_nothing_left()
    ended = run.folder / "end"
    if number == signal.SIGKILL and (run.folder / "begun").exists():
        assert ended.exists(), run.text
    assert not ended.exists() or ended.read_text() == alone
    assert run.code in (128 + number, 7), (number, run.code, run.text)


def _play(run: Run, chance: random.Random) -> None:
    """Do nothing for a while, or type some lines after the first stop."""
    if chance.random() < 0.4:
        run.draw_for(chance.uniform(0, 4))
        return
    run.wait_for_stop()
    for _ in range(chance.randint(0, 4)):
        lead = "" if "(grad" in run.text.splitlines()[-1] else chance.choice(("i", ":"))
        run.type(lead + chance.choice(TYPED) + "\r")
        run.draw_for(chance.choice((0, 0.02, 0.3)))
    run.draw_for(chance.uniform(0, 1))
