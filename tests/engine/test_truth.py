"""A program under gradrepl prints, leaves behind and returns what it does alone, to the bit.

The programs end with digests of their parameters, gradients and random number generators.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from debuggee import ROOT, Debuggee, debuggee

from gradrepl import conditions as c

PROGRAMS = sorted((ROOT / "tests" / "programs").glob("[a-z]*.py"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LONG = {"deep_graph.py": 200}
"""Programs of which only so many ops, and then nodes, are stepped."""
PASSED_BY = ("dropout", "modes")
"""Programs that are also run with a breakpoint that never holds."""


def command(path: Path) -> list[str]:
    """Return script and arguments; an example runs inside one that digests what it leaves."""
    digest = ROOT / "tests" / "programs" / "_with_digest.py"
    return [str(digest), str(path)] if path in EXAMPLES else [str(path)]


class Outcome(NamedTuple):
    """What can be seen of a program from outside."""

    stdout: str
    stderr: str
    code: int


class Bare:
    """Runs of programs without us, each once; they run beside those under us."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[Path, subprocess.Popen[bytes]] = {}
        self._outcomes: dict[Path, Outcome] = {}

    def start(self, path: Path) -> None:
        if path in self._running or path in self._outcomes:
            return
        with self._file(path, "out").open("wb") as out, self._file(path, "err").open("wb") as err:
            self._running[path] = subprocess.Popen(
                [sys.executable, *command(path)], stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    def outcome(self, path: Path) -> Outcome:
        if path in self._running:
            code = self._running.pop(path).wait(60)
            texts = (self._file(path, kind).read_bytes().decode() for kind in ("out", "err"))
            self._outcomes[path] = Outcome(*texts, code)
        return self._outcomes[path]

    def _file(self, path: Path, kind: str) -> Path:
        return self._folder / f"{path.parent.name}-{path.stem}.{kind}"


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Bare:
    return Bare(tmp_path_factory.mktemp("bare"))


@pytest.fixture
def attached(tmp_path: Path) -> Callable[..., tuple[Outcome, Debuggee]]:
    """Return a function that runs a program in a debuggee, from its first stop on with ``go``."""

    def run(path: Path, go: Callable[[Debuggee], object]) -> tuple[Outcome, Debuggee]:
        out, err = tmp_path / "out", tmp_path / "err"
        with (
            out.open("wb") as first,
            err.open("wb") as second,
            debuggee(warm=False, stdout=first, stderr=second) as d,
        ):
            d.load(*command(path))
            go(d)
            code = d.quit()
        return Outcome(out.read_bytes().decode(), err.read_bytes().decode(), code), d

    return run


def step_all(d: Debuggee) -> None:
    """Step every op and every node; of a long program only the first ones of both."""
    limit = LONG.get(Path(d.stops()[0].site.file).name)
    while d.prompt is not None and d.prompt.state != "idle":
        stops = len(d.told)
        if limit is None or (stops < 2 * limit and stops != limit):
            d.step()
        else:
            d.go(c.FirstNode() if stops == limit else c.Continue())


def run_on(d: Debuggee) -> None:
    """Continue at each stop: only the first op and an uncaught exception are some."""
    while d.prompt is not None and d.prompt.state != "idle":
        d.cont()


@pytest.mark.parametrize("path", PROGRAMS + EXAMPLES, ids=lambda path: path.stem)
def test_stepped_through(path, bare, attached):
    bare.start(path)
    outcome, d = attached(path, step_all)
    assert outcome == bare.outcome(path)
    assert {"forward", "backward"} <= {stop.phase for stop in d.stops()}


def only(*names):
    return [path for path in PROGRAMS if path.stem in names]


@pytest.mark.parametrize("path", PROGRAMS + EXAMPLES, ids=lambda path: path.stem)
def test_nothing_armed(path, bare, attached):
    bare.start(path)
    outcome, d = attached(path, run_on)
    assert outcome == bare.outcome(path)
    assert [stop.reason for stop in d.stops() if stop.phase != "exception"] == ["start"]


@pytest.mark.parametrize("path", only(*PASSED_BY), ids=lambda path: path.stem)
@pytest.mark.parametrize("what", ["op nosuch", "nan", "report, False"])
def test_breakpoint_that_never_holds(path, what, bare, attached):
    bare.start(path)

    def go(d: Debuggee) -> None:
        d.break_at(what)
        run_on(d)

    outcome, d = attached(path, go)
    assert outcome == bare.outcome(path)
    assert [stop.reason for stop in d.stops() if stop.phase != "exception"] == ["start"]


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("attention", c.Into), ("checkpoint_nonreentrant", c.Into), ("hooks", c.Into),
        ("attention", c.Finish), ("hooks", c.Next),
    ],
)  # fmt: skip
def test_other_verbs(name, verb, bare, attached):
    (path,) = only(name)
    bare.start(path)

    def go(d: Debuggee) -> None:
        d.go(c.FirstNode())
        d.step_through(verb)

    outcome, d = attached(path, go)
    assert outcome == bare.outcome(path)
    assert len(d.stops()) > 40
