"""Greedy local learning: no gradient passes from block to block."""

import torch
from torch import nn


class LocalBlock(nn.Module):
    def __init__(self, inputs, width, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU())
        self.probe = nn.Linear(width, classes)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=5e-3)

    def learn(self, x, y):
        h = self.body(x)
        loss = nn.functional.cross_entropy(self.probe(h), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return h.detach(), loss.item()


torch.manual_seed(0)
x = torch.randn(400, 4)
y = (x[:, 0] * x[:, 1] > 0).long() + 2 * (x[:, 2] > x[:, 3]).long()
blocks = nn.ModuleList([LocalBlock(4, 48, 4), LocalBlock(48, 48, 4), LocalBlock(48, 48, 4)])

for epoch in range(8):
    blocks.train()
    for batch in torch.randperm(400).split(50):
        h, losses = x[batch], []
        for block in blocks:
            h, loss = block.learn(h, y[batch])
            losses.append(loss)

blocks.eval()
with torch.no_grad():
    h, accuracies = x, []
    for block in blocks:
        h = block.body(h)
        accuracies.append((block.probe(h).argmax(1) == y).float().mean().item())
print("accuracy by depth:", [round(a, 3) for a in accuracies])
assert accuracies[-1] > 0.8
