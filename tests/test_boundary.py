"""The boundary: what torch or the interpreter calls of ours never raises into the program.

Each guarded place is made to raise in turn, and the program ends with the same bits.
"""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from debuggee import debuggee
from faults import FAULT, ROOT, VARIABLE, Place, guarded, nodes, places, signals

from gradrepl import conditions as c
from gradrepl import model, protocol
from gradrepl.engine import boundary
from gradrepl.engine.boundary import Part
from gradrepl.engine.code.patches import InheritedPatch, Patch
from gradrepl.launch import Options

TESTS = ROOT / "tests"
PROGRAM, GUEST = str(TESTS / "boundary_program.py"), str(TESTS / "guest_program.py")
WORDS = {
    "Interrupts.handle": "sigint", "Interrupts.breakpoint_hook": "breakpoint",
    "LineInput.readinto": "input", "Regions._pass": "compile",
}  # fmt: skip
"""What the program does besides, so that a place is come to."""
ONLY_C = ("Recorder._back",)
"""Come to where nothing stays armed."""
STEPPED = ("Recorder._order.arrived",)
"""Come to where nothing needs norms."""
OF_GUESTS = (
    "Host.forked", "Host.at_exit", "call_in_main_thread.once", "NextLine._call", "NextLine._line",
)  # fmt: skip
SINCE_3_12 = ("_OnlyOurs.match", "_add_filter", "_remove_filter")
ELSEWHERE = (
    "standing_in.stands_in",  # what the others are guarded by, here and below
    "Clock._move",  # on an accelerator
    "Swap._iter",  # a plugin's
    "Copy.alone.handler",  # while a look has a copy of the program
    "Watch.find_spec.exec_module",
    "pytest_exception_interact",
)
NEVER = ("Interrupts.handle:0:end",)
"""Not come to: what is before it returns."""
CLIENT = (
    "cli.py", "client.py", "checked.py", "guard.py", "__main__.py", "repl", "tui", "commands",
)  # fmt: skip
"""Files of the client, a process of our own."""
FILES = [
    file
    for file in sorted([*(ROOT / "gradrepl").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])
    if file.relative_to(ROOT).parts[1] not in CLIENT
]
LEFT = (*ELSEWHERE, *(SINCE_3_12 if sys.version_info < (3, 12) else ()))
ALL = [each for when in ("begin", "end") for each in places(when) if each.function not in LEFT]
ALL = [each for each in ALL if not str(each).endswith(NEVER)]
ALL = [each for each in ALL if "/check/" not in each.file]  # in place for 'gradrepl check' alone
OURS = [each for each in ALL if each.function not in OF_GUESTS]
SOME = 1 if os.environ.get("GRADREPL_ALL") else 4
"""Every place raises with GRADREPL_ALL, without it every fourth."""


def arm(d, place):
    """Have everything of ours in place, and go on to the end of the program."""
    if place.function in STEPPED:
        d.break_at("node NoSuchNode")
    elif place.function not in ONLY_C:
        d.look(protocol.WatchHealth(grads=True, nodes=True, statistics=True))
        d.look(protocol.WatchLoaders())
        d.look(protocol.RecordPasses())
        for text in ("nan", "norm > 1e30", "batch 77", "op nosuch", f"{PROGRAM}:26, False"):
            d.break_at(text)
        d.go(c.Into())
    while d.prompt is not None and d.prompt.state != "idle":
        d.cont()


def said(text: str) -> list[str]:
    return [line for line in text.splitlines() if FAULT in line]


def without(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if FAULT not in line)


@pytest.mark.parametrize("place", OURS[::SOME], ids=str)
def test_a_place_that_raises_changes_nothing(home, place):
    word = WORDS.get(place.function, "nothing")
    alone = home.outcome(PROGRAM, word)
    outcome, d = home.debugged(
        PROGRAM, word, go=lambda d: arm(d, place), reads="lines" if word == "input" else "tty",
        **{VARIABLE: str(place)},
    )  # fmt: skip
    assert outcome._replace(stderr=without(outcome.stderr)) == alone
    told = [each for each in d.told if isinstance(each, model.Error) and FAULT in each.message]
    assert len({each.message.partition(" failed")[0] for each in told}) == len(told) <= 2
    assert place.when == "end" or told or said(outcome.stderr)
    for each in told:
        assert "is off from now on: the program continues as without it." in each.message
        assert "report it" in each.hint


