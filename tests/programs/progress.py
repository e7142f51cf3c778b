"""A progress bar by hand: carriage returns on stderr, without newlines, while stdout is quiet."""

import sys

import torch
from _digest import report, seed
from torch import nn

seed(18)
model = nn.Sequential(nn.Linear(4, 16), nn.SiLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=40)

for step in range(40):
    inputs = torch.randn(16, 4)
    loss = (model(inputs) - inputs.prod(dim=1, keepdim=True)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    done = (step + 1) * 20 // 40
    sys.stderr.write(f"\r{step + 1:3}/40 |{'#' * done:<20}| loss {loss.item():.4f}")
    sys.stderr.flush()
sys.stderr.write("\n")
sys.stdout.write("no newline yet")
sys.stdout.flush()
sys.stdout.write(", here it comes\n")

print(f"last rate {scheduler.get_last_lr()[0]:.3e}")
report(model=model, optimizer=optimizer)
