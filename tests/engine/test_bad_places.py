"""Stops where nobody expects one, and luck that runs out at a stop: the program ends as alone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from debuggee import Debuggee, debuggee

from gradrepl import conditions as c
from gradrepl import model, protocol

START = "import torch\nx = torch.tensor([1.0, 2.0], requires_grad=True)\n"
END = "print('grad', x.grad)\nprint('the end')\n"
UNWATCHED = (
    "this is inside a backward that nobody watched from its beginning: no node of it can be"
    " stopped at."
)
THREAD = (
    "this is thread '{}': 's' stops at the nodes of its backwards, but only at the ops of"
    " 'MainThread'."
)
PLACES = {
    "a hook": ("x.register_hook(lambda g: breakpoint() and None)\n(x * 2).sum().backward()\n",
               [UNWATCHED]),
    "a Function": (
        "class F(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, x):\n        return x * 2\n"
        "    @staticmethod\n    def backward(ctx, g):\n"
        "        breakpoint()\n        return g * 2\n"
        "F.apply(x).sum().backward()\n", [UNWATCHED]),
    "inference_mode": ("with torch.inference_mode():\n    y = x * 2\n    breakpoint()\n"
                       "    z = y + 1\n(x * 2).sum().backward()\n", []),
    "a thread": (
        "import threading\n"
        "def work():\n    y = x * 2\n    breakpoint()\n    (y * 3).sum().backward()\n"
        "t = threading.Thread(target=work, name='mine')\nt.start()\nt.join()\n",
        [THREAD.format("mine")]),
    "threads": (
        "import threading\n"
        "def work():\n    y = x * 2\n    breakpoint()\n    y * 3\n"
        "ts = [threading.Thread(target=work, name='mine') for _ in range(3)]\n"
        "for t in ts: t.start()\nfor t in ts: t.join()\n", [THREAD.format("mine")] * 3),
    "a task": (
        "import asyncio\n"
        "async def work():\n    await asyncio.sleep(0)\n    breakpoint()\n"
        "    (x * 2).sum().backward()\n"
        "async def main():\n    await asyncio.gather(work(), asyncio.sleep(0.01))\n"
        "asyncio.run(main())\n", []),
    "a lock": (
        "import logging, threading\nlock = threading.Lock()\n"
        "def other():\n    with lock:\n        print('other', flush=True)\n"
        "t = threading.Thread(target=other)\nlogging.basicConfig()\n"
        "with lock, logging.getLogger().handlers[0].lock:\n"
        "    t.start()\n    breakpoint()\n    y = x * 2\nt.join()\ny.sum().backward()\n", []),
    "a finalizer": ("class D:\n    def __del__(self):\n        breakpoint()\nd = D()\ndel d\n"
                    "(x * 2).sum().backward()\n", []),
    "a handler of a signal": (
        "import signal\ndef handler(number, frame):\n    breakpoint()\n"
        "signal.signal(signal.SIGUSR1, handler)\nsignal.raise_signal(signal.SIGUSR1)\n"
        "(x * 2).sum().backward()\n", []),
}  # fmt: skip


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> str:
        path = tmp_path / "train.py"
        path.write_text(START + text + END)
        return str(path)

    return write


def said(d: Debuggee) -> list[str]:
    return [record.message for record in d.told if isinstance(record, model.Notice)]


@pytest.mark.parametrize("place", PLACES)
def test_breakpoint_in_odd_places(home, write, place):
    text, sentences = PLACES[place]
    path = write(text)
    child, left = home.fork("alone", (path,), PYTHONBREAKPOINT="0")

    def go(d: Debuggee) -> None:
        while d.prompt.state != "idle":
            if d.stops()[-1].reason == "breakpoint()":
                assert d.value("x.sum().item()") == "3.0"
                d.step()
            else:
                d.cont()

    outcome, d = home.debugged(path, go=go)
    assert (outcome.code, outcome.stderr) == (child.wait(), (left / "err").read_text())
    assert outcome.stdout == (left / "out").read_text()
    assert "the end" in outcome.stdout
    assert said(d) == sentences
    stops = [stop for stop in d.stops() if stop.reason == "breakpoint()"]
    assert len(stops) == max(1, len(sentences))
    assert all("breakpoint()" in stop.site.text for stop in stops)


@pytest.mark.parametrize("call", ["breakpoint()", "gradrepl.set_trace()"])
def test_in_a_worker_it_is_passed_by_with_a_sentence(home, write, call):
    path = write(
        "import gradrepl\nfrom torch.utils.data import DataLoader\n"
        "class Data:\n    def __len__(self):\n        return 4\n"
        f"    def __getitem__(self, i):\n        {call}\n        return i\n"
        "print([b.tolist() for b in DataLoader(Data(), batch_size=2, num_workers=1)])\n"
    )
    outcome, _ = home.debugged(path, go=lambda d: d.cont())
    assert outcome.stdout == "[[0, 1], [2, 3]]\ngrad None\nthe end\n"
    what = call.removeprefix("gradrepl.")
    assert outcome.stderr.startswith(f"gradrepl: {what} at train.py:9 is skipped in DataLoader ")
    assert outcome.stderr.count("num_workers=0") == outcome.stderr.count("\n") == 1


@pytest.mark.parametrize("where", ["atexit.register(breakpoint)", "os.fork() or breakpoint()"])
def test_where_nobody_can_stop_it_is_pdb_as_alone(home, write, where):
    path = write(f"import atexit, os, sys\nchild = {where}\nif child: os.wait()\n")
    child, left = home.fork("alone", (path,))
    outcome, _ = home.debugged(path, go=lambda d: d.cont())
    assert outcome.code == child.wait()
    assert outcome.stdout == (left / "out").read_text()
    assert outcome.stderr == (left / "err").read_text()
    assert "(Pdb)" in outcome.stdout


def test_before_torch_is_imported(script):
    path = script(
        "import sys\nbreakpoint()\nprint('torch' in sys.modules)\nimport torch\n"
        "print(torch.ones(2).sum().item())\n"
    )
    with debuggee(warm=False, stdout=subprocess.PIPE) as d:
        d.load(path)
        assert [stop.reason for stop in d.stops()] == ["breakpoint()"]
        assert d.stops()[-1].site.text == "breakpoint()"
        assert d.value("'torch' in sys.modules") == "False"
        d.break_at("op sum")
        assert d.cont()[-1].op.name == "sum"
        d.cont()
        assert d.quit() == 0
        assert d.process.stdout.read() == "False\n2.0\n"


# -- at a stop ---------------------------------------------------------------------------------


def test_a_lock_that_is_taken_twice_at_a_stop(home, write):
    path = write(
        "import threading\nlock = threading.Lock()\n"
        "with lock:\n    y = x * 2\n    print('held', lock.locked())\ny.sum().backward()\n"
    )

    def go(d: Debuggee) -> None:
        d.until("op mul")
        d.send(protocol.Execute(source="lock.acquire()"))
        while "waiting" in d.look(protocol.Status()).message:
            pass
        os.kill(d.process.pid, signal.SIGINT)
        (error,) = d.until_prompt()
        assert error.kind == "KeyboardInterrupt"
        assert d.value("lock.locked()") == "True"
        d.cont()

    outcome, _ = home.debugged(path, go=go)
    assert outcome == ("held True\ngrad tensor([2., 2.])\nthe end\n", "", 0)


@pytest.mark.parametrize("verb", [c.Step(), c.Continue()])
def test_what_a_handler_raises_at_a_stop_is_told_and_met_on_going_on(home, write, verb):
    path = write(
        "import signal\nclass Late(Exception):\n    pass\n"
        "def handler(number, frame):\n    raise Late('too late')\n"
        "signal.signal(signal.SIGALRM, handler)\n"
        "try:\n    y = x * 2\n    y = y * 3\nexcept Late as late:\n"
        "    print('caught', late, late.__traceback__.tb_lineno)\n"
        "left = torch._C._len_torch_function_stack()\n(x * 2).sum().backward()\n"
    )

    def go(d: Debuggee) -> None:
        d.until("op mul")
        d.process.send_signal(signal.SIGALRM)
        told = d.link.receive()
        assert isinstance(told, protocol.Tell)
        assert told.record.message == "Late: too late"
        assert d.value("x.sum().item()") == "3.0"
        while d.prompt is not None and d.prompt.state != "idle":
            d.go(verb)

    outcome, _ = home.debugged(path, go=go)
    assert outcome == ("caught too late 10\ngrad tensor([2., 2.])\nthe end\n", "", 0)


@pytest.mark.parametrize("junk", [b"\0\0\0\x08half", b"\xff\xff\xff\xff", b"\0\0\0\x02\xc1\xc1"])
def test_a_link_that_breaks_in_the_middle_of_a_frame(home, write, junk):
    path = write("for _ in range(3):\n    (x * 2).sum().backward()\n")

    def go(d: Debuggee) -> None:
        d.go(c.FirstNode())
        d.link._sock.sendall(junk)
        d.link._sock.shutdown(1)
        while d.link.receive() is not None:
            pass
        d.prompt = None

    outcome, _ = home.debugged(path, go=go)
    assert (outcome.stdout, outcome.code) == ("grad tensor([6., 6.])\nthe end\n", 0)
    assert outcome.stderr.startswith("gradrepl: the client is gone (")
    assert outcome.stderr.endswith("): the program continues, with no stop.\n")
    assert outcome.stderr.count("\n") == 1


FORKS = """\
import os, sys, threading, time, warnings
warnings.simplefilter("{action}")
if {threads}:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
for turn in range(2):
    try:
        child = os.fork()
    except DeprecationWarning as warning:
        print(warning.args[0].replace(str(os.getpid()), "PID"))
        continue
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
warnings.warn("a last one", DeprecationWarning)
"""


@pytest.mark.parametrize("action", ["always", "default", "error", "ignore"])
@pytest.mark.parametrize("threads", [0, 1])
def test_a_fork_warns_of_threads_exactly_where_it_does_alone(home, write, action, threads):
    path = write(FORKS.format(action=action, threads=threads))
    child, left = home.fork("alone", (path,))
    outcome, _ = home.debugged(path, go=lambda d: d.cont())
    assert outcome.code == child.wait()

    def text(raw: str) -> str:
        return re.sub(r"pid=\d+", "pid=PID", raw)

    assert text(outcome.stdout) == text((left / "out").read_text())
    assert text(outcome.stderr) == text((left / "err").read_text())


BROKEN = """\
import sys
ours = sys.modules.get("gradrepl.engine.stopping.stepper")
if ours is not None:
    ours.Stepper.torch_arrived = lambda self, *parts: self.no_such_thing
import torch
from torch import nn
torch.manual_seed(0)
net = nn.Linear(2, 1)
net(torch.ones(1, 2)).sum().backward()
print(net.weight.grad, torch.rand(1))
"""


def test_a_torch_that_we_cannot_work_with_is_imported_all_the_same(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(BROKEN)
    ours = [sys.executable, "-m", "gradrepl", "--plain", "-c", "s", "-c", "c"]
    for argv, told in ((ours, 1), ([sys.executable], 0)):
        run = subprocess.run([*argv, path], capture_output=True, text=True, timeout=100)
        text = run.stdout + run.stderr
        assert run.returncode == 0
        assert "tensor([[1., 1.]]) tensor([0." in run.stdout
        assert text.count("gradrepl cannot work with torch") == told
        assert "Traceback" not in text
