"""The invariants of the gate: who may park, what is served, and that nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from debuggee import debuggee

from gradrepl import conditions as c
from gradrepl import model, protocol

TRAIN = """\
import atexit, sys
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(5):
    optimizer.zero_grad()
    loss = net(torch.randn(8, 3)).square().mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item().hex(), flush=True)
print([p.grad.norm().item().hex() for p in net.parameters()])
sys.exit(7)
"""

OURS = """\
import builtins, sys, threading, traceback, types, warnings
import torch
import torch.nn.functional as F
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

PLACES = (
    torch, torch.autograd, torch.autograd.graph, torch.autograd.function, torch.overrides,
    torch.autograd.Function, torch.Tensor, torch.nn.Module, torch.optim.Optimizer,
    torch.utils.data.DataLoader, F, builtins, sys, threading, traceback, warnings,
)

def from_gradrepl(thing):
    file = thing.__code__.co_filename if isinstance(thing, types.FunctionType) else ""
    module = str(getattr(thing, "__module__", ""))
    return "/gradrepl/" in file or module.startswith("gradrepl")

def ours():
    '''Whatever of gradrepl's is in force in this thread.'''
    return [
        *_get_current_function_mode_stack(), *_get_current_dispatch_mode_stack(),
        *(f"{place.__name__}.{name}" for place in PLACES
          for name, thing in list(vars(place).items())
          if from_gradrepl(thing) or from_gradrepl(getattr(thing, "__func__", None))
          if name != "breakpointhook"),  # a session has its own: breakpoint() stops there
        *(finder for finder in sys.meta_path if from_gradrepl(type(finder))),
        *filter(from_gradrepl, (sys.getprofile(), sys.gettrace())),
    ]

def calls_of_ours(run):
    '''Functions of gradrepl's that ``run`` calls.'''
    found = set()
    def profile(frame, event, argument):
        if "gradrepl/engine" in frame.f_code.co_filename:
            found.add(frame.f_code.co_qualname)
    sys.setprofile(profile)
    run()
    sys.setprofile(None)
    return sorted(found)

seen = []
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        seen.extend(ours())
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        seen.extend(ours())
        return 2 * ctx.saved_tensors[0] * g

net = torch.nn.Linear(2, 2)
optimizer = torch.optim.Adam(net.parameters())
def train_step():
    optimizer.zero_grad()
    h = net(torch.ones(1, 2))
    h.register_hook(lambda g: seen.extend(ours()))
    Square.apply(h).sum().backward()
    optimizer.step()
"""


def outcome(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **more)
    return done.stdout, done.stderr, done.returncode


# -- nothing stays behind ----------------------------------------------------------------------

NOTHING_ARMED = {
    "after c": lambda d: None,
    "after a breakpoint was cleared": lambda d: (
        d.break_at("op tanh"),
        d.look(protocol.ChangeBreakpoint(id=0, action="clear")),
    ),
    "after a breakpoint was disabled": lambda d: (
        d.break_at("nan"),
        d.look(protocol.ChangeBreakpoint(id=0, action="disable")),
    ),
    "after steps": lambda d: [d.step() for _ in range(3)],
    "after a step through a backward": lambda d: [d.go(c.FirstNode()), d.step()],
    "after into": lambda d: d.go(c.Into()),
}


@pytest.mark.parametrize("how", NOTHING_ARMED)
def test_nothing_of_ours_is_in_the_users_step(d, script, how):
    path = script(
        OURS
        + """
torch.ones(2) + 1
train_step()
seen.clear()
found = calls_of_ours(train_step), seen, ours()
done = True
"""
    )
    d.load(path)
    NOTHING_ARMED[how](d)
    d.cont()
    assert d.value("found, done") == "(([], [], []), True)"


def test_something_is_there_while_something_is_armed(d, script):
    """The test above would be worth nothing if it could not see us."""
    path = script(OURS + "torch.ones(2)\nfound = calls_of_ours(train_step), seen, ours()\n")
    d.load(path)
    d.break_at("op nosuch")
    d.cont()
    called, seen, there = (d.value(f"len(found[{i}]) > 0") for i in range(3))
    assert (called, seen, there) == ("True", "True", "True")


def test_hooks_of_a_pass_are_gone_at_its_end(d, script):
    path = script(
        OURS
        + """
a = torch.ones(2, requires_grad=True)
L = a.exp().sum()
L.backward(retain_graph=True)
found = calls_of_ours(L.backward)
"""
    )
    d.load(path)
    d.go(c.FirstNode())
    d.step()
    d.cont()
    assert d.value("found") == "[]"


def test_ops_let_go_of_the_users_tensors(d):
    d.type("""\
import weakref
def f():
    x = torch.ones(3, requires_grad=True)
    gone.append(weakref.ref(x))
    (x * 2).sum().backward()
