"""Pseudo-labels and training in bfloat16: no_grad and grad forwards are in regions apart."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
body = nn.Sequential(nn.Linear(2, 48), nn.GELU(), nn.Linear(48, 48), nn.GELU())
head = nn.Linear(48, 2)


def parameters():
    return itertools.chain(body.parameters(), head.parameters())


def rings(n):
    y = torch.randint(2, (n,))
    angle = 6.283 * torch.rand(n)
    radius = 1.0 + y + 0.15 * torch.randn(n)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1), y


optimizer = torch.optim.AdamW(parameters(), lr=5e-3)
labelled, labels = rings(60)
unlabelled, _ = rings(600)
for step in range(120):
    batch = unlabelled[torch.randint(600, (64,))]
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        confidence, pseudo = head(body(batch)).float().softmax(1).max(1)
    # A new region: the casts of the weights above were made without a graph.
    with torch.autocast("cpu", dtype=torch.bfloat16):
        supervised = F.cross_entropy(head(body(labelled)), labels)
        each = F.cross_entropy(
            head(body(batch + 0.05 * torch.randn_like(batch))), pseudo, reduction="none"
        )
        loss = supervised + 0.3 * (each * (confidence > 0.9)).mean()
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(parameters(), 1.0)
    assert norm > 0
    optimizer.step()

with torch.no_grad():
    x, y = rings(500)
    accuracy = (head(body(x)).argmax(1) == y).float().mean().item()
print(f"loss {loss.item():.3f}, accuracy {accuracy:.3f}")
assert accuracy > 0.9
