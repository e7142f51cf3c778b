"""Lookahead around Adam, decoupled weight decay by hand, gradient noise that fades."""

import torch
from torch import nn


class Lookahead:
    def __init__(self, base, k=5, alpha=0.5):
        self.base, self.k, self.alpha, self.count = base, k, alpha, 0
        self.slow = [[p.detach().clone() for p in g["params"]] for g in base.param_groups]

    def zero_grad(self):
        self.base.zero_grad()

    @torch.no_grad()
    def step(self):
        self.base.step()
        self.count += 1
        if self.count % self.k:
            return
        for group, slow in zip(self.base.param_groups, self.slow):
            for p, s in zip(group["params"], slow):
                s.add_(p - s, alpha=self.alpha)
                p.copy_(s)


@torch.no_grad()
def decay(model, amount):
    for p in model.parameters():
        if p.ndim > 1:
            p.mul_(1 - amount)


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = Lookahead(torch.optim.Adam(model.parameters(), lr=2e-2))
losses = []
for step in range(150):
    x = torch.randn(64, 3)
    loss = nn.functional.mse_loss(model(x), (x[:, :1] - x[:, 1:2]).sin())
    optimizer.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.grad += torch.randn_like(p) * (0.01 / (1 + step)) ** 0.5 * 0.1
    decay(model, 1e-4)
    optimizer.step()
    losses.append(loss.item())

print(f"{losses[0]:.3f} -> {losses[-1]:.3f}")
assert losses[-1] < 0.3 * losses[0]