gone = []
""")
    d.walk("f()")
    assert d.value("gone[0]() is None") == "True"


# -- a face that disappears --------------------------------------------------------------------

PLACES = {
    "before the first op": lambda d: None,
    "in the forward": lambda d: [d.step() for _ in range(4)],
    "in the backward": lambda d: (d.go(c.FirstNode()), d.step()),
    "with breakpoints": lambda d: (d.break_at("op tanh"), d.break_at("node Tanh*"), d.cont()),
    "while it runs": lambda d: d.send(protocol.Resume(verb=c.Continue())),
    "while it runs, armed": lambda d: (
        d.break_at("nan"),
        d.send(protocol.Resume(verb=c.Continue())),
    ),
}


@pytest.mark.parametrize("where", PLACES)
def test_the_script_runs_on_without_a_face(script, tmp_path, where):
    path = script(TRAIN)
    bare = outcome([sys.executable, str(path)])
    out, err = tmp_path / "out", tmp_path / "err"
    with (
        out.open("w") as first,
        err.open("w") as second,
        debuggee(warm=False, stdout=first, stderr=second) as d,
    ):
        d.load(path)
        PLACES[where](d)
        d.link.close()
        code = d.process.wait(60)
    said = "gradrepl: the client is gone (it is closed): the program continues, with no stop.\n"
    assert (out.read_text(), err.read_text().replace(said, "", 1), code) == bare
    assert err.read_text().count(said) == 1


def test_hooks_are_gone_when_the_face_is(script, tmp_path):
    path = script(
        OURS
        + """
torch.ones(2) + 1
print(calls_of_ours(train_step), seen, ours())
"""
    )
    out = tmp_path / "out"
    with out.open("w") as stream, debuggee(warm=False, stdout=stream) as d:
        d.load(path)
        d.break_at("op nosuch or node Nosuch")
        d.step()
        d.link.close()
        assert d.process.wait(60) == 0
    assert out.read_text() == "[] [] []\n"


def test_an_idle_debuggee_without_a_face_ends():
    with debuggee() as d:
        d.link.close()
        assert d.process.wait(60) == 0


def test_typed_code_is_finished_without_a_face(tmp_path):
    marker = tmp_path / "done"
    with debuggee() as d:
        d.type("x = torch.ones(2)")
        d.type(f"y = x + 1\nopen({str(marker)!r}, 'w').write(str(y.tolist()))", stepped=True)
        d.link.close()
        assert d.process.wait(60) == 0
    assert marker.read_text() == "[2.0, 2.0]"


def test_a_face_killed_by_sigkill(script, tmp_path):
    path = script(TRAIN.replace("import atexit, sys", "import sys"))
    bare = outcome([sys.executable, str(path)])[0]
    command = [sys.executable, "-m", "gradrepl", "--json", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as face:
        assert json.loads(face.stdout.readline())["reason"] == "start"
        face.stdin.write("s\n")
        assert json.loads(face.stdout.readline())["reason"] == "step"
        face.send_signal(signal.SIGKILL)
        assert face.wait(60) == -signal.SIGKILL
        assert face.stdout.read() == bare  # until the debuggee has closed it, too


# -- fork --------------------------------------------------------------------------------------


def test_a_forked_child_never_stops_and_has_no_link(d, script):
    path = script("""\
        import os, stat
        import torch
        a = torch.ones(2, requires_grad=True)
        def sockets():  # the link's is one; others may be there from what ran before
            def is_socket(n):
                try:
                    return stat.S_ISSOCK(os.fstat(n).st_mode)
                except OSError:
                    return False
            return sum(map(is_socket, range(3, 2000)))
        before = sockets()
        pid = os.fork()
        if pid == 0:
            (a * 2).sum().backward()
            os._exit(int(a.grad.sum()) + 100 * (sockets() != before - 1))
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        b = a * 3
    """)
    d.load(path)
    d.break_at("op mul")
    d.break_at("leaf a")
    d.cont()
    assert (d.stops()[-1].site.text, d.value("status")) == ("b = a * 3", "4")
    d.cont()


def test_workers_of_a_dataloader_never_stop(d, script):
    path = script("""\
        import torch
        from torch.utils.data import DataLoader, Dataset

        class Squares(Dataset):
            def __len__(self):
                return 8
            def __getitem__(self, index):
                return torch.tensor(float(index)).square()

        def main():
            torch.ones(1)
            for batch in DataLoader(Squares(), 4, num_workers=2, multiprocessing_context="fork"):
                total.append(batch.sum().item())

        total = []
        main()
    """)
    d.load(path)
    d.break_at("op square")
    d.break_at("__getitem__")
    d.cont()
    assert (d.prompt.state, d.value("total")) == ("idle", "[14.0, 126.0]")


# -- who parks ---------------------------------------------------------------------------------

THREADS = """\
import threading
def train(k):
    k = torch.tensor(float(k), requires_grad=True)
    k.exp().backward()
