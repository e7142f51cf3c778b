"""Bad input and bad luck: scripts that cannot run, that end in odd ways, that pull the rug away."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from debuggee import debuggee

from gradrepl import conditions as c
from gradrepl import model, protocol

# -- what cannot be run ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nosuch.py", None, "'nosuch.py' cannot be read: No such file or directory."),
        ("folder", "", "'folder' cannot be read: Is a directory."),
        ("broken.py", b"x = (1\n", "is not Python"),
        ("binary.py", b"\x7fELF\x00\x00", "is not Python"),
        ("latin.py", b"x = '\xe9'\n", "is not Python"),
        ("tabs.py", b"if 1:\n\tx = 1\n        y = 2\n", "is not Python"),
        ("deep.py", b"x = " + b"(" * 1000 + b")" * 1000, "is not Python"),
    ],
)
def test_what_cannot_be_run(tmp_path, name, content, message):
    path = tmp_path / name
    if content == "":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with debuggee(warm=False, cwd=tmp_path) as d:
        error = d.load(name)
        assert (error.kind, bool(error.hint)) == ("TargetError", True)
        assert message in error.message
        assert "\n" not in error.message
        assert d.type("1 + 1").text == "2"


def test_a_module_that_cannot_be_run(tmp_path):
    with debuggee(warm=False, cwd=tmp_path) as d:
        for name in ("nosuch.module", "json"):
            (error,) = d.run(protocol.Run(target=name, module=True))
            assert error.kind == "TargetError"


def test_an_empty_script(script, both):
    under, alone = both(script(""))
    assert under == alone == ("", "", 0)


# -- how scripts end ---------------------------------------------------------------------------

ENDINGS = {
    "sys.exit": "import sys\nsys.exit(3)",
    "sys.exit with a word": "import sys\nsys.exit('mine')",
    "sys.exit with nothing": "import sys\nsys.exit()",
    "sys.exit with a large number": "import sys\nsys.exit(256 + 5)",
    "sys.exit with true": "import sys\nsys.exit(True)",
    "os._exit": "import os\nprint('lost')\nos._exit(4)",
    "segfault": "import ctypes\nctypes.string_at(0)",
    "abort": "import os\nos.abort()",
    "sigkill": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "sigterm": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "an exception": "def f(x):\n    return 1 / x\n\nf(0)",
    "a chain of exceptions": (
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('mine') from e"
    ),
    "a group of exceptions": "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])",
    "a syntax error inside": "compile('x = (', 'inner.py', 'exec')",
    "a name that is not there": "nosuch",
    "recursion": "def f(): f()\ntry:\n    f()\nexcept RecursionError:\n    print('deep')",
    "an exception in a thread": (
        "import threading\ndef f(): 1 / 0\n"
        "t = threading.Thread(target=f, name='mine')\nt.start()\nt.join()\nprint('on')"
    ),
    "an excepthook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0])\n1 / 0",
    "an excepthook that exits": (
        "import sys\ndef hook(*a):\n    sys.exit(9)\nsys.excepthook = hook\n1 / 0"
    ),
    "atexit": ("import atexit, sys\natexit.register(print, 'bye')\nprint('hello')\nsys.exit(2)"),
    "a thread that goes on": (
        "import threading\nmain = threading.main_thread()\n"
        "def f():\n    go.wait(1)\n    print('thread done')\n"
        "go = threading.Event()\nthreading.Thread(target=f).start()\nprint('main done')"
    ),
    "stdout closed": "import os, sys\nos.close(1)\nsys.stderr.write('still here\\n')",
    "stdout closed and written": "import os\nprint('lost', flush=True)\nos.close(1)\nprint('x')",
    "sys.stdout closed": "import sys\nsys.stdout.close()",
    "sys.stdout replaced": "import io, sys\nsys.stdout = io.StringIO()\nprint('nowhere')",
    "stderr and stdin closed": "import os\nos.close(2)\nos.close(0)\nprint('still here')",
    "all descriptors closed": "import os\nos.closerange(3, 256)\nprint('still here')",
    "a megabyte": "for i in range(20):\n    print('x' * 2**20)",
    "raw writes": "import os\nprint('a', flush=True)\nos.write(1, b'b\\n')\nos.write(2, b'c\\n')",
    "unflushed output": "import sys\nsys.stdout.write('no newline')",
    "a fork": (
        "import os\nprint('before', flush=True)\npid = os.fork()\n"
        "if pid == 0:\n    print('child', flush=True)\n    os._exit(6)\n"
        "print('parent', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    ),
    "a fork whose child runs to its end": (
        "import os\npid = os.fork()\n"
        "if pid:\n    os.waitpid(pid, 0)\nprint('parent' if pid else 'child')"
    ),
    "a fork whose child exits": (
        "import os, sys\npid = os.fork()\nif not pid:\n    sys.exit(5)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    ),
    "a fork whose child raises": (
        "import os\npid = os.fork()\nif not pid:\n    1 / 0\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    ),
    "spawned processes": (
        "import multiprocessing as mp\ndef f(x):\n    return x * 2\n"
        "if __name__ == '__main__':\n"
        "    with mp.get_context('spawn').Pool(1) as pool:\n        print(pool.map(f, [1, 2]))"
    ),
    "forked processes": (
        "import multiprocessing as mp\ndef f(x):\n    return x * 2\n"
        "if __name__ == '__main__':\n"
        "    with mp.get_context('fork').Pool(2) as pool:\n        print(pool.map(f, [1, 2]))"
    ),
    "asyncio": (
        "import asyncio\nasync def f(n):\n    await asyncio.sleep(0)\n    return n\n"
        "async def main():\n    print(await asyncio.gather(f(1), f(2)))\nasyncio.run(main())"
    ),
    "signal handlers": (
        "import signal\nsignal.signal(signal.SIGUSR1, lambda n, f: print(n, f.f_code.co_name))\n"
        "signal.raise_signal(signal.SIGUSR1)\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "signal.raise_signal(signal.SIGINT)\nprint('on')"
    ),
    "an alarm": (
        "import signal\ncame = []\nsignal.signal(signal.SIGALRM, lambda *_: came.append(1))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.01)\nwhile not came: pass\nprint(came)"
    ),
    "another folder": "import os, tempfile\nos.chdir('/')\nprint(os.getcwd(), __file__)",
    "what it knows of itself": (
        "import sys, os\nprint(__name__, __file__, sys.argv, sys.path[0], os.getcwd())\n"
        "print(sorted(globals()), sys.modules['__main__'].__dict__ is globals())\n"
        "print(sorted(sys.modules['__main__'].__dict__), __spec__, __package__, __doc__)"
    ),
    "input": "print(input('name? '), input(), list(__import__('sys').stdin))",
    "input at its end": "input()\ninput()\ninput()\ninput()",
    "pickles of its own classes": (
        "import pickle\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n"
        "print(pickle.loads(pickle.dumps(P(3))), P.__module__, pickle.dumps(P(3)))"
    ),
    "its own source": "import inspect\ndef f():\n    return 1\nprint(inspect.getsource(f))",
    "a garbage collected exception": (
        "class A:\n    def __del__(self): raise ValueError('mine')\na = A()\ndel a\nprint('on')"
    ),
    "warnings": "import warnings\nwarnings.warn('mine')\nwarnings.warn('mine')",
    "a trace function": (
        "import sys\nseen = []\ndef f():\n    return 1\n"
        "sys.settrace(lambda frame, event, arg: seen.append(frame.f_code.co_name))\nf()\n"
        "sys.settrace(None)\nprint(seen)"
    ),
    "a future statement": "from __future__ import annotations\ndef f(x: y): pass\nprint(f)",
}


@pytest.mark.parametrize("name", ENDINGS)
def test_ends_as_it_does_alone(script, both, name):
    path = script(ENDINGS[name])
    under, alone = both(path, "arg", "--flag", stdin="Ada\nLovelace\nmore\n")
    assert under == alone


TORCH_ENDINGS = {
    "an exception inside of torch": "net = torch.nn.Linear(2, 3)\nnet(torch.ones(1, 5))",
    "an exception in a backward": (
        "class Bad(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, x): return x * 1\n"
        "    @staticmethod\n    def backward(ctx, g): raise ValueError('mine')\n"
        "Bad.apply(torch.ones(2, requires_grad=True)).sum().backward()"
    ),
    "sys.exit in a hook": (
        "import sys\na = torch.ones(2, requires_grad=True)\nb = a * 2\n"
        "b.register_hook(lambda g: sys.exit(5))\nb.sum().backward()"
    ),
    "sys.exit in a forward": (
        "import sys\nclass Net(torch.nn.Module):\n    def forward(self, x):\n"
        "        x = x + 1\n        sys.exit(6)\nNet()(torch.ones(1))"
    ),
    "a segfault between ops": "import ctypes\ntorch.ones(1)\nctypes.string_at(0)",
    "os._exit in the middle": "import os\ntorch.ones(1) + 1\nos._exit(7)",
    "asyncio": (
        "import asyncio\nasync def f(w):\n    for _ in range(2):\n"
        "        (w * w).sum().backward()\n"
        "        await asyncio.sleep(0)\n"
        "async def main():\n    w = torch.ones(2, requires_grad=True)\n"
        "    await asyncio.gather(f(w), f(w))\n    print(w.grad)\nasyncio.run(main())"
    ),
    "another folder": "import os\nos.chdir('/')\nprint(torch.ones(2) + 1)",
    "threads": (
        "import threading\ndef f():\n    w = torch.ones(2, requires_grad=True)\n"
        "    (w * w).sum().backward()\n    out.append(w.grad.tolist())\nout = []\n"
        "ts = [threading.Thread(target=f) for _ in range(3)]\n"
        "for t in ts: t.start()\nfor t in ts: t.join()\nprint(out)"
    ),
    "stdout closed": "import os\nos.close(1)\ntorch.ones(2).sum()",
    "a default dtype": "torch.set_default_dtype(torch.float64)\nprint(torch.ones(2) / 3)",
}


@pytest.mark.parametrize("name", TORCH_ENDINGS)
def test_stepped_it_ends_as_it_does_alone(script, both, name):
    path = script("import torch\n" + TORCH_ENDINGS[name])
    under, alone = both(path, go=lambda d: d.step())
    assert under == alone


# -- at a stop ---------------------------------------------------------------------------------


def test_post_mortem(script):
    path = script("""\
        import torch

        def inner(x):
            k = 3
            return x @ torch.ones(5)

        def outer(y):
            return inner(y + 1)

        outer(torch.ones(2))
    """)
    with debuggee(warm=False, stderr=subprocess.DEVNULL) as d:
        d.load(path)
        (stop,) = d.cont()
        assert (stop.phase, stop.site.line, stop.site.function) == ("exception", 5, "inner")
        assert stop.exception.startswith("RuntimeError: ")
        assert (d.prompt.state, d.value("k")) == ("exception", "3")
        found = d.look(protocol.FrameStack(move=1))
        assert [frame.site.function for frame in found.frames] == ["inner", "outer", "<module>"]
        assert d.value("y.tolist()") == "[1.0, 1.0]"
        assert d.type("x = 1 / 0").kind == "ZeroDivisionError"
        (ended,) = d.cont()
        assert (ended.code, ended.exception[:13]) == (1, "RuntimeError:")
        assert d.quit() == 1


def test_post_mortem_of_a_backward(script):
    path = script("""\
        import torch
        a = torch.ones(2, requires_grad=True)
        b = a.exp()
        b.add_(1)
        b.sum().backward()
    """)
    with debuggee(warm=False, stderr=subprocess.DEVNULL) as d:
        d.load(path)
        (stop,) = d.cont()
        assert (stop.phase, stop.site.line) == ("exception", 5)
        assert "modified by an inplace operation" in stop.exception
        assert d.quit() == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_killed_at_a_stop(number):
    with debuggee() as d:
        d.type("y = torch.ones(2) + 1", stepped=True)
        d.process.send_signal(number)
        assert d.until_prompt() == []
        assert d.process.wait(30) == -number


def test_a_segfault_typed_at_a_stop():
    with debuggee() as d:
        d.type("y = torch.ones(2) + 1", stepped=True)
        d.run(protocol.Execute(source="import ctypes\nctypes.string_at(0)"))
        assert (d.prompt, d.process.wait(30)) == (None, -signal.SIGSEGV)


def test_exit_typed_at_a_stop_ends_the_script(script):
    path = script("import torch\ntry:\n    torch.ones(1)\nfinally:\n    print('cleaned up')\n")
    with debuggee(warm=False, stdout=subprocess.PIPE) as d:
        d.load(path)
        d.run(protocol.Execute(source="raise SystemExit(8)"))
        assert d.quit() == 8
        assert d.process.stdout.read() == "cleaned up\n"


def test_quit_at_a_stop_runs_finally(script):
    path = script("""\
        import torch
        try:
            torch.ones(1)
        except Exception:
            print("swallowed")
        finally:
            print("cleaned up")
    """)
    with debuggee(warm=False, stdout=subprocess.PIPE) as d:
        d.load(path)
        d.quit()
        assert d.process.stdout.read() == "cleaned up\n"


def test_quit_cannot_be_swallowed(script):
    path = script("""\
        import torch
        for _ in range(3):
            try:
                torch.ones(1)
            except BaseException:
                pass
        print("ran on")
    """)
    with debuggee(warm=False, stdout=subprocess.DEVNULL) as d:
        d.load(path)
        d.quit()
        assert len(d.stops()) == 1


def test_a_signal_is_handled_at_a_stop(d):
    d.type("""\
