"""Three optimizers: sparse embedding, dense body, and a head that steps every second batch."""

import torch
from torch import nn

torch.manual_seed(0)
embedding = nn.Embedding(50, 8, sparse=True)
body = nn.Sequential(nn.Linear(16, 32), nn.ReLU())
head = nn.Linear(32, 1)
optimizers = [
    torch.optim.SparseAdam(embedding.parameters(), lr=2e-2),
    torch.optim.AdamW(body.parameters(), lr=5e-3),
]
head_optimizer = torch.optim.SGD(head.parameters(), lr=0.05)
secret = torch.randn(50)
losses = []
for step in range(240):
    pair = torch.randint(50, (64, 2))
    target = (secret[pair[:, 0]] > secret[pair[:, 1]]).float()
    logits = head(body(embedding(pair).flatten(1))).squeeze(1)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, target)
    for optimizer in optimizers:
        optimizer.zero_grad()
    # The head's gradients are of two batches: halved where they are used.
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    if step % 2 == 1:
        for p in head.parameters():
            p.grad.div_(2)
        head_optimizer.step()
        head_optimizer.zero_grad()
    losses.append(loss.item())

first, last = sum(losses[:20]) / 20, sum(losses[-20:]) / 20
print(f"loss {first:.3f} -> {last:.3f}")
assert last < 0.5
