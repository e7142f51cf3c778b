"""What counts frames counts the program's own: stacks, warnings, logs, recursion, anomaly mode."""

from __future__ import annotations

import pytest

COUNTS = """\
import inspect, logging, sys, traceback, warnings
import torch

print([each.function for each in inspect.stack()], sys._getframe().f_back)
traceback.print_stack()
warnings.warn("mine", stacklevel=2)
logging.basicConfig(format="%(filename)s:%(lineno)d %(message)s", stream=sys.stdout)
logging.warning("hello", stacklevel=2)

def deepest(n):
    try:
        return deepest(n + 1)
    except RecursionError:
        return n

print(deepest(0))
x = torch.tensor([0.0, 1.0], requires_grad=True)
for limit in (500, 1500):
    sys.setrecursionlimit(limit)
    print(limit, deepest(0))

class Root(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sqrt()
    @staticmethod
    def backward(ctx, grad):
        return grad / ctx.saved_tensors[0].sqrt() / 2

def loss():
    return (Root.apply(torch.nn.functional.relu(x)) * torch.tensor([0.0, 1.0])).sum()

try:
    with torch.autograd.detect_anomaly():
        loss().backward()
except RuntimeError as error:
    print(error)
raise ValueError("the end")
"""


def nothing(d):
    """Have nothing armed."""


def ops(d):
    d.break_at("op nosuch")


@pytest.mark.parametrize("asks", [nothing, ops])
def test_nothing_of_ours_is_counted(script, both, asks):
    stopped = []

    def go(d):
        if not stopped:
            asks(d)
        stopped.append(d.cont())

    under, alone = both(script(COUNTS), go=go)
    assert under == alone