import os, signal
came = []
def handler(number, frame):
    came.append((torch.ones(2) * 2).tolist())
old = signal.signal(signal.SIGUSR1, handler)
""")
    d.break_at("op mul")
    d.type("y = torch.ones(2) + 1", stepped=True)
    os.kill(d.process.pid, signal.SIGUSR1)
    while d.value("came") == "[]":
        pass
    assert d.value("came") == "[[2.0, 2.0]]"
    assert d.prompt.state == "forward"
    d.cont()
    assert d.prompt.state == "idle"


def test_a_flood_of_output_does_not_hold_the_link(script, tmp_path):
    path = script(
        """\
        import torch
        torch.ones(1)
        while not stop:
            print("x" * 2**16)
    """.replace("not stop", "'stop' not in globals()")
    )
    out = tmp_path / "out"
    with out.open("w") as stream, debuggee(warm=False, stdout=stream) as d:
        d.load(path)
        d.send(protocol.Resume(verb=c.Continue()))
        for _ in range(5):
            assert isinstance(d.look(protocol.Status()), model.Notice)
        while out.stat().st_size < 2**20:
            pass
        d.send(protocol.Pause())
        (stop,) = d.until_prompt()
        assert stop.reason == "interrupt"
        d.type("stop = True")
        assert d.cont()[-1].code == 0


def test_source_is_found_after_a_change_of_folder(script, tmp_path):
    script("import os, torch\nos.chdir('/')\ndef f(x):\n    return x + 1\nf(torch.ones(1))\n")
    with debuggee(warm=False, cwd=tmp_path) as d:
        d.load("train.py")
        d.break_at("4")
        d.cont()
        stop = d.stops()[-1]
        assert (stop.site.line, stop.site.text) == (4, "return x + 1")
        lines = d.look(protocol.Listing(whole=True)).lines
        assert [line.text for line in lines] == ["def f(x):", "    return x + 1"]


def test_many_scripts_one_after_the_other(script):
    with debuggee(warm=False) as d:
        for number in range(3):
            path = script(f"import torch\nx = torch.ones({number + 1})\n", f"train{number}.py")
            d.load(path)
            d.cont()
            assert d.value("x.shape, __file__") == f"(torch.Size([{number + 1}]), {str(path)!r})"
        assert isinstance(d.load("nosuch.py"), model.Error)
        assert d.value("x.shape") == "torch.Size([3])"


def test_a_line_whose_breakpoint_is_gone_leaves_the_function_its_variables(tmp_path):
    script = tmp_path / "lines.py"
    script.write_text(
        "import torch\nx = torch.ones(1)\n"
        "def f(a):\n    b = a + 1\n    c = b + 1\n    return a, b, c\n"
        "print(f(1))\n"
    )
    with debuggee(warm=False, stdout=subprocess.PIPE) as d:
        d.load(script)
        d.break_at("lines.py:5")
        assert d.cont()[-1].site.line == 5
        assert d.value("a + b") == "3"
        d.look(protocol.ChangeBreakpoint(id=1, action="clear"))
        d.type("seen = b", stepped=True)
        d.cont()
        assert d.quit() == 0
        assert d.process.stdout.read() == "(1, 2, 3)\n"
