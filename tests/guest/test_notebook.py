"""``set_trace()`` in a notebook: the same conversation, through ``input()`` and ``print``."""

from __future__ import annotations

import bdb
import threading
import time

import pytest
import torch
from fake_kernel import Kernel

import gradrepl

pytestmark = pytest.mark.usefixtures("nothing_stays")


@pytest.fixture
def kernel(monkeypatch):
    """Return a kernel that answers; everything must have been asked for in the end."""
    found = Kernel(monkeypatch)
    threads = set(threading.enumerate())
    yield found
    assert found.lines == []
    end = time.monotonic() + 5  # the client's thread has a moment to end
    while not set(threading.enumerate()) <= threads:
        assert time.monotonic() < end, threading.enumerate()
        time.sleep(0.02)


def test_a_cell_is_debugged_with_our_words(kernel, capsys):
    kernel.will("x + 1", "b node Exp*", "for i in range(2):", "    print('in', i)", "", "c",
                "grad_in[0].item()", "x.grad", "cl", "c")  # fmt: skip
    x = torch.tensor(1.0, requires_grad=True)
    gradrepl.set_trace()
    x.exp().mul(2).backward()
    assert kernel.asked == ["(grad) "] * 3 + ["... "] * 2 + ["(grad) "] + ["(grad:bw) "] * 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("● set_trace()  test_notebook.py:")
    assert lines[1] == "tensor(2., grad_fn=<AddBackward0>)"
    assert lines[2].startswith("◆ Breakpoint ")
    assert lines[3:5] == ["in 0", "in 1"]
    assert lines[5].startswith("● #2/3 ExpBackward0")
    assert "2.0" in lines


def test_typing_writes_into_the_cell(kernel):
    kernel.will("seen.append(5)", "c")
    seen = []
    gradrepl.set_trace()
    assert seen == [5]


def test_an_error_is_told_and_the_talk_goes_on(kernel, capsys):
    kernel.will("nothing_like_it", "break", ":nonsense", "c")
    gradrepl.set_trace()
    out = capsys.readouterr().out
    assert "NameError: name 'nothing_like_it' is not defined" in out
    assert "nonsense" in out


def test_q_raises_bdbquit(kernel):
    kernel.will("q")
    with pytest.raises(bdb.BdbQuit):
        gradrepl.set_trace()


def test_an_interrupted_line_is_given_up(kernel):
    kernel.will("if True:", KeyboardInterrupt(), KeyboardInterrupt(), "c")
    gradrepl.set_trace()
    assert kernel.asked == ["(grad) ", "... ", "(grad) ", "(grad) "]


def test_stepping_goes_from_op_to_op(kernel, capsys):
    kernel.will("s", "s", "c")
    gradrepl.set_trace()
    torch.ones(1).sin()
    lines = capsys.readouterr().out.splitlines()
    assert ["ones" in lines[1], "sin" in lines[2]] == [True, True]


def test_where_nobody_can_answer_it_is_a_batch_job(monkeypatch, capsys):
    found = Kernel(monkeypatch, answers=False)
    gradrepl.set_trace()
    assert "breakpoint skipped: no terminal" in capsys.readouterr().err
    assert found.asked == []


def test_if_asking_fails_the_program_runs_on(kernel, capsys):
    kernel.will(EOFError())
    gradrepl.set_trace()
    assert "nobody can be asked here: the program continues." in capsys.readouterr().out


def test_another_thread_does_not_ask(kernel, capsys):
    thread = threading.Thread(target=gradrepl.set_trace)
    thread.start()
    thread.join()
    assert kernel.asked == []
    assert "breakpoint skipped" in capsys.readouterr().err


def test_run_steps_a_statement(kernel, capsys):
    kernel.will("s", "c")
    space = {"torch": torch}
    gradrepl.run("x = torch.ones(1)\ny = x + 1", space)
    assert space["y"].item() == 2
    assert "ones" in capsys.readouterr().out
