"""MAML on sines with torch.func.functional_call: the inner step keeps its graph."""

import torch
from torch import nn
from torch.func import functional_call


def sine_task(n=10):
    amplitude, phase = torch.rand(1) * 2 + 0.5, torch.rand(1) * torch.pi
    x = torch.rand(2 * n, 1) * 6 - 3
    y = amplitude * torch.sin(x + phase)
    return (x[:n], y[:n]), (x[n:], y[n:])


def adapt(model, weights, x, y, lr=0.05, create_graph=True):
    loss = nn.functional.mse_loss(functional_call(model, weights, (x,)), y)
    gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=create_graph)
    return {k: w - lr * g for (k, w), g in zip(weights.items(), gradients, strict=True)}


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
meta = torch.optim.Adam(model.parameters(), lr=5e-3)
curve = []
for step in range(80):
    meta.zero_grad()
    outer = 0.0
    for _ in range(4):
        (xs, ys), (xq, yq) = sine_task()
        fast = dict(model.named_parameters())
        for _ in range(2):
            fast = adapt(model, fast, xs, ys)
        outer = outer + nn.functional.mse_loss(functional_call(model, fast, (xq,)), yq)
    outer = outer / 4
    outer.backward()
    meta.step()
    curve.append(outer.item())

first, last = sum(curve[:10]) / 10, sum(curve[-10:]) / 10
print(f"after adaptation: {first:.3f} -> {last:.3f}")
assert last < 0.8 * first
