"""Mixed precision on the CPU with a scale that is far too large at the start."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=60)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24, growth_interval=100)
x = torch.randn(128, 8)
y = x[:, :1] * 2 + x[:, 1:2].abs()
skipped, losses = 0, []
for step in range(60):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.float16):
        prediction = model(x)
    loss = nn.functional.mse_loss(prediction.float(), y)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), 10.0)
    before = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    if scaler.get_scale() < before:
        skipped += 1
    else:
        scheduler.step()
    losses.append(loss.item())

print(f"skipped {skipped}, scale {scaler.get_scale():.0f}, {losses[0]:.3f} -> {losses[-1]:.3f}")
assert 0 < skipped < 20
assert losses[-1] < 0.3 * losses[0]
