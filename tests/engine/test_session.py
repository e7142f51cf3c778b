"""The session: what is typed and shown, Ctrl-C, and torch that comes when it is needed."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
from debuggee import debuggee

from gradrepl import conditions as c
from gradrepl import model, protocol
from gradrepl.engine.code import torch_import
from gradrepl.launch import thread_stack

# -- typed code --------------------------------------------------------------------------------


def test_values(d):
    assert d.type("1 + 1").text == "2"
    assert d.type("x = 3") is None
    assert d.type("x\nx + 1").text == "4"
    assert d.type("None") is None
    assert d.type("") is None


def test_last_result(d):
    d.type("6 * 7")
    assert d.type("_ + 1").text == "43"
    d.type("y = 5")
    assert d.type("_").text == "43"


def test_blocks(d):
    d.type("def f(n):\n    if n:\n        return n * f(n - 1)\n    return 1\n")
    assert d.type("f(5)").text == "120"
    d.type("class A:\n    kind = 'a'\n\n    def get(self):\n        return self.kind\n")
    assert d.type("A().get()").text == "'a'"


def test_modules_and_datasets(d):
    d.type("""\
class Data(torch.utils.data.Dataset):
    def __len__(self): return 4
    def __getitem__(self, i): return torch.tensor([float(i)])
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 1)
    def forward(self, x): return F.relu(self.fc(x))
