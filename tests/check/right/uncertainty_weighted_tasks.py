"""Homoscedastic uncertainty: a learnt weight for each of two tasks of very different size."""

import torch
from torch import nn


class Weighted(nn.Module):
    def __init__(self, tasks):
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(tasks))

    def forward(self, losses):
        losses = torch.stack(losses)
        return (torch.exp(-self.log_variance) * losses + self.log_variance).sum()


torch.manual_seed(0)
trunk = nn.Sequential(nn.Linear(3, 32), nn.Tanh())
large, small = nn.Linear(32, 1), nn.Linear(32, 1)
weighted = Weighted(2)
modules = nn.ModuleList([trunk, large, small, weighted])
optimizer = torch.optim.Adam(modules.parameters(), lr=2e-2)
history = []
for step in range(300):
    x = torch.randn(64, 3)
    h = trunk(x)
    losses = [
        nn.functional.mse_loss(large(h), 10 * x[:, :1] + torch.randn(64, 1)),
        nn.functional.mse_loss(small(h), 0.1 * x[:, 1:2] + 0.01 * torch.randn(64, 1)),
    ]
    loss = weighted(losses)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append([part.item() for part in losses])

deviation = (0.5 * weighted.log_variance.detach()).exp().tolist()
print(f"losses {history[0]} -> {history[-1]}, deviations {deviation}, total {loss.item():.2f}")
assert history[-1][0] < 0.1 * history[0][0] and deviation[0] > 2 * deviation[1]
