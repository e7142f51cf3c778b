"""The line prompt on a real pseudo-terminal: keys in, the screen's text out."""

import os
import signal
from pathlib import Path

import pytest
from terminal import Terminal

HOUSE = Path(__file__).parent.parent
ENTER, TAB, CTRL_C, CTRL_D, UP, CTRL_R = "\r", "\t", "\x03", "\x04", "\x1b[A", "\x12"


@pytest.fixture
def env(tmp_path):
    """Return an environment with a home of its own."""
    return {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path),
        "PYTHONPATH": str(HOUSE), "TERM": "xterm-256color",
        "TMPDIR": str(tmp_path),
        "LANG": "C.UTF-8",
    }  # fmt: skip


@pytest.fixture
def start(env):
    """Return a function that starts the line prompt; what it started is over afterwards."""
    started = []

    def run(*args, **more):
        terminal = Terminal(["-m", "gradrepl", "--repl", *args], {**env, **more})
        started.append(terminal)
        return terminal

    yield run
    for terminal in started:
        terminal.child.close(force=True)


def test_the_prompt_runs_python_and_leaves_at_ctrl_d(start):
    t = start()
    t.wait(">>>")
    assert t.lines[0].startswith("gradrepl 0.")
    t.enter("6 * 7", "\n42")
    t.wait("READY | torch 2")
    t.type(CTRL_D)
    assert t.code() == 0


def test_a_block_of_lines_is_indented_and_runs_at_an_empty_line(start):
    t = start()
    t.wait(">>>")
    t.type("for i in range(2):" + ENTER + "print(i * 7)" + ENTER)
    t.wait("...     print(i * 7)")
    t.type(ENTER)
    t.wait("\n7")


def test_lines_typed_while_code_runs_are_run_however_late_the_prompt_comes(env):
    code = (
        "import sys\nfrom gradrepl.repl import prompt\nprompt.TYPED_AHEAD = 0.0\n"
        "from gradrepl import cli\nsys.exit(cli.main(['--repl', '--plain']))\n"
    )
    t = Terminal(["-c", code], env)
    t.wait(">>>")
    t.enter("import time, sys; print('go' + 'ing'); time.sleep(1)", "going")
    t.type("x = 6\rx * 7\rquit()\r")
    t.wait("\n42")
    assert t.code() == 0


def test_a_script_is_stepped(start, tmp_path):
    (tmp_path / "train.py").write_text(
        "import torch\nw = torch.ones(2, requires_grad=True)\n(w * 2).sum().backward()\n"
    )
    t = start("train.py", "--lr", "1")
    t.wait("(grad)")
    t.wait("PAUSED fw op 1 | train.py:2")
    t.enter("s", "● %1 ones  (2,) f32  train.py:2  w = torch.ones(2, requires_grad=True)")
    t.enter("b leaf w", "Breakpoint 1: leaf w")
    t.enter("c", "● #3/3 AccumulateGrad w")
    t.wait("(grad:bw)")
    t.wait("PAUSED bw 3/3 | train.py:3")
    t.enter("w.grad is None", "True")
    t.enter("c", "train.py ended with code 0.")
    t.wait(">>>")
    t.enter("q", "q")
    assert t.code() == 0


def test_an_uncaught_exception_is_looked_at(start, tmp_path):
    (tmp_path / "bad.py").write_text("def f(x):\n    return 1 / x\nf(0)\n")
    t = start("bad.py")
    t.wait("(grad:pm)")
    t.enter("p x", "\n0\n(grad:pm)")
    t.type("q" + ENTER)
    assert t.code() == 1


def test_ctrl_c_clears_the_line(start):
    t = start()
    t.wait(">>>")
    t.type("some text")
    t.wait("some text")
    t.type(CTRL_C)
    t.enter("1 + 1", "\n2")


def test_ctrl_c_interrupts_what_was_typed(start):
    t = start()
    t.wait(">>>")
    t.enter("import time", ">>>")
    t.type("print('begins', flush=True); time.sleep(60)" + ENTER)
    t.wait("\nbegins")
    t.type(CTRL_C)
    t.wait("KeyboardInterrupt")
    t.enter("1 + 1", "\n2")