loader = torch.utils.data.DataLoader(Data(), 2)
""")
    assert d.type("[tuple(Net()(b).shape) for b in loader]").text == "[(2, 1), (2, 1)]"


def test_top_level_await(d):
    d.type("import asyncio\nasync def f(v):\n    await asyncio.sleep(0)\n    return v * 2")
    assert d.type("await f(21)").text == "42"
    assert d.type("x = await asyncio.gather(f(1), f(2))\nx").text == "[2, 4]"


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("1 / 0", "ZeroDivisionError", "ZeroDivisionError: division by zero"),
        ("if:", "SyntaxError", "SyntaxError: invalid syntax"),
        ("  x = 1", "IndentationError", "unexpected indent"),
        ("nosuch", "NameError", "name 'nosuch' is not defined"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("class E(BaseException): pass\nraise E('mine')", "E", "E: mine"),
        ("'\\ud800'.encode()", "UnicodeEncodeError", ""),
        ("x = '\0'", "SyntaxError", "null"),
        ("(" * 500 + ")" * 500, "SyntaxError", ""),
        ("def f(): return f()\nf()", "RecursionError", "recursion"),
    ],
)
def test_errors(d, source, kind, message):
    error = d.type(source)
    assert isinstance(error, model.Error)
    assert error.kind == kind or kind == "SyntaxError"
    assert message in error.message
    assert "gradrepl" not in error.traceback
    assert d.type("1").text == "1"


def test_an_exception_whose_message_raises(d):
    d.type("class Bad(Exception):\n    def __str__(self): raise ValueError\n")
    assert d.type("raise Bad").kind == "Bad"


def test_traceback_names_the_users_lines(d):
    d.type("def f(x):\n    return x.nosuch\n")
    error = d.type("y = 1\nf(y)")
    code = [line.strip() for line in error.traceback.splitlines() if "^" not in line]
    assert (code[2], code[4]) == ("f(y)", "return x.nosuch")


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('mine') from e",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    [][0]",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise KeyError from None",
        "try:\n    import nosuch\nfinally:\n    assert 0",
        "e = ValueError('mine')\ne.add_note('a note')\nraise e",
        "raise KeyboardInterrupt",
        "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])",
    ],
)
def test_traceback_is_pythons(d, source, tmp_path):
    script = tmp_path / "typed.py"
    script.write_text(source)
    alone = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    expected = alone.stderr.replace(str(script), "typed")
    assert re.sub(r"<typed \d+>", "typed", d.type(source).traceback) == expected


def test_a_long_chain_of_errors_is_bounded(d):
    d.type("def g(n):\n    try:\n        raise ValueError(n)\n    finally:\n        if n: g(n - 1)")
    assert d.type("g(100)").traceback.count("ValueError: ") == 21


def test_a_hint_for_errors_of_autograd(d):
    error = d.type("torch.ones(2).sum().backward()")
    assert error.kind == "RuntimeError"
    assert "no_grad" in error.hint


# -- what is shown is bounded ------------------------------------------------------------------


def test_a_small_tensor_is_shown_whole(d):
    value = d.type("torch.tensor([1.0, 2.0])")
    assert (value.text, value.kind) == ("tensor([1., 2.])", "Tensor")
    assert (value.tensor.shape, value.tensor.stats.norm) == ((2,), pytest.approx(5**0.5))


def test_a_lazy_parameter_is_shown(d):
    d.type("lazy = nn.LazyLinear(3)")
    assert d.type("lazy.weight").text == "<UninitializedParameter>"
    assert d.value("lazy.bias") == "<UninitializedParameter>"
    d.type("def f(w):\n    w.data\n    return torch.ones(1)\n")
    assert {stop.op.name for stop in d.walk("f(lazy.weight)")} >= {"data", "ones"}
    d.type("weight = lazy.weight")
    rows = {row.name: row.text for row in d.look(protocol.Names(limit=9)).rows}
    assert rows["weight"] == "(0,) float32 requires_grad"


def test_a_large_tensor_is_shown_as_a_summary(d):
    value = d.type("torch.zeros(1000, 1000)")
    assert len(value.text) < 200
    assert (value.tensor.shape, value.tensor.stats.zeros) == ((1000, 1000), 1_000_000)


def peak(d):
    """Return the most memory the debuggee ever had, in bytes."""
    with open(f"/proc/{d.process.pid}/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("what", ["big", "[big]", "{'a': big}", "big.view(-1)[1:]"])
def test_a_tensor_of_a_gigabyte_is_not_copied(what):
    with debuggee() as d:
        d.type("big = torch.ones(2**14, 2**14)\nbig.sum()")
        before = peak(d)
        assert len(d.type(what).text) < 2000
        d.look(protocol.Names())
        d.look(protocol.Describe(expression="big"))
        assert peak(d) - before < 150 * 2**20


@pytest.mark.parametrize(
    "source",
    [
        "list(range(10**6))",
        "'x' * 10**7",
        "{i: i for i in range(10**5)}",
        "[torch.ones(100, 100)] * 1000",
        "a = []\na.append(a)\na",
        "nn.Sequential(*[nn.Linear(2, 2) for _ in range(2000)])",
        "10**1000",
        "type('Big', (), {'__repr__': lambda self: 'y' * 10**7})()",
        "b'x' * 10**7",
        "object()",
    ],
)
def test_values_are_bounded(d, source):
    assert 0 < len(d.type(source).text) <= 2100
    d.type("v = _")
    assert len(d.look(protocol.Print(expression="v", full=True)).text) <= 21_000
    assert all(len(row.text) <= 61 for row in d.look(protocol.Names()).rows)


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError('mine')",
        "raise KeyboardInterrupt",
        "return 3",
        "return self.__repr__()",
    ],
)
def test_a_repr_that_misbehaves(d, body):
    d.type(f"class Bad:\n    def __repr__(self):\n        {body}\nbad = Bad()")
    for source in ("bad", "[bad, 1]"):
        assert isinstance(d.type(source), (model.Value, model.Error))
    assert d.type("1").text == "1"


def test_a_tensor_whose_repr_raises(d):
    d.type("""\
class Odd(torch.Tensor):
    def __repr__(self, *, tensor_contents=None):
        raise ValueError("mine")
odd = torch.ones(2).as_subclass(Odd)
""")
    assert isinstance(d.type("odd"), model.Value)
    assert isinstance(d.look(protocol.Describe(expression="odd")), model.TensorInfo)
    assert isinstance(d.look(protocol.Names()), model.Variables)


@pytest.mark.parametrize(
    "source",
    [
        "torch.ones(2, device='meta')",
        "torch.empty(0)",
        "torch.tensor(3)",
        "torch.tensor([float('nan'), float('inf')])",
        "torch.ones(3, dtype=torch.bool)",
        "torch.ones(3, dtype=torch.complex128) * 1j",
        "torch.eye(3).to_sparse()",
        "torch.eye(3).to_sparse_csr()",
        "torch.ones(3, dtype=torch.bfloat16)",
        "torch.ones(3).to(torch.float8_e4m3fn)",
        "torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)",
        "torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)",
        "torch.ones(3).to_mkldnn()",
        "torch.inference_mode()(lambda: torch.ones(2))()",
        "torch.tensor([2**63 - 1])",
        "torch.ones(2, 3).conj().imag if False else torch.ones(2, dtype=torch.cfloat).conj()",
    ],
)
def test_tensors_of_every_kind_are_shown(d, source):
    value = d.type(source)
    assert isinstance(value, model.Value), value
    assert value.tensor is not None
    model.to_json(value)


def test_a_module_that_cannot_be_walked_is_left_out(d):
    d.type("""class Odd(nn.Module):
    def named_parameters(self, *args, **options):
        raise ValueError("mine")
