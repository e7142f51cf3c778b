"""A program that wraps functions of torch's, as profilers, loggers and FLOP counters do."""

import functools
from unittest import mock

import torch
import torch.nn.functional as F
from _digest import report, seed
from torch import nn
from torch.utils.checkpoint import checkpoint

seed(65)
calls = []


def wrap(owner, name):
    real = getattr(owner, name)

    @functools.wraps(real)
    def wrapped(*args, _real=real, **kwargs):
        calls.append(name)
        return _real(*args, **kwargs)

    setattr(owner, name, wrapped)
    return real


kept = [(owner, name, wrap(owner, name)) for owner, name in (
    (torch.autograd, "backward"), (F, "l1_loss"), (F, "mse_loss"), (F, "relu"), (F, "max_pool1d"),
    (torch.Tensor, "dim_order"), (torch.Tensor, "norm"),
)]  # fmt: skip

model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.MaxPool1d(2), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for _ in range(2):
    x = torch.randn(5, 4)
    loss = nn.L1Loss()(model(x), torch.zeros(5, 1)) + nn.MSELoss()(model(x), torch.ones(5, 1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item(), model[0].weight.grad.norm().item(), x.dim_order())
y = torch.ones(3, requires_grad=True)
checkpoint(torch.sin, y, use_reentrant=True).sum().backward()
torch.autograd.backward((y * 3).sum())
print(y.grad)
with mock.patch("torch.nn.functional.softmax", wraps=F.softmax) as softmax:
    print(F.softmax(y.detach(), 0).tolist(), nn.Softmax(0)(y.detach()).tolist(), softmax.call_count)
for owner, name, real in kept:
    setattr(owner, name, real)
print(calls)
report(model=model, optimizer=optimizer, y=y)
