"""What a program sees of its own exceptions: each entry of a traceback, and those of callers."""

import inspect
import traceback

import torch
from _digest import report, seed
from torch import nn

seed(63)


class Raising(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, where):
        ctx.where = where
        if where == "forward":
            raise KeyError("in forward")
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        raise KeyError("in backward")


class Refusing(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise TypeError("no functions of torch, please")


def entries(tb):
    while tb is not None:
        yield tb.tb_frame.f_code.co_name, tb.tb_lineno, traceback.extract_tb(tb, limit=1)[0].name
        tb = tb.tb_next


def attempt(name, function, chain=True):
    try:
        function()
    except Exception as error:
        print("---", name, type(error).__name__, error.__context__, error.__cause__)
        if chain:
            print([*entries(error.__traceback__)])
            print([(info.function, info.lineno) for info in inspect.trace()])
            for limit in (None, 1, 2, -1, -2):
                found = traceback.extract_tb(error.__traceback__, limit=limit)
                print(limit, [(entry.name, entry.lineno) for entry in found])
        print("".join(traceback.format_exception(error)))


x = torch.ones(2, 3, requires_grad=True)
model = nn.Linear(3, 4)
attempt("module", lambda: nn.Sequential(nn.Flatten(0), model)(x))
attempt("op", lambda: x @ x)
attempt("attribute", lambda: x.nonexistent)
attempt("index", lambda: x[7])
attempt("item", lambda: x.item())
attempt("forward of a Function", lambda: Raising.apply(x, "forward"))
attempt("subclass", lambda: x + torch.ones(2, 3).as_subclass(Refusing))
# These are Python functions that ask the modes first: their first call is an entry that stays.
attempt("backward of a Function", lambda: Raising.apply(x, "").sum().backward(), chain=False)
attempt("functional", lambda: nn.functional.cross_entropy(x, torch.tensor([7, 1])), chain=False)
model(x).sum().backward()
report(model=model, x=x)