def test_ctrl_c_pauses_a_script_and_the_second_one_interrupts_it(start, tmp_path):
    (tmp_path / "loop.py").write_text(
        "import torch\nx = torch.ones(2)\nprint('begins', flush=True)\nwhile True:\n    x = x + 0\n"
    )
    t = start("loop.py")
    t.wait("(grad)")
    t.enter("c", "\nbegins")
    t.type(CTRL_C)
    t.wait("interrupt  loop.py:")
    t.wait("PAUSED forward | loop.py")
    t.type(CTRL_C)
    t.wait("KeyboardInterrupt")
    t.wait("(grad:pm)")
    t.type(CTRL_D)
    assert t.code() != 0


def test_ctrl_c_pressed_at_once_behind_enter_is_not_lost(start, tmp_path):
    (tmp_path / "loop.py").write_text(
        "import torch\nx = torch.ones(2)\nwhile True:\n    x = x + 0\n"
    )
    t = start("loop.py")
    t.wait("(grad)")
    t.type("c" + ENTER + "dropped" + CTRL_C)
    t.wait("interrupt")
    t.type("q" + ENTER)
    t.code()
    assert "dropped" not in t.text


def test_input_reads_the_terminal(start):
    t = start()
    t.wait(">>>")
    t.type("input('name? ')" + ENTER)
    t.wait("\nname?")
    t.enter("Ada", "'Ada'")


def test_history_is_kept_and_found_again(start):
    first = start()
    first.wait(">>>")
    first.enter("'an old line'", "\n'an old line'\n>>>")
    first.type(CTRL_D)
    first.code()
    again = start()
    again.wait(">>>")
    again.type(UP)
    again.wait(">>> 'an old line'")
    again.type(CTRL_C)
    again.wait("\n>>>\nREADY")
    again.type(CTRL_R + "old")
    again.wait("I-search backward: old")
    again.enter(ENTER, "\n'an old line'")


def test_tab_completes_commands_and_names(start):
    t = start()
    t.wait("READY | torch 2")
    t.type(":undis" + TAB)
    t.wait(":undisplay")
    t.type(CTRL_C + "torch.tril_ind" + TAB)
    t.wait("torch.tril_indices")


def test_output_without_a_newline_is_not_overwritten(start):
    t = start()
    t.wait(">>>")
    t.enter("print('half a line', end='')", "\nhalf a line\n>>>")
    t.enter("1 + 1", "\n2")
    assert "half a line" in t.lines


def test_a_killed_debuggee_is_told_at_the_prompt_and_restarted(start):
    t = start()
    t.wait(">>>")
    t.enter("import os; print('pid', os.getpid(), 'end')", " end\n>>>")
    pid = next(int(line.split()[1]) for line in t.lines if line.startswith("pid"))
    os.kill(pid, signal.SIGKILL)
    t.wait("it was killed by SIGKILL")
    t.wait("(gone)")
    t.enter("restart", ">>>")
    t.enter("6 * 7", "\n42")
    t.type(CTRL_D)


def test_a_signal_ends_it_at_the_prompt(start):
    t = start()
    t.wait(">>>")
    t.child.kill(signal.SIGTERM)
    assert t.code() == -signal.SIGTERM


def test_markup_in_text_is_text(start):
    t = start()
    t.wait(">>>")
    t.enter("'[/b] [red]x[/red] :smile:'", "\n'[/b] [red]x[/red] :smile:'")


def test_plain_has_no_toolbar_and_one_fact_a_line(start, tmp_path):
    (tmp_path / "train.py").write_text("import torch\ntorch.ones(2)\n")
    t = start("--plain", "train.py")
    t.wait("(grad)")
    t.enter("s", "output 0: (2,) f32")
    t.wait("stopped: after op %1 ones")
    assert not [line for line in t.lines if line.startswith("PAUSED")]


def test_a_dumb_terminal_works(start):
    t = start(TERM="dumb")
    t.wait(">>>")
    t.enter("6 * 7", "\n42\n>>>")
    t.type(CTRL_D)
    assert t.code() == 0


def test_the_screen_is_left_alone_where_it_does_not_fit(env):
    t = Terminal(["-m", "gradrepl"], env, rows=10, columns=50)
    t.wait(">>>")
    t.type(CTRL_D)
    assert t.code() == 0