@pytest.mark.parametrize("place", [each for each in ALL if each not in OURS][::SOME], ids=str)
def test_a_place_that_raises_changes_nothing_in_a_program_that_asks_for_us(home, place):
    bare = home.outcome(GUEST)
    child, path = home.fork("guest", (GUEST,), **{VARIABLE: str(place)})
    assert (child.wait(), (path / "out").read_text()) == (bare.code, bare.stdout)
    stderr = (path / "err").read_text()
    assert (len(said(stderr)) or place.when == "end", without(stderr)) == (1, bare.stderr)


START = f"import sys; sys.path.insert(0, {str(TESTS)!r}); import faults; faults.install(); "


@pytest.mark.parametrize("when", ["begin", "end"])
def test_the_import_of_torch_goes_on(script_of, when):
    path = script_of("import torch\nprint((torch.ones(2) + 1).tolist())\n")
    place = Place("gradrepl/engine/code/torch_import.py", "Watch.find_spec.exec_module", 0, when)

    def begin(about: dict[str, Any]) -> Any:
        code = START + Options().engine[1].replace(
            "import sys; del sys.path[0]", "del sys.path[:2]"
        )
        environment = {
            **os.environ, VARIABLE: str(place), "GRADREPL_DEBUGGEE": json.dumps(about),
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True,
            pass_fds=[about["link"]],
        )  # fmt: skip

    with debuggee(warm=False, start=begin) as d:
        d.load(path)
        while d.prompt.state != "idle":
            d.cont()
        assert (d.quit(), d.process.stdout.read()) == (0, "[2.0, 2.0]\n")
    assert sum(FAULT in each.message for each in d.told if isinstance(each, model.Error)) == 1


def test_pytest_reports_a_failed_test_where_looking_at_it_fails(script_of):
    path = script_of("def test_it():\n    assert 1 == 2\n")
    place = Place("gradrepl/pytest_plugin.py", "pytest_exception_interact", 0, "begin")
    run = START + "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", run, "--assert=plain", "-n0", "--gradrepl", "-q", str(path)],
        env={**os.environ, VARIABLE: str(place)}, cwd=path.parent, capture_output=True, text=True,
    )  # fmt: skip
    assert "1 failed" in done.stdout
    assert (done.returncode, "INTERNALERROR" in done.stdout + done.stderr) == (1, False)


@pytest.fixture
def script_of(tmp_path):
    def write(text):
        path = tmp_path / "test_program.py"
        path.write_text(text)
        return path

    return write


# -- what stands in the place of a function ------------------------------------------------------


class Owner:
    """Somebody else's class."""

    calls = 0

    def work(self, x: int) -> int:
        """Do what the program wants."""
        Owner.calls += 1
        if x < 0:
            raise ValueError("negative")
        return x + 1


class Inherits(Owner):
    """Has ``work`` from another."""


@pytest.fixture
def told(monkeypatch):
    found: list[str] = []
    monkeypatch.setattr(boundary, "tell", lambda record: found.append(record.message))
    return found


def before(kept, owner, x):
    raise KeyError("before")


def after(kept, owner, x):
    kept(owner, x)
    raise KeyError("after")


def around(kept, owner, x):
    try:
        return kept(owner, x)
    finally:
        raise KeyError("around")


