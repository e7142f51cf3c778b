"""LBFGS calls a closure many times a step: forward and backward inside Optimizer.step."""

import torch
from _digest import report, seed

seed(3)
inputs = torch.randn(100, 4)
targets = inputs @ torch.tensor([1.0, -2.0, 0.5, 3.0]) + 0.1 * torch.randn(100)
weight = torch.zeros(4, requires_grad=True)
bias = torch.zeros((), requires_grad=True)
optimizer = torch.optim.LBFGS([weight, bias], max_iter=10, line_search_fn="strong_wolfe")
calls = 0


def closure():
    global calls
    calls += 1
    optimizer.zero_grad()
    residual = inputs @ weight + bias - targets
    loss = torch.nn.functional.softplus(residual.abs()).mean() + 0.01 * weight.square().sum()
    loss.backward()
    return loss


for step in range(4):
    loss = optimizer.step(closure)
    print(f"step {step} loss {loss.item():.6f} after {calls} calls")

report(weight=weight, bias=bias, optimizer=optimizer)
