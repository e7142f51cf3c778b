"""An optimizer for each parameter, stepped as soon as its gradient is accumulated."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(5, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
optimizers = {p: torch.optim.Adam([p], lr=3e-3, foreach=False) for p in model.parameters()}


def step_and_free(parameter):
    optimizers[parameter].step()
    optimizers[parameter].zero_grad()


for parameter in model.parameters():
    parameter.register_post_accumulate_grad_hook(step_and_free)

losses = []
for step in range(60):
    x = torch.randn(64, 5)
    loss = nn.functional.mse_loss(model(x), x[:, :1] * x[:, 1:2])
    loss.backward()
    losses.append(loss.item())
    assert all(p.grad is None for p in model.parameters())

first, last = sum(losses[:10]) / 10, sum(losses[-10:]) / 10
print(f"{first:.3f} -> {last:.3f}")
assert last < 0.8 * first
