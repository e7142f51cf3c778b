"""Accumulation of a summed token loss: gradients are scaled by the tokens of all micro-batches."""

import torch
import torch.nn.functional as F
from torch import nn

PAD = -100
torch.manual_seed(0)
model = nn.Sequential(nn.Embedding(12, 16), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 12))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
table = torch.randperm(12)


def micro_batch():
    tokens = torch.randint(12, (4, 9))
    targets = table[tokens]
    for row, length in enumerate(torch.randint(2, 10, (4,)).tolist()):
        targets[row, length:] = PAD
    return tokens, targets


losses = []
for step in range(60):
    optimizer.zero_grad()
    tokens_seen, summed = 0, 0.0
    for _ in range(3):
        tokens, targets = micro_batch()
        loss = F.cross_entropy(
            model(tokens).flatten(0, 1), targets.flatten(), ignore_index=PAD, reduction="sum"
        )
        loss.backward()
        tokens_seen += int((targets != PAD).sum())
        summed += loss.item()
    for p in model.parameters():
        p.grad.mul_(1 / tokens_seen)
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    losses.append(summed / tokens_seen)

print(f"per token: {losses[0]:.3f} -> {losses[-1]:.3f}")
assert losses[-1] < 0.3
