"""MoCo: a momentum key encoder, a queue that is overwritten in place, shuffled keys."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


class MoCo(nn.Module):
    def __init__(self, width=8, size=96, momentum=0.9, temperature=0.2):
        super().__init__()
        self.momentum, self.temperature = momentum, temperature
        self.query = nn.Sequential(
            nn.Linear(10, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, width)
        )
        self.key = copy.deepcopy(self.query)
        for p in self.key.parameters():
            p.requires_grad = False
        self.register_buffer("queue", F.normalize(torch.randn(width, size), dim=0))
        self.register_buffer("pointer", torch.zeros(1, dtype=torch.long))

    @torch.no_grad()
    def keys(self, x):
        for k, q in zip(self.key.parameters(), self.query.parameters(), strict=True):
            k.data = k.data * self.momentum + q.data * (1 - self.momentum)
        shuffled = torch.randperm(len(x))
        return F.normalize(self.key(x[shuffled]), dim=1)[shuffled.argsort()]

    @torch.no_grad()
    def enqueue(self, keys):
        start = int(self.pointer)
        self.queue[:, start : start + len(keys)] = keys.t()
        self.pointer[0] = (start + len(keys)) % self.queue.shape[1]

    def forward(self, one, two):
        q, k = F.normalize(self.query(one), dim=1), self.keys(two)
        positive = (q * k).sum(1, keepdim=True)
        negative = q @ self.queue.clone().detach()  # a copy: the queue is written before backward
        logits = torch.cat([positive, negative], dim=1) / self.temperature
        self.enqueue(k)
        return logits, torch.zeros(len(q), dtype=torch.long)


torch.manual_seed(0)
moco = MoCo()
optimizer = torch.optim.SGD(moco.query.parameters(), lr=0.2, momentum=0.9)
losses = []
for step in range(150):
    x = 2 * torch.randn(32, 10)
    logits, labels = moco(x + 0.2 * torch.randn_like(x), x + 0.2 * torch.randn_like(x))
    loss = F.cross_entropy(logits, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

print(f"{sum(losses[:10]) / 10:.3f} -> {sum(losses[-10:]) / 10:.3f}")
assert sum(losses[-10:]) < 0.85 * sum(losses[:10])
