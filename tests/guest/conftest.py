"""Programs on a real terminal that call gradrepl, and what looks on in this process."""

import os
import sys
import traceback
from pathlib import Path

import pytest
import torch
from terminal import Terminal
from torch.optim.optimizer import _global_optimizer_pre_hooks

from gradrepl.engine.code import patches
from gradrepl.guest import terminal
from gradrepl.guest.host import Host

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def env(tmp_path):
    return {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path), "LANG": "C.UTF-8",
        "PYTHONPATH": f"{ROOT}:{Path(__file__).parent / 'programs'}", "TERM": "xterm-256color",
        "PROMPT_TOOLKIT_NO_CPR": "1", "PYTHONBREAKPOINT": "gradrepl.set_trace",
        "GRADREPL_CLIENT": "repl",
    }  # fmt: skip


@pytest.fixture
def start(env, tmp_path):
    """Start a program on a terminal; its text is written to a file first if it is not one."""
    started = []

    def run(program, *args, **more):
        if "\n" in str(program):
            (tmp_path / "program.py").write_text(program)
            program = "program.py"
        words = [str(each) for each in (program, *args)]
        started.append(Terminal(words, {**env, **more}, rows=40, columns=120))
        return started[-1]

    yield run
    for each in started:
        each.child.close(force=True)


def in_place():
    """What of ours could be in the process."""
    return {
        "engine": torch.autograd._engine_run_backward,
        "modes": torch._C._len_torch_function_stack(),
        "steps": len(_global_optimizer_pre_hooks),
        "walk": traceback._walk_tb_with_full_positions,
        "apply": vars(torch.autograd.Function)["apply"],
        "trace": sys.gettrace(),
        "profile": sys.getprofile(),
        "patches": len(patches._placed),
        "finders": len(sys.meta_path),
        "armed": Host.here is not None and Host.here.armed(),
        "observers": Host.here is not None and bool(Host.here.session.stepper.added()),
    }


@pytest.fixture
def nothing_stays(monkeypatch):
    """Have no terminal; afterwards nothing of ours is left in this process."""
    monkeypatch.setattr(terminal, "path", lambda: "")
    monkeypatch.setenv("GRADREPL_NO_TTY", "continue")
    before = in_place()
    yield
    assert in_place() == before
