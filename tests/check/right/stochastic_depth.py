"""A residual net with stochastic depth: blocks are dropped in training, scaled in evaluation."""

import random

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width, survival):
        super().__init__()
        self.survival = survival
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU())

    def forward(self, x):
        if self.training:
            return x + self.body(x) if random.random() < self.survival else x
        return x + self.survival * self.body(x)


random.seed(4)
torch.manual_seed(4)
net = nn.Sequential(
    nn.Linear(5, 16), *(Block(16, 1 - 0.15 * i) for i in range(4)), nn.Linear(16, 2)
)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
x = torch.randn(400, 5)
y = (x[:, 0] * x[:, 1] > 0).long()
for epoch in range(12):
    net.train()
    for batch in torch.randperm(400).split(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        accuracy = (net(x).argmax(1) == y).float().mean().item()
    if epoch % 4 == 3:
        print(f"epoch {epoch}: accuracy {accuracy:.3f}")

assert accuracy > 0.85
