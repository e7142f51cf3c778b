"""How the chain rule's commands read a line, and how their records look."""

from __future__ import annotations

import msgspec
import pytest
from chain_samples import PATH, SAMPLES

from gradrepl import draw
from gradrepl.commands.graphs import ends_of_paths, two_expressions
from gradrepl.draw import Look
from gradrepl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a", ("", "a")), ("L a", ("L", "a")), ("L, a", ("L", "a")), ("#7 #9", ("#7", "#9")),
        ("h.sum() model.fc.weight", ("h.sum()", "model.fc.weight")),
        ("a + b c", ("a + b", "c")), ("L - a", ("", "L - a")), ("x -y", ("", "x -y")),
        ("f(x, y) w[0]", ("f(x, y)", "w[0]")), ('loss d["a b"]', ("loss", 'd["a b"]')),
    ],
)  # fmt: skip
def test_two_expressions_on_a_line(text, wanted):
    found = two_expressions(text)
    assert (found.root, found.leaf) == wanted


def test_three_expressions_are_refused():
    with pytest.raises(UsageError, match="one or two expressions"):
        two_expressions("a b c")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("L a", ("L", "a", False)), ("L a all", ("L", "a", True)), ("a all", ("", "a", True)),
     ("all", ("", "all", False)), ("L f(all)", ("L", "f(all)", False))],
)  # fmt: skip
def test_all_asks_for_the_steps_of_every_path(text, wanted):
    found = ends_of_paths(text)
    assert (found.root, found.leaf, found.whole) == wanted


def lines(record):
    return draw.text(record, Look()).splitlines()


def test_paths():
    assert lines(SAMPLES[0]) == [
        "L <- a  1,099,511,627,776 paths  1 listed: the 50 largest",
        "  1  L (#1 MulBackward0) <- c (#2 AddBackward0) <- a",
        "     dL/dc 2 x dc/da 3 = 6  60%",
        "    the other 1,099,511,627,775 paths together  = 4  40%",
        "sum 10  autograd.grad 10  agrees",
        "note: the backward of Fn was run 2 more times.",
    ]


def test_three_paths_have_steps_and_all_when_asked():
    several = msgspec.structs.replace(SAMPLES[0], paths=(PATH,) * 5)
    shown = lines(several)
    assert sum("dL/dc 2 x" in each for each in shown) == 3
    assert "steps of the last 2 paths: ':paths ... all'" in shown
    shown = lines(msgspec.structs.replace(several, whole=True))
    assert sum("dL/dc 2 x" in each for each in shown) == 5
    assert not any("':paths" in each for each in shown)


@pytest.mark.parametrize(
    ("jacobian", "shown"),
    [
        (((1.0, 0.0), (0.0, 1.0)), "identity"), (((2.0, -0.0), (0.0, 3.0)), "diag(2, 3)"),
        (((1.0, 2.0), (3.0, -0.0)), "[1 2; 3 0]"), (((1.0, 2.0),), "[1 2]"),
    ],
)  # fmt: skip
def test_matrices(jacobian, shown):
    step = msgspec.structs.replace(PATH.steps[0], value=None, jacobian=jacobian)
    path = msgspec.structs.replace(PATH, steps=(step, PATH.steps[1]))
    record = msgspec.structs.replace(SAMPLES[0], paths=(path,))
    assert f"       dL/dc  {shown}  a.py:3" in lines(record)


def test_a_long_path_is_shortened():
    names = tuple(f"#{n} MulBackward0" for n in range(12))
    path = msgspec.structs.replace(
        PATH, nodes=(*names, "...", *names, "a"), skipped=1000, steps=(PATH.steps[0],) * 24
    )
    record = msgspec.structs.replace(SAMPLES[0], paths=(path,))
    assert "... 1016 more ..." in lines(record)[1]
    assert lines(record)[1].count("<-") == 9


def test_a_difference_is_loud():
    assert lines(SAMPLES[2])[-1] == "sum 6  autograd.grad 6  DIFFERS by up to 1"
    assert lines(SAMPLES[4])[:2] == [
        "F.gelu(x)  FAILED",
        "  d(output)/d(x)  WRONG  worst error 0.5  relative 0.1  of 9 elements",
    ]