@pytest.mark.parametrize("ours", [before, after, around])
@pytest.mark.parametrize(("kind", "owner"), [(Patch, Owner), (InheritedPatch, Inherits)])
def test_the_original_is_called_once(told, ours, kind, owner):
    for x in (1, -1):
        patch = kind(owner, "work", ours, Part("working"))
        patch.install()
        Owner.calls = 0
        if x > 0:
            assert owner().work(x) == 2
        else:
            with pytest.raises(ValueError, match="negative") as caught:
                owner().work(x)
            assert caught.value.__context__ is None
            assert not any("gradrepl" in str(each.path) for each in caught.traceback[1:-1])
        assert Owner.calls == 1
        patch.remove()
    assert (len(told), "work" in vars(Inherits)) == (1 if ours is after else 2, False)
    assert all("working failed for a fault of gradrepl's own (KeyError: " in each for each in told)


def test_arguments_that_do_not_fit_are_no_fault_of_ours(told):
    patch = Patch(Owner, "work", after, Part("working"))
    patch.install()
    with pytest.raises(TypeError, match=r"Owner.work\(\) missing 1 required positional"):
        Owner().work()
    patch.remove()
    assert told == []


def test_what_a_handler_of_the_program_raises_passes(told):
    def handler(number, frame):
        raise TimeoutError("too long")

    def slow(kept, owner, x):
        signal.raise_signal(signal.SIGALRM)
        return kept(owner, x)

    patch = Patch(Owner, "work", slow, part := Part("working"))
    old = signal.signal(signal.SIGALRM, handler)
    patch.install()
    try:
        with pytest.raises(TimeoutError):
            Owner().work(1)
    finally:
        signal.signal(signal.SIGALRM, old)
        patch.remove()
    assert (part.works, told) == (True, [])


def test_want_of_room_on_the_stack_is_no_fault(told):
    def deep(kept, owner, x):
        raise RecursionError

    patch = Patch(Owner, "work", deep, part := Part("working"))
    patch.install()
    assert Owner().work(1) == 2
    patch.remove()
    assert (part.works, told) == (True, [])


# -- a signal whose handler raises when the program is over ----------------------------------------

STRUCK = """\
import signal
def handler(number, frame):
    signal.signal(signal.SIGURG, signal.SIG_IGN)
    raise RuntimeError("a worker has died")
import torch
torch.ones(1)
signal.signal(signal.SIGURG, handler)
raise ValueError("the end")
"""
SIGNALS = [
    place
    for file, functions in {
        "gradrepl/engine/code/script.py": ("_report", "_print", "_exception_stop"),
        "gradrepl/engine/stopping/gate.py": ("Gate._next", "Gate._reply", "Gate.prompt"),
        "gradrepl/engine/stopping/stepper.py": ("Stepper.place_recorder",),
    }.items()
    for function in functions
    for place in signals(f"{file}", function)
    if str(place) != "gradrepl/engine/code/script.py:_print:4:signal"  # see there
]


@pytest.mark.parametrize("place", SIGNALS[::SOME], ids=str)
def test_an_exception_stop_is_not_lost_to_a_signal(home, script_of, place):
    path = script_of(STRUCK)

    def go(d):
        d.cont()
        if d.prompt.state == "exception":
            assert "2" in (d.value("1 + 1"), d.value("1 + 1"))
            d.cont()

    outcome, d = home.debugged(str(path), go=go, **{VARIABLE: str(place)})
    (stop,) = [each for each in d.stops() if each.phase == "exception"]
    first, count = stop.exception.partition(":")[0], outcome.stderr.count("Error: ")
    assert (outcome.code, first, count) in ((1, "ValueError", 1), (1, "RuntimeError", 2))


# -- nothing is called that has no guard -----------------------------------------------------------

