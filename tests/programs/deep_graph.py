"""A chain of 100,000 nodes: walked, run backward and freed without a word, as torch alone does."""

import torch
from _digest import report, seed

DEPTH = 100_000

seed(21)
scale = torch.tensor([0.5, 1.0, 1.5], requires_grad=True)
value = scale
for _ in range(DEPTH):
    value = value + 1e-5
loss = value.square().sum()
loss.backward()
print(f"loss {loss.item():.4f}")
del value, loss  # frees the whole chain

report(scale=scale)
