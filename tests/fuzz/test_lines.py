"""Whatever is typed gets an answer: no traceback of ours, and the session goes on."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gradrepl.commands.table import COMMANDS

LEAVING = {"quit", "q", "exit", "EOF", "detach", "restart", "commands", "interact", "record"}
"""Commands that end the conversation, wait for a person, or write files; ':export' is one, too."""
SCRIPT = """\
import torch
from torch import nn
from torch.utils.data import DataLoader
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader([(torch.randn(3), 1.0)] * 6, batch_size=2)
def step(x, y):
    h = model(x)
    loss = (h.squeeze() - y).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss
for epoch in range(40):
    for x, y in loader:
        loss = step(x, y.float())
print("end", flush=True)
"""
PARTS = (Path(__file__).parent / "parts.txt").read_text().splitlines()
PARTS += ["\t", "\x1b[2J", "\x00", "\u202e", "ü", "日本", "a" * 300]


def lines(chance: random.Random, count: int) -> list[str]:
    """Return lines of commands with and without fitting arguments, of Python, and of neither."""
    words = sorted(
        {word for command in COMMANDS.values() for word in command.words} - LEAVING - {"export"}
    )
    made = []
    for _ in range(count):
        parts = [chance.choice(PARTS) for _ in range(chance.choice((0, 0, 1, 1, 2, 3, 5)))]
        word = chance.choice(words)
        lead = chance.choice(("", ":", ":", ":"))
        if chance.random() < 0.15:
            word, lead = chance.choice(PARTS), ""
        elif chance.random() < 0.1:
            word = word[: chance.randint(1, len(word))]
        made.append(re.sub(r"[\r\n]", " ", " ".join([lead + word, *parts])))
    return made


@pytest.mark.timeout(0)
def test_every_line_is_answered(chance: random.Random, times: int, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    for _ in range(times):
        typed = lines(chance, 120)
        text = "".join(f"{line}\n\n" for line in [*typed, "print('ali' + 've')"])
        done = subprocess.run(
            [sys.executable, "-m", "gradrepl", "--plain", str(script)],
            input=text.encode(errors="surrogateescape"),
            capture_output=True,
            cwd=tmp_path,
            timeout=600,
        )
        said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        log = tmp_path / "typed.txt"
        log.write_text(text, errors="replace")
        assert "alive" in said, f"{said[-2000:]}\n{log}"
        ours = re.search(r'File "[^"]*/gradrepl/[^"]*", line', said)
        assert ours is None, f"{said[max(0, ours.start() - 1500) : ours.end() + 800]}\n{log}"
        assert "Internal error" not in said
