"""Mixed precision on the CPU: bfloat16 inside autocast, a gradient scaler outside."""

import torch
import torch.nn.functional as F
from _digest import report, seed
from torch import nn

seed(9)
model = nn.Sequential(
    nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 3)
)
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
images, labels = torch.randn(16, 1, 8, 8), torch.randint(3, (16,))

for step in range(8):
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(images)
        with torch.autocast("cpu", enabled=False):
            loss = F.cross_entropy(logits.float(), labels)
    if step == 5:
        loss = loss * float("inf")  # the scaler must skip this step
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    print(f"step {step} loss {loss.item():.6f} {logits.dtype} scale {scaler.get_scale():g}")

report(model=model, optimizer=optimizer, logits=logits, scaler=scaler.state_dict())
