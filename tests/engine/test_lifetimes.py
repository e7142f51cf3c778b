"""What the program deletes is gone when it deletes it; its own trace and profile functions."""

from __future__ import annotations

import pytest

from gradrepl import conditions as c
from gradrepl import model, protocol

DELETES = """\
import sys
import torch

class Cell:
    def __init__(self, name): self.name = name
    def __del__(self): print(self.name, "freed")

def step():
    x = torch.ones(4, requires_grad=True)
    h = x * 2
    h.cell = Cell("h")
    y = h.pow(2).sum()
    y.cell = Cell("y")
    y.backward()
    del y
    print("one")
    del h
    print("two")
    z = x * 3
    z.sum().backward()
    print("three", x.grad.tolist())

step()
print(sys.getprofile(), sys.gettrace())
"""
FUNCTIONS = """\
import sys
import torch

def two(x):
    y = x * 2
    return y + 1

seen = []
def note(frame, event, argument):
    if frame.f_code.co_filename == __file__:
        seen.append((event, frame.f_code.co_name, frame.f_lineno))
        return note

class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 2
    @staticmethod
    def backward(ctx, grad): return grad * 2

x = torch.ones(2)
sys.settrace(note)
two(x)
sys.settrace(None)
sys.setprofile(note)
two(x)
Double.apply(x)
sys.setprofile(None)
print(seen, torch.autograd.Function.apply.__qualname__)
"""


def nothing(d):
    """Go on, and have nothing armed."""


def conditions(d):
    d.break_at("op mul, x.sum() > 1e9")
    d.break_at("node *, x.sum() > 1e9")


def versions(d):
    for _ in range(2):
        d.go(c.Next())
    d.look(protocol.AskVersions(expression="h"))


def looks(d):
    for _ in range(3):
        d.go(c.Next())
        assert isinstance(d.look(protocol.Names()), model.Variables)
        d.value("x.sum()")
        d.look(protocol.AskFindings())


def stops(d):
    d.break_at("node Mul*")
    d.break_at("op sum")


@pytest.mark.parametrize("asks", [nothing, conditions, versions, looks, stops])
def test_what_the_program_deletes_is_gone(attached, tmp_path, asks):
    program = tmp_path / "deletes.py"
    program.write_text(DELETES)

    def go(d):
        asks(d)
        while d.prompt.state != "idle":
            d.cont()

    attached([str(program)], go)


@pytest.mark.parametrize("asks", [nothing, conditions])
def test_the_programs_own_trace_and_profile_functions_see_what_they_see_alone(
    attached, tmp_path, asks
):
    program = tmp_path / "functions.py"
    program.write_text(FUNCTIONS)

    def go(d):
        asks(d)
        d.cont()

    attached([str(program)], go)