""")
    d.type("odd = Odd(); m = nn.Linear(2, 1)")
    stop = d.type("y = m(torch.ones(1, 2))", stepped=True)
    assert (stop.op.name, stop.op.module) == ("ones", "")
    d.step()
    assert d.step().op.inputs[1].name == "weight"
    d.cont()
    assert d.value("y.shape") == "torch.Size([1, 1])"


def test_names_with_markup_in_them(d):
    d.type("d = {'[/b]': torch.ones(2)}\nglobals()['[/b]'] = torch.ones(2)")
    assert "[/b]" in d.type("d").text
    assert "[/b]" in [row.name for row in d.look(protocol.Names()).rows]
    d.type("m = nn.ModuleDict({'[/b]': nn.Linear(2, 1)})")
    stops = d.walk("m['[/b]'](torch.ones(1, 2))")
    assert [(stop.op.name, stop.module) for stop in stops if stop.when == "after"] == [
        ("ones", ""), ("linear", "[/b]"),
    ]  # fmt: skip


# -- looking -----------------------------------------------------------------------------------

PROPERTIES = """\
ran = []
class Thing:
    plain = 1
    def __init__(self):
        self.weight_of_it = torch.ones(2)
    @property
    def danger(self):
        ran.append("danger")
        return self
    def __getattr__(self, name):
        ran.append(name)
        raise AttributeError(name)
thing = Thing()
model_of_mine = nn.Sequential(nn.Linear(2, 2))
"""


@pytest.mark.parametrize(
    ("text", "some"),
    [
        ("thi", "thing"),
        ("thing.", "thing.danger"),
        ("thing.wei", "thing.weight_of_it"),
        ("thing.danger.", None),
        ("y = thing.pl", "thing.plain"),
        ("model_of_mine.train", "model_of_mine.training"),
        ("torch.nn.functional.rel", "torch.nn.functional.relu"),
        ("pri", "print"),
        ("nosuch.", None),
    ],
)
def test_completion_runs_no_property(d, text, some):
    d.type(PROPERTIES)
    words = d.look(protocol.Complete(text=text)).words
    assert (some in words) if some else words == ()
    assert d.value("ran") == "[]"


def test_bound_names(d):
    d.type("n = torch.ones(2)")
    assert d.look(protocol.Bound(word="n")).text == "(2,) float32"
    assert d.look(protocol.Bound(word="s")) is None
    d.type("def f(s):\n    return s + 1")
    d.type("f(n)", stepped=True)
    assert d.look(protocol.Bound(word="s")).kind == "Tensor"


def test_inspect(d):
    d.type("def f(a, b=2):\n    'Adds.'\n    return a + b")
    text = d.look(protocol.Inspect(expression="f"))
    assert text.title == "f"
    assert "f(a, b=2)" in text.body
    assert "Adds." in text.body
    assert "return a + b" in d.look(protocol.Inspect(expression="f", source=True)).body
    assert d.look(protocol.Inspect(expression="torch.ones(2)")).shape == (2,)


# -- Ctrl-C ------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path):
    """Return a FIFO that the debuggee opens to say that it has come so far."""
    path = tmp_path / "here"
    os.mkfifo(path)
    return path


def say(here):
    return f"open({str(here)!r}, 'w').close()\n"


@pytest.mark.parametrize(
    "waiting",
    [
        "import time\ntime.sleep(100)",
        "import queue\nqueue.Queue().get()",
        "while True: pass",
        "import threading\nthreading.Event().wait()",
        "import asyncio\nawait asyncio.sleep(100)",
        "import os\nos.read(os.pipe()[0], 1)",
        "import subprocess\nsubprocess.run(['sleep', '100'])",
        "while True: torch.ones(10) + 1",
    ],
)
def test_interrupt_of_typed_code(d, here, waiting):
    d.send(protocol.Execute(source="import time, queue, threading, os\n" + say(here) + waiting))
    here.read_text()
    os.kill(d.process.pid, signal.SIGINT)
    assert [record.kind for record in d.until_prompt()] == ["KeyboardInterrupt"]
    assert d.type("1 + 1").text == "2"


def test_interrupt_of_code_typed_at_a_stop(d, here):
    d.type("x = torch.ones(2)")
    d.type("y = x + 1", stepped=True)
    d.send(protocol.Execute(source=say(here) + "while True: pass"))
    here.read_text()
    os.kill(d.process.pid, signal.SIGINT)
    assert [record.kind for record in d.until_prompt()] == ["KeyboardInterrupt"]
    assert d.prompt.state == "forward"
    d.cont()
    assert d.value("y.tolist()") == "[2.0, 2.0]"


def test_interrupt_at_the_prompt_does_nothing(d):
    os.kill(d.process.pid, signal.SIGINT)
    assert d.type("1 + 1").text == "2"
    d.type("x = torch.ones(2) + 1", stepped=True)
    os.kill(d.process.pid, signal.SIGINT)
    assert d.value("1 + 1") == "2"
    d.cont()
    assert d.value("x.tolist()") == "[2.0, 2.0]"


LOOP = """\
import torch
a = torch.ones(2, requires_grad=True)
{say}
i = 0
while True:
    i += 1
    (a * i).sum().backward()
    if go:
        break
