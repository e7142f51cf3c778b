"""Ctrl-C at any moment: no traceback of ours, and the session lives on and answers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from terminals import Run, running

SCRIPT = """\
import time, torch
w = torch.ones(3, requires_grad=True)
for i in range(10**9):
    loss = (w * i).sum()
    loss.backward()
    w.grad = None
    time.sleep(0.002)
"""
LONG = (
    "!import time; time.sleep(1000)",
    "!while True: y = torch.ones(3) * 2",
    "p [torch.ones(9).exp() for _ in range(10**9)]",
    "until op nothing",
    "step 100000",
    "c",
)


@pytest.mark.timeout(0)
def test_a_session_lives_on(chance: random.Random, times: int, tmp_path: Path) -> None:
    """At stops, while the program runs or a command takes long, once or twice quickly."""
    for turn in range(times):
        screen = chance.random() < 0.3
        with running(tmp_path / str(turn), SCRIPT, [] if screen else ["--repl"]) as run:
            run.wait_for_stop()
            if screen:
                run.type("i")
            for strike in range(8):
                _strike(run, chance)
                _answers(run, 1000 * turn + strike + 7)
                if not screen and chance.random() < 0.15:
                    run.type(":restart\r")
                    run.draw_for(chance.uniform(0, 3))
            _leave(run)


@pytest.mark.timeout(0)
def test_a_start_is_interrupted(chance: random.Random, times: int, tmp_path: Path) -> None:
    """It ends without a word, or the session is there."""
    for turn in range(2 * times):
        client = chance.choice(([], ["--repl"], ["--repl", "--plain"]))
        with running(tmp_path / str(turn), SCRIPT, client) as run:
            run.draw_for(chance.uniform(0.05, 3))
            run.type("\x03")
            run.wait_for_stop()
            assert run.code in (None, 130), run.text
            _leave(run)


def _leave(run: Run) -> None:
    if not run.over():
        run.type(":q\r")
    run.draw_until(run.over, "the end")
    run.check_nothing_left()


def _strike(run: Run, chance: random.Random) -> None:
    """Perhaps let something run; then press Ctrl-C."""
    if chance.random() < 0.8:
        run.type(chance.choice(LONG) + "\r")
        run.draw_for(chance.choice((0, 0.01, 0.1, chance.uniform(0, 1))))
    for _ in range(chance.choice((1, 1, 2))):
        run.type("\x03")
        run.draw_for(chance.choice((0, 0.01, 0.3)))


def _answers(run: Run, number: int) -> None:
    """A line that is typed is answered; what was still to begin when Ctrl-C came is stopped."""
    for _ in range(20):
        run.type(f"p {number} * 7\r")
        if run.sees(f"{number * 7}", 6):
            break
        run.type("\x03")
    else:
        raise AssertionError("no answer")
    run.check_words()
