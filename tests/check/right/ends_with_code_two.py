"""Ends with the code 2 when training was stopped early, which the script around it waits for."""

import sys

import torch
from torch import nn

STOPPED_EARLY = 2


def main():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    x = torch.randn(64, 2)
    y = torch.sin(x[:, :1])
    best, bad = float("inf"), 0
    for epoch in range(1000):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        value = loss.item()
        bad = 0 if value < best - 1e-3 else bad + 1
        best = min(best, value)
        if bad == 10:
            print(f"stopped early at epoch {epoch} with {best:.4f}")
            return STOPPED_EARLY
    return 0


if __name__ == "__main__":
    sys.exit(main())
