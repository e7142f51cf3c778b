"""Linear warm-up from zero, and groups with their own learning rates."""

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 1))
decay = [p for p in model.parameters() if p.ndim > 1]
rest = [p for p in model.parameters() if p.ndim <= 1]
optimizer = torch.optim.AdamW(
    [
        {"params": decay, "weight_decay": 0.01, "lr": 1e-2},
        {"params": rest, "weight_decay": 0.0, "lr": 1e-4},
    ]
)
WARMUP, TOTAL = 10, 120


def factor(step):
    if step < WARMUP:
        return step / WARMUP
    return max(0.0, (TOTAL - step) / (TOTAL - WARMUP))


scheduler = LambdaLR(optimizer, factor)
x = torch.randn(128, 6)
y = torch.sin(x.sum(1, keepdim=True))
losses = []
for step in range(TOTAL):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    losses.append(loss.item())

print(f"{losses[0]:.4f} {losses[1]:.4f} ... {losses[-1]:.4f}")
assert losses[0] == losses[1]
assert losses[-1] < 0.5 * losses[0]