print("came through")
"""


@pytest.fixture
def running(script, here):
    """Return a debuggee in which a script runs in a loop."""
    path = script("go = False\n" + LOOP.format(say=say(here)))
    with debuggee(warm=False) as d:
        d.load(path)
        d.send(protocol.Resume(verb=c.Continue()))
        here.read_text()
        yield d


def test_first_interrupt_pauses_a_script(running):
    os.kill(running.process.pid, signal.SIGINT)
    (stop,) = running.until_prompt()
    assert stop.reason == "interrupt"
    assert stop.site.line in range(4, 10)
    running.type("go = True")
    (ended,) = running.cont()
    assert (ended.code, ended.exception) == (0, "")


def test_pause_again_and_again(running):
    for _ in range(10):
        os.kill(running.process.pid, signal.SIGINT)
        (stop,) = running.until_prompt()
        assert stop.reason == "interrupt"
        running.send(protocol.Resume(verb=c.Continue()))
        while running.look(protocol.Status()).message != "running.":
            pass  # at a prompt, Ctrl-C is the face's
    os.kill(running.process.pid, signal.SIGINT)
    running.until_prompt()
    running.type("go = True")
    assert running.cont()[0].code == 0


def test_an_interrupt_within_a_call_that_is_not_recorded_is_raised_after_it(script):
    """Ctrl-C came while our own code around an op of typed code ran: the op ends, then it is."""
    path = script("import torch\nx = torch.ones(2)\nbreakpoint()\n")
    with debuggee(warm=False) as d:
        d.load(path)
        d.break_at("nan")
        d.cont()
        d.type("from gradrepl.engine.session import Session; s = Session.current.stepper")
        assert d.type("s.interrupted = True; z = x + 2; late = 1").kind == "KeyboardInterrupt"
        assert d.value("'late' in globals(), s.interrupted") == "(False, False)"


def test_interrupt_of_a_paused_script(running):
    os.kill(running.process.pid, signal.SIGINT)
    running.until_prompt()
    running.run(protocol.Abort(interrupt=True))
    assert running.prompt.state == "exception"
    assert running.stops()[-1].exception == "KeyboardInterrupt"
    (ended,) = running.cont()
    assert ended.code == 130


def test_a_script_catches_the_interrupt(script, here):
    path = script(f"""\
import torch, time
torch.ones(1)
try:
    {say(here).strip()}
    time.sleep(100)
except KeyboardInterrupt:
    caught = True