threads = [threading.Thread(target=train, args=(i,), name=f"trainer {i}") for i in range(3)]
"""


def test_one_thread_parks_at_a_time(d):
    d.type(THREADS)
    d.break_at("node ExpBackward0")
    d.type("for t in threads: t.start()\nfor t in threads: t.join()")
    for number in (1, 2, 3):
        assert len(d.stops()) == number
        assert (d.prompt.state, d.prompt.depth) == ("backward", 1)
        d.cont()
    assert sorted(stop.thread for stop in d.stops()) == ["trainer 0", "trainer 1", "trainer 2"]
    assert d.prompt.state == "idle"


def test_answers_run_in_the_parked_thread_and_its_frame(d):
    d.type(THREADS)
    d.break_at("node ExpBackward0")
    d.type("threads[2].start()\nthreads[2].join()")
    assert d.value("threading.current_thread().name, k.item()") == "('trainer 2', 2.0)"
    d.cont()


def test_a_stop_in_an_answer_is_not_possible(d):
    d.type("a = torch.ones(2, requires_grad=True)\nL = a.exp().sum()")
    d.break_at("op exp")
    d.break_at("node ExpBackward0")
    d.backward("L")
    d.cont()
    stops = len(d.stops())
    d.value("a.exp()")
    d.type("M = a.exp().sum()\nM.backward(retain_graph=True)")
    d.look(protocol.Display(expression="a.exp().sum().item()"))
    assert len(d.stops()) == stops
    d.cont()


def test_many_nested_answers_do_not_recurse(d):
    d.type("a = torch.ones(2, requires_grad=True)\nL = (a.exp() * 2).sum()")
    d.backward("L")
    for _ in range(20):
        value = d.value("torch.autograd.grad(L, a, retain_graph=True)[0].shape")
        assert value == "torch.Size([2])"
    assert isinstance(d.cont()[0], model.Pass)


# -- served while the user's code runs ---------------------------------------------------------


@pytest.fixture
def pipes(tmp_path):
    """Return paths of two FIFOs: one that the debuggee opens to say so, one it waits at."""
    paths = tmp_path / "here", tmp_path / "go"
    for path in paths:
        os.mkfifo(path)
    return paths


def test_status_while_it_runs(d, pipes):
    here, go = pipes
    assert d.look(protocol.Status()).message == "waiting at the idle prompt."
    d.send(protocol.Execute(source=f"open({str(here)!r}, 'w').close()\nopen({str(go)!r}).close()"))
    here.read_text()
    assert d.look(protocol.Status()).message == "running."
    go.write_text("")
    d.until_prompt()
    assert d.prompt.state == "idle"


def test_looking_waits_until_it_is_served(d, pipes):
    here, go = pipes
    d.send(protocol.Execute(source=f"open({str(here)!r}, 'w').close()\nopen({str(go)!r}).close()"))
    here.read_text()
    number = d.send(protocol.Print(expression="1 + 1"))
    go.write_text("")
    d.until_prompt()
    message = d.link.receive()
    assert (message.id, message.record.text) == (number, "2")


def test_pause_of_typed_code_interrupts_it(d, pipes):
    here, go = pipes
    d.send(protocol.Execute(source=f"open({str(here)!r}, 'w').close()\nopen({str(go)!r}).close()"))
    here.read_text()
    d.send(protocol.Pause())
    assert [record.kind for record in d.until_prompt()] == ["KeyboardInterrupt"]


def test_pause_of_a_script_stops_it(script, pipes):
    here, go = pipes
    path = script(f"""\
        import torch
        x = torch.ones(2)
        open({str(here)!r}, "w").close(); open({str(go)!r}).close()
        y = x + 1
    """)
    with debuggee(warm=False) as d:
        d.load(path)
        d.send(protocol.Resume(verb=c.Continue()))
        here.read_text()
        d.send(protocol.Pause())
        (stop,) = d.until_prompt()
        assert (stop.reason, stop.site.line) == ("interrupt", 3)
        assert d.value("x.tolist()") == "[1.0, 1.0]"
        d.send(protocol.Resume(verb=c.Continue()))
        go.write_text("")
        (ended,) = d.until_prompt()
        assert (ended.code, d.value("y.tolist()")) == (0, "[2.0, 2.0]")


def test_requests_that_make_no_sense_are_answered(d):
    assert d.run(protocol.Resume(verb=c.Step())) == []
    assert d.run(protocol.Abort()) == []
    assert d.prompt == protocol.Prompt(state="idle", depth=0)
