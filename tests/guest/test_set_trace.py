"""``set_trace()`` on a real terminal: it comes, it goes, and nothing of it stays."""

import json
import os
import signal
import time
from pathlib import Path

import pyte
import pytest

from gradrepl.guest.terminal import SANE

PROGRAMS = Path(__file__).parent / "programs"


def known(path):
    """Return what a program has left, without what differs from run to run."""
    found = json.loads(path.read_text())
    found["descriptors"] = {
        number: to.partition("[")[0].rstrip("0123456789")
        for number, to in found["descriptors"].items()
    }
    return found


def stepped(t):
    """Drive train.py at the line prompt through its two stops, with every kind of word."""
    t.wait("(grad)")
    t.enter("loss.item() > 0", "True")
    t.enter(":w", "train.py:")
    t.enter("b node AddmmBackward*", "Breakpoint 1")
    t.enter("s", "MeanBackward0")
    t.enter("c", "AddmmBackward0")
    t.enter("cl 1", "hit once")
    t.screen.reset()  # what is typed before the next client has the terminal is lost
    t.enter("c", "set_trace()")
    t.wait("(grad)")
    t.enter("display i", "i")
    t.enter("undisplay", "(grad)")
    t.enter("c", "losses 5")


def stepped_on_the_screen(t):
    """The same with keys."""
    t.wait("train.py:17")
    t.type("s")
    t.wait("MeanBackward0")
    t.type("c")
    t.draw_until(lambda: "set_trace()" in t.text and "Mean" not in t.text, "the second stop")
    t.type("c")


@pytest.mark.parametrize("client", ["repl", "tui"])
def test_the_program_is_the_same_to_the_bit_and_nothing_stays(start, tmp_path, client):
    bare = start(PROGRAMS / "train.py", tmp_path / "bare", PYTHONBREAKPOINT="0")
    assert bare.code() == 0
    t = start(PROGRAMS / "train.py", tmp_path / "with", GRADREPL_CLIENT=client)
    (stepped if client == "repl" else stepped_on_the_screen)(t)
    assert t.code() == 0
    assert known(tmp_path / "with") == known(tmp_path / "bare")


def test_a_sample_is_stepped_in_a_copy(start, tmp_path):
    (tmp_path / "program.py").write_text(
        "import torch\n"
        "from torch.utils.data import DataLoader, Dataset\n"
        "class Counted(Dataset):\n"
        "    calls = 0\n"
        "    def __len__(self):\n"
        "        return 4\n"
        "    def __getitem__(self, i):\n"
        "        Counted.calls += 1\n"
        "        return torch.ones(2) * i\n"
        "loader = DataLoader(Counted(), 2)\n"
        "breakpoint()\n"
        "print('calls so far:', Counted.calls)\n"
    )
    t = start("program.py", GRADREPL_CLIENT="repl")
    t.wait("(grad)")
    t.enter(":fetch 3", "not run yet")
    t.enter("'calls', Counted.calls", "('calls', 1)")
    t.enter("c", "Counted[3] of 4")
    t.enter("'calls', Counted.calls", "('calls', 0)")
    t.enter("c", "calls so far: 0")
    assert t.code() == 0


def test_redirected_streams_stay_redirected(start, tmp_path):
    (tmp_path / "program.py").write_text(
        "import sys\nx = 41\nprint('one')\nbreakpoint()\nprint('two', x, sys.stdin.read())\n"
    )
    (tmp_path / "in").write_text("typed before")
    t = start("-c", "import os, sys; os.dup2(0, 9); f = os.open('in', 0); os.dup2(f, 0);"
              "g = os.open('out', os.O_CREAT | os.O_WRONLY); os.dup2(g, 1); os.dup2(g, 2);"
              "os.execv(sys.executable, [sys.executable, 'program.py'])")  # fmt: skip
    t.wait("(grad)")
    t.type("x += 1\r")
    t.enter("x", "42")
    t.type("c\r")
    assert t.code() == 0
    assert (tmp_path / "out").read_text() == "one\ntwo 42 typed before\n"


def test_q_raises_bdbquit_as_pdb_does(start):
    t = start(
        "import bdb, torch\n"
        "try:\n    breakpoint()\nexcept bdb.BdbQuit:\n    print('left by q')\n"
        "breakpoint()\n"
        "print('not here')\n"
    )
    t.wait("(grad)")
    t.enter("q", "left by q")
    t.wait("program.py:6")
    t.enter("q", "bdb.BdbQuit")
    assert t.code() == 1
    assert "not here" not in t.text


def test_before_torch_is_imported(start):
    t = start(
        "import sys\nbreakpoint()\nprint('torch' in sys.modules)\nimport torch\n"
        "y = torch.ones(2, requires_grad=True).exp()\nprint(y.sum().item() > 5)\n"
    )
    t.wait("(grad)")
    t.enter("b op exp", "Breakpoint 1")
    t.enter("c", "%")
    t.wait("exp")
    t.enter("out.shape", "torch.Size([2])")
    t.enter("c", "True")
    assert t.code() == 0
    assert "False" in t.text


