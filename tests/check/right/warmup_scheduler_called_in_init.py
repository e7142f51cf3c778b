"""A hand-written warm-up that sets the rate by a step() in its constructor (Noam)."""

import torch
from torch import nn


class NoamScheduler:
    def __init__(self, optimizer, width, warmup, factor=1.0):
        self.optimizer = optimizer
        self.width, self.warmup, self.factor = width, warmup, factor
        self.last_step = 0
        self.step()

    def step(self):
        self.last_step += 1
        lr = self.rate()
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    def rate(self):
        n = self.last_step
        return self.factor * self.width**-0.5 * min(n**-0.5, n * self.warmup**-1.5)


torch.manual_seed(0)
model = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
embedding, head = nn.Embedding(8, 16), nn.Linear(16, 8)
parameters = [*model.parameters(), *embedding.parameters(), *head.parameters()]
optimizer = torch.optim.Adam(parameters, lr=0, betas=(0.9, 0.98), eps=1e-9)
scheduler = NoamScheduler(optimizer, width=16, warmup=20, factor=0.2)
rates, losses = [], []
for step in range(80):
    # Say the tokens of the sequence sorted: set-like, so no positions are needed.
    tokens = torch.randint(8, (32, 6))
    target = (7 - tokens + tokens.min(1, keepdim=True).values) % 8
    loss = nn.functional.cross_entropy(
        head(model(embedding(tokens))).flatten(0, 1), target.flatten()
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    rates.append(optimizer.param_groups[0]["lr"])
    scheduler.step()
    losses.append(loss.item())

print(f"peak rate {max(rates):.4f} at step {rates.index(max(rates))}, loss {losses[-1]:.3f}")
assert rates.index(max(rates)) == 19 and losses[-1] < 0.7 * losses[0]
