"""A program under gradrepl prints, leaves behind and returns what it does alone, to the bit.

The programs end with digests of their parameters, gradients and random number generators.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from debuggee import ROOT, Debuggee

from gradrepl import conditions as c

PROGRAMS = sorted((ROOT / "tests" / "programs").glob("[a-z]*.py"))
EXAMPLES = [
    path
    for path in sorted((ROOT / "examples").glob("*.py"))
    if "import gradrepl" not in path.read_text()  # alone it would wait for somebody to attach
]
LONG = {"deep_graph.py": 200}
"""Programs of which only so many ops, and then nodes, are stepped."""
PASSED_BY = ("dropout", "fast_weights", "modes", "profiled", "tracebacks", "unreadable", "wrapped")
"""Programs that are also run with a breakpoint that never holds."""
SLOW = ("forkserver", "spawn_workers")
"""Programs that are only stepped: their workers import torch anew."""
LAUNCHED = ("autocast_cpu", "exit_code", "process", "uncaught")
"""Programs that are also run as every program is: started by Python, importing torch themselves."""


ALL = bool(os.environ.get("GRADREPL_ALL"))
"""Run every program in every way: without it all are stepped, and each in some of the others."""


def some(paths: list[Path], first: int, of: int) -> list[Path]:
    """Return all ``paths``, or without ``ALL`` every ``of``-th from ``first`` on."""
    return paths if ALL else paths[first::of]


def command(path: Path) -> list[str]:
    """Return script and arguments; an example runs inside one that digests what it leaves."""
    digest = ROOT / "tests" / "programs" / "_with_digest.py"
    return [str(digest), str(path)] if path in EXAMPLES else [str(path)]


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
def test_stepped_through(path, attached):
    d = attached(command(path), step_all)
    assert {"forward", "backward"} <= {stop.phase for stop in d.stops()}


def only(*names):
    return [path for path in PROGRAMS if path.stem in names]


def but(*names):
    return [path for path in PROGRAMS if path.stem not in names]


@pytest.mark.parametrize("path", some(but(*SLOW) + EXAMPLES, 0, 2), ids=lambda path: path.stem)
def test_nothing_armed(path, attached):
    d = attached(command(path), run_on)
    assert [stop.reason for stop in d.stops() if stop.phase != "exception"] == ["start"]


@pytest.mark.parametrize("path", some(but("deep_graph", *SLOW), 1, 3), ids=lambda path: path.stem)
def test_many_words(path, attached):
    verbs = c.Step(40), c.Next(10), c.Into(), c.Finish(), c.Return()

    def go(d: Debuggee) -> None:
        d.break_at("node nosuch")
        for verb in itertools.cycle(verbs):
            if d.prompt is None or d.prompt.state == "idle":
                return
            d.go(verb)

    d = attached(command(path), go)
    assert len(d.stops()) > (path.stem != "pools")  # all of it is less than 40 steps away


@pytest.mark.parametrize("path", only(*LAUNCHED), ids=lambda path: path.stem)
def test_launched(path, both):
    under, alone = both(path)
    assert under == alone


@pytest.mark.parametrize("path", only(*PASSED_BY), ids=lambda path: path.stem)
@pytest.mark.parametrize("what", ["op nosuch", "nan", "norm > 1e30", "report, False"])
def test_breakpoint_that_never_holds(path, what, attached):
    def go(d: Debuggee) -> None:
        d.break_at(what)
        run_on(d)

    d = attached(command(path), go)
    assert [stop.reason for stop in d.stops() if stop.phase != "exception"] == ["start"]


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("attention", c.Into), ("checkpoint_nonreentrant", c.Into), ("hooks", c.Into),
        ("attention", c.Finish), ("hooks", c.Next),
    ],
)  # fmt: skip
def test_other_verbs(name, verb, attached):
    (path,) = only(name)

    def go(d: Debuggee) -> None:
        d.go(c.FirstNode())
        d.step_through(verb)

    d = attached(command(path), go)
    assert len(d.stops()) > 40