""")
    with debuggee(warm=False) as d:
        d.load(path)
        d.send(protocol.Resume(verb=c.Continue()))
        here.read_text()
        os.kill(d.process.pid, signal.SIGINT)
        (stop,) = d.until_prompt()
        assert stop.reason == "interrupt"
        d.run(protocol.Abort(interrupt=True))
        assert (d.prompt.state, d.value("caught")) == ("idle", "True")


def test_a_handler_of_the_scripts_own_wins(script, here):
    path = script(f"""\
import signal, torch, threading
torch.ones(1)
came = threading.Event()
signal.signal(signal.SIGINT, lambda *_: came.set())
{say(here)}came.wait()
y = torch.ones(1)
""")
    with debuggee(warm=False) as d:
        d.load(path)
        d.send(protocol.Resume(verb=c.Continue()))
        here.read_text()
        os.kill(d.process.pid, signal.SIGINT)
        (ended,) = d.until_prompt()
        assert ended.code == 0


# -- torch comes when it is needed -------------------------------------------------------------


def test_torch_is_not_imported_before_the_script_does_it(script, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    path = script("""\
import os, sys
before = "torch" in sys.modules
os.environ["OMP_NUM_THREADS"] = "1"
import torch
threads = torch.get_num_threads()
torch.ones(1)
""")
    with debuggee(warm=False) as d:
        d.load(path)
        assert d.value("before, threads") == "(False, 1)"
        assert d.torch is not None


@pytest.mark.parametrize(
    ("built", "files", "visible", "found"),
    [
        ("12.8", ["/dev/nvidia0"], None, "cuda:0"), ("12.8", ["/dev/nvidia0"], "", "cpu"),
        ("12.8", [], None, "cpu"), (None, ["/dev/nvidia0"], None, "cpu"),
    ],
)  # fmt: skip
def test_a_gpu_is_seen_without_starting_its_driver(monkeypatch, built, files, visible, found):
    class NoQuestions:
        def __getattr__(self, name):
            raise AssertionError(f"torch.cuda.{name} was asked")

    fake = ModuleType("torch")
    fake.cuda, fake.version = NoQuestions(), SimpleNamespace(cuda=built)
    monkeypatch.setitem(sys.modules, "torch", fake)
    monkeypatch.setattr("glob.glob", lambda pattern: [f for f in files if pattern[:11] in f])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert torch_import.device() == found


def test_prompt_comes_before_torch():
    with debuggee() as d:
        assert d.torch is None
        assert d.type("1 + 1").text == "2"
        assert d.type("torch.ones(2).shape").text == "torch.Size([2])"
        assert d.torch is not None
        assert d.type("nn.Linear, F.relu, len").kind == "tuple"


def test_a_script_without_torch(script):
    path = script("total = sum(range(10))\nprint(total)\n")
    with debuggee(warm=False) as d:
        ended = d.load(path)
        assert (ended.code, d.torch) == (0, None)
        assert d.quit() == 0


def test_the_environment_variable_is_gone(d):
    d.type("import os")
    assert d.value("[k for k in os.environ if 'GRADREPL' in k]") == "[]"


STACK = """\
import ctypes
libc = ctypes.CDLL(None)
attributes, size = ctypes.create_string_buffer(256), ctypes.c_size_t()
libc.pthread_getattr_default_np(attributes)
libc.pthread_attr_getstacksize(attributes, ctypes.byref(size))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "pthread_setattr_default_np"), reason="glibc")
def test_threads_have_the_stack_that_they_have_alone():
    with debuggee(warm=False) as d:
        d.type(STACK)
        assert int(d.value("size.value")) == thread_stack() != 0
        d.type("import resource; soft, _ = resource.getrlimit(resource.RLIMIT_STACK)")
        assert d.value("soft > size.value") == "True"  # the main thread's is large


def test_quit_is_the_end():
    with debuggee(warm=False) as d:
        d.type("import atexit, os\natexit.register(os._exit, 5)")
        assert d.quit() == 5


@pytest.mark.parametrize(
    ("source", "code"), [("exit()", 0), ("raise SystemExit(4)", 4), ("import sys; sys.exit(9)", 9)]
)
def test_typed_exit_leaves(source, code):
    with debuggee(warm=False) as d:
        d.run(protocol.Execute(source=source))
        assert d.process.wait(30) == code