PLACES = {
    "hook": "x.register_hook(lambda g: breakpoint() and None)\n(x * 2).sum().backward()\n",
    "function": (
        "class F(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, x):\n        return x * 2\n"
        "    @staticmethod\n    def backward(ctx, g):\n"
        "        breakpoint()\n        return g * 2\n"
        "F.apply(x).sum().backward()\n"
    ),
    "inference": "with torch.inference_mode():\n    y = x * 2\n    breakpoint()\n",
    "thread": (
        "import threading\n"
        "def work():\n    y = x * 2\n    breakpoint()\n    z = y * 3\n    z.sum().backward()\n"
        "t = threading.Thread(target=work, name='worker-thread')\nt.start()\nt.join()\n"
    ),
    "task": (
        "import asyncio\n"
        "async def work():\n    await asyncio.sleep(0)\n    breakpoint()\n"
        "async def main():\n    await asyncio.gather(work(), asyncio.sleep(0.01))\n"
        "asyncio.run(main())\n"
    ),
    "lock": (
        "import logging, threading\n"
        "lock = threading.Lock()\n"
        "def other():\n    with lock:\n        print('other', flush=True)\n"
        "t = threading.Thread(target=other)\n"
        "logging.getLogger().handlers or logging.basicConfig()\n"
        "with lock, logging.getLogger().handlers[0].lock:\n"
        "    t.start()\n    breakpoint()\n    y = x * 2\n"
        "t.join()\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("where", PLACES)
def test_odd_places(start, where):
    t = start(
        "import torch\nx = torch.tensor([1.0, 2.0], requires_grad=True)\n"
        f"{PLACES[where]}print('grad', x.grad)\nprint('the end')\n"
    )
    t.wait("(grad)")
    t.enter("p x.sum().item()", "3.0")
    t.enter("s", "(grad")
    t.enter("c", "the end")
    assert t.code() == 0
    assert "Traceback" not in t.text


def test_a_thread_is_stepped_too(start):
    t = start(f"import torch\nx = torch.tensor([1.0, 2.0], requires_grad=True)\n{PLACES['thread']}")
    t.wait("(grad)")
    t.enter("s", "z = y * 3")
    t.enter("c", "")
    assert t.code() == 0


def test_a_worker_is_told_and_goes_on(start):
    t = start(
        "import torch\nfrom torch.utils.data import DataLoader, Dataset\n"
        "class Data(Dataset):\n"
        "    def __len__(self):\n        return 4\n"
        "    def __getitem__(self, i):\n        breakpoint()\n        return i\n"
        "print([b.tolist() for b in DataLoader(Data(), batch_size=2, num_workers=1)])\n"
    )
    t.wait("[[0, 1], [2, 3]]")
    assert t.code() == 0
    said = t.text.replace("\n", " ")
    assert "set_trace() at program.py:7 is skipped in DataLoader worker" in said
    assert said.count("num_workers=0") == 1


def test_a_worker_that_was_started_under_the_screen_may_print_after_it(start):
    t = start(
        "import sys, torch\nfrom torch.utils.data import DataLoader, Dataset\n"
        "class Data(Dataset):\n"
        "    def __len__(self):\n        return 40\n"
        "    def __getitem__(self, i):\n"
        "        if i > 20:\n            print('from', 'worker', i, flush=True)\n"
        "        return i\n"
        "x = torch.ones(2)\nbreakpoint()\n"
        "batches = iter(DataLoader(Data(), batch_size=4, num_workers=1, prefetch_factor=1))\n"
        "y = x * 2\n"
        "print('the', 'sum', sum(b.sum().item() for b in batches))\n",
        GRADREPL_CLIENT="tui",
    )
    t.wait("PAUSED")
    t.type(":until op mul\r")
    t.wait("%4 mul")
    t.type("c\r")
    t.wait("the sum 780")
    t.wait("from worker 39")
    assert t.code() == 0


@pytest.mark.parametrize(("client", "shown"), [("tui", "PAUSED"), ("repl", "(grad)")])
def test_a_killed_client_gives_the_terminal_back(start, tmp_path, client, shown):
    bare = start(PROGRAMS / "train.py", tmp_path / "bare", PYTHONBREAKPOINT="0")
    assert bare.code() == 0
    t = start(PROGRAMS / "train.py", tmp_path / client, GRADREPL_CLIENT=client)
    t.wait(shown)
    first = child_of(t.child.pid)
    os.kill(first, signal.SIGKILL)
    t.screen.reset()
    t.wait(shown)  # the second stop has a client again
    os.kill(child_of(t.child.pid, but=first), signal.SIGKILL)
    t.wait("losses 5")
    said = "the program continues, with no stop"  # from where the cursor was: it may wrap
    t.draw_until(lambda: said in "".join(t.screen.display), said)
    assert t.code() == 0
    assert known(tmp_path / client) == known(tmp_path / "bare")


@pytest.mark.parametrize("cut", [b"", b"\x1b", b"\x1b[", b"\x1b[38;2;1", b"\x1b[?7l\x1b[?10"])
def test_a_screen_killed_in_the_middle_of_a_sequence_leaves_lines_that_wrap(cut):
    sane = SANE.replace(b"\x1b[<u", b"")  # of the keyboard protocol, which pyte does not know
    screen = pyte.Screen(20, 4)
    pyte.ByteStream(screen).feed(b"\x1b[?7l" + cut + sane + b"0123456789" * 3)
    assert [line.rstrip() for line in screen.display[:2]] == ["01234567890123456789", "0123456789"]


def child_of(pid, but=0):
    """Return the process that ``pid`` has started."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if int(found) != but:
                return int(found)
    raise AssertionError("it has no child")


def test_ctrl_c_pauses_what_runs_and_afterwards_is_the_programs(start):
    t = start(
        "import time, torch\nbreakpoint()\n"
        "try:\n    print('waits', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n"
        "breakpoint()\nprint('the end')\n"
    )
    t.wait("(grad)")
    t.enter("c", "waits")
    t.type("\x03")
    t.wait("interrupted")
    t.wait("program.py:8")
    t.enter("s [time.sleep(0.02) for _ in range(200)] and 6 * 7", "")
    time.sleep(1)
    t.type("\x03")
    t.wait("interrupt")
    t.enter("c", "42")
    t.enter("c", "the end")
    assert t.code() == 0
