"""DETR-like set prediction: the assignment is found outside of torch, the loss is inside."""

from itertools import permutations

import torch
from torch import nn

SLOTS = 3


def match(cost):
    """The permutation of targets with the smallest cost, by trying them all."""
    rows = cost.tolist()
    orders = permutations(range(SLOTS))
    return min(orders, key=lambda order: sum(rows[i][j] for i, j in enumerate(order)))


class SetNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.queries = nn.Parameter(torch.randn(SLOTS, 64))
        self.head = nn.Linear(64, 1)

    def forward(self, x):
        h = self.body(x).unsqueeze(1) + self.queries
        return self.head(torch.relu(h)).squeeze(-1)


def batch(n):
    points = torch.rand(n, SLOTS) * 2 - 1
    grid = torch.linspace(-1, 1, 12)
    signal = torch.exp(-20 * (grid - points.unsqueeze(2)) ** 2).sum(1)
    return signal, points


torch.manual_seed(0)
net = SetNet()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
losses = []
for step in range(150):
    signal, points = batch(32)
    predicted = net(signal)
    cost = (predicted.detach().unsqueeze(2) - points.unsqueeze(1)).abs()
    order = torch.tensor([match(c) for c in cost])
    loss = nn.functional.l1_loss(predicted, points.gather(1, order))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

print(f"{losses[0]:.3f} -> {losses[-1]:.3f}")
assert losses[-1] < 0.5 * losses[0]