CALLS = re.compile(
    r"register_\w*hook|_register_hook_dict|finalize|settrace|setprofile|register_at_fork"
    r"|addaudithook|set_engine"
)
"""Calls by which torch or the interpreter is given something of ours to call."""
PLACES = {"signal.signal": 1, "weakref.ref": 1, "atexit.register": 0, "sys.meta_path.insert": 1}
"""And by their whole names: where in the arguments it stands."""
SLOTS = ("breakpointhook", "excepthook", "displayhook", "unraisablehook", "stdin", "f_trace")
METHODS = ("__torch_function__", "__torch_dispatch__", "readinto")
HARMLESS = {
    "None": "nothing", "before": "what was there before us", "self._stdin": "the program's own",
    "signal.default_int_handler": "Python's own", "sys.__breakpointhook__": "Python's own",
    "signal.SIG_IGN": "the system's", "signal.SIG_DFL": "the system's",
    "link.drop": "in a copy of the program",
    "before or signal.SIG_DFL": "what was there before us",
    "_carrier": "a tensor, whose hooks are those of the recorder",
    "hook": "Pass._at_begin and Pass._at_end", "callback": "once, made for C",
    "self._run": "made by standing_in", "self": "Watch, whose loader is guarded",
    "finder": "refuses imports to a plugin that is loaded, on purpose",
    "function": "the Watcher's", "guard": "for a while, in an answer", "engine": "torch's own",
    "self.interrupts.handle": "Interrupts.handle",
    "self._original": "what was there before us",
}  # fmt: skip


def registered(tree: ast.Module) -> Iterator[tuple[int, ast.expr]]:
    """Yield what a module gives to torch or the interpreter to call, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(name), args=given):
                whole = ast.unparse(node.func)
                if CALLS.fullmatch(name):
                    values = [*given[:1], *(each.value for each in node.keywords)]
                elif name.endswith("Patch") and len(given) == 3:
                    values = [given[2]]
                else:
                    values = given[PLACES[whole] :] if whole in PLACES else []
                yield from ((node.lineno, each) for each in values)
            case ast.Assign(targets=[ast.Attribute(attr=name)], value=value) if name in SLOTS:
                yield node.lineno, value


def is_guarded(what: ast.expr, functions: dict[str, ast.FunctionDef]) -> bool:
    """Does what is given hold a guard, itself or in what it calls in the same file?"""
    if ast.unparse(what) in HARMLESS:
        return True
    match what:
        case ast.Lambda(body=ast.Call(func=inner)) | ast.Call(args=[ast.Name() as inner]):
            return is_guarded(inner, functions)
        case ast.Call():  # a stream around one of ours: see METHODS
            return any(each in ast.unparse(what) for each in ("LineInput", "FileIO(0"))
    name = ast.unparse(what).rpartition(".")[2]
    function = functions.get(name) or functions.get(f"_{name}")
    return function is not None and holds(function, functions)


def holds(function: ast.FunctionDef, functions: dict[str, ast.FunctionDef]) -> bool:
    """Is a function guarded, or what it calls?"""
    inside = [*ast.walk(function)]
    if any(map(guarded, inside)):
        return True
    called = [each.func.attr for each in inside if isinstance(each, ast.Call)
              and isinstance(each.func, ast.Attribute)]  # fmt: skip
    return any(map(guarded, (n for name in called if name in functions
                             for n in ast.walk(functions[name]))))  # fmt: skip


def bare(source: str) -> list[str]:
    """Return what a module gives away to be called, and does not guard."""
    tree = ast.parse(source)
    functions = {node.name: node for _, node in nodes(tree) if isinstance(node, ast.FunctionDef)}
    given = [f"{at}: {ast.unparse(it)}" for at, it in sorted(registered(tree), key=_line)
             if not is_guarded(it, functions)]  # fmt: skip
    methods = [functions[name] for name in METHODS if name in functions]
    return given + [each.name for each in methods if not holds(each, functions)]


def _line(found: tuple[int, ast.expr]) -> int:
    return found[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_is_called_of_ours_is_guarded(file):
    assert bare(file.read_text()) == []


def test_what_is_not_guarded_is_found():
    source = (
        "import atexit, signal, sys\n"
        "def f(*given): print(given)\n"
        "class A:\n    def g(self, *given):\n        with self.part: print(given)\n"
        "    def __torch_dispatch__(self): pass\n"
        "atexit.register(f)\nsignal.signal(2, A().g)\nsys.settrace(lambda *given: f())\n"
        "node.register_prehook(f)\nPatch(torch, 'name', f)\nsys.breakpointhook = f\n"
    )
    found = ["7: f", "9: lambda *given: f()", "10: f", "11: f", "12: f", "__torch_dispatch__"]
    assert bare(source) == found
