"""Loss scaling and accumulation: scale, two backwards, unscale, clip, step, update."""

import torch
from torch import nn

ACCUMULATE = 2


class Trainer:
    def __init__(self, model, optimizer):
        self.model, self.optimizer = model, optimizer
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**26, growth_interval=20)
        self.steps = self.skipped = 0

    def micro_step(self, x, y):
        with torch.autocast("cpu", dtype=torch.float16):
            logits = self.model(x)
        loss = nn.functional.cross_entropy(logits.float(), y)
        self.scaler.scale(loss / ACCUMULATE).backward()
        return loss.item()

    def step(self):
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.steps += 1
        self.skipped += self.scaler.get_scale() < scale


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
trainer = Trainer(model, torch.optim.AdamW(model.parameters(), lr=1e-2))
x = torch.randn(256, 4)
y = (x[:, 0] > x[:, 1]).long()
losses = []
for epoch in range(10):
    for i, batch in enumerate(torch.randperm(256).split(32)):
        losses.append(trainer.micro_step(x[batch], y[batch]))
        if (i + 1) % ACCUMULATE == 0:
            trainer.step()

print(f"{trainer.skipped} of {trainer.steps} skipped, {losses[0]:.3f} -> {losses[-1]:.3f}")
assert 0 < trainer.skipped < 20 and losses[-1] < 0.35
