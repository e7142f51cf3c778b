"""What a tracker of experiments does to torch: patches before, in the middle of and after it."""

import functools

import torch
from _digest import report, seed
from torch import nn

calls = []


def wrapped(owner, name):
    original = getattr(owner, name)

    @functools.wraps(original)
    def around(*arguments, **more):
        calls.append(f"{owner.__name__}.{name}")
        return original(*arguments, **more)

    setattr(owner, name, around)
    return lambda: setattr(owner, name, original)


class Torchlike:
    """A proxy with torch's function protocol, as trackers of graphs have."""

    def __init__(self, tensor):
        self.tensor = tensor

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        calls.append(f"proxy {function.__name__}")
        args = [each.tensor if isinstance(each, cls) else each for each in args]
        return function(*args, **(kwargs or {}))


def histogram(name):
    def hook(gradient):
        calls.append(f"{name} {gradient.norm().item():.6f}")

    return hook


def step():
    loss = model(torch.randn(4, 3)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


seed(47)
undo = [wrapped(nn.Module, "__call__"), wrapped(torch.Tensor, "backward")]
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
handles = [p.register_hook(histogram(name)) for name, p in model.named_parameters()]
print(f"{step().item():.8f}")
undo += [
    wrapped(torch.optim.Adam, "step"),
    wrapped(torch.autograd, "backward"),
    wrapped(torch.autograd.graph, "_engine_run_backward"),
    wrapped(nn.functional, "relu"),
    wrapped(torch.Tensor, "square"),
]
print(f"{step().item():.8f}")
engine = torch.autograd._engine_run_backward
torch.autograd._engine_run_backward = lambda *a, **k: (calls.append("engine"), engine(*a, **k))[1]
print(f"{step().item():.8f}")
torch.autograd._engine_run_backward = engine
for each in reversed(undo):
    each()
for each in handles:
    each.remove()
print(f"{step().item():.8f}")
print(torch.add(Torchlike(torch.ones(2)), 1).tolist(), torch.Tensor.backward.__module__)
print(*calls, sep="\n")
report(model=model, optimizer=optimizer)
