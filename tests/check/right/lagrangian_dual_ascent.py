"""Constrained training: dual ascent on the mean prediction of one group."""

import torch
from torch import nn


class Multiplier:
    def __init__(self, rate, limit):
        self.value, self.rate, self.limit = 0.0, rate, limit

    def update(self, violation):
        self.value = min(self.limit, max(0.0, self.value + self.rate * violation))


torch.manual_seed(0)
N = 400
group = torch.randint(2, (N,))
x = torch.cat([torch.randn(N, 3), group.float().unsqueeze(1)], 1)
y = (x[:, 0] + 1.2 * x[:, 3] - 0.6 + 0.3 * torch.randn(N) > 0).float()
model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
multiplier = Multiplier(rate=0.05, limit=10.0)


def gap_of(logits):
    p = torch.sigmoid(logits)
    return (p[group == 1].mean() - p[group == 0].mean()).abs()


gaps = []
for step in range(250):
    logits = model(x).squeeze(1)
    error = nn.functional.binary_cross_entropy_with_logits(logits, y)
    violation = gap_of(logits) - 0.05
    loss = error
    if step >= 100:
        loss = error + multiplier.value * violation
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step >= 100:
        multiplier.update(violation.item())
    gaps.append(violation.item() + 0.05)

print(f"gap {gaps[99]:.3f} -> {gaps[-1]:.3f}, multiplier {multiplier.value:.2f}")
assert gaps[99] > 0.2 and gaps[-1] < 0.12
