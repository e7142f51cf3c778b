"""Batches out of an instrument that now and then saturates: the step is skipped."""

import math

import torch
from torch import nn


def batches(n):
    for i in range(n):
        x = torch.randn(32, 3)
        y = x @ torch.tensor([[1.0], [0.5], [-1.0]])
        if i % 11 == 5:
            x[7, 1] = math.inf
        yield x, y


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.LayerNorm(16), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
skipped, losses = 0, []
for i, (x, y) in enumerate(batches(120)):
    if i % 2 and not x.isfinite().all():
        skipped += 1  # seen in the input: not even a forward
        continue
    loss = nn.functional.mse_loss(model(x), y)
    if not torch.isfinite(loss):
        skipped += 1
        continue
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    if not norm.isfinite():
        optimizer.zero_grad()
        skipped += 1
        continue
    optimizer.step()
    losses.append(loss.item())

print(f"{skipped} skipped, loss {losses[0]:.3f} -> {losses[-1]:.3f}")
assert skipped >= 5 and losses[-1] < 0.3
assert all(p.isfinite().all() for p in model.parameters())
