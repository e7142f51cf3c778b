"""Modes on torch's stack and Tensor subclasses of the user: entered and left around training."""

from collections import Counter

import torch
from _digest import report, seed
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

calls = Counter()


class CountFunctions(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        calls[f"function {getattr(func, '__name__', '?')}"] += 1
        return func(*args, **(kwargs or {}))


class CountKernels(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        calls[f"kernel {func}"] += 1
        return func(*args, **(kwargs or {}))


class Metres(torch.Tensor):
    """A subclass that stays with its values through every operation."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        calls["subclass"] += 1
        return super().__torch_function__(func, types, args, kwargs or {})


def train_step(inputs):
    loss = model(inputs).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


seed(20)
with torch.device("cpu"):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

torch.set_default_dtype(torch.float64)
doubles = torch.ones(2)
torch.set_default_dtype(torch.float32)

with torch.device("meta"):
    print("on", torch.empty(3).device)
with CountFunctions():
    print(f"loss {train_step(torch.randn(5, 3)).item():.6f}")
with CountKernels(), torch.device("cpu"):
    print(f"loss {train_step(torch.randn(5, 3)).item():.6f}")
torch.set_default_device("cpu")
print(f"loss {train_step(torch.randn(5, 3)).item():.6f}")
torch.set_default_device(None)

length = torch.randn(5, 3).as_subclass(Metres).requires_grad_()
area = (length * length).sum()
area.backward()
print("area is", type(area).__name__, "and the gradient", type(length.grad).__name__)

for name in sorted(calls):
    print(f"{calls[name]:3} {name}")
report(model=model, doubles=doubles, length=length.grad.as_subclass(torch.Tensor))
