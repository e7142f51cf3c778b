"""Ends with sys.exit(3) from inside a function; cleaning up and atexit come before and after."""

import atexit
import sys

import torch
from _digest import report, seed
from torch import nn

seed(17)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
atexit.register(print, "atexit ran", file=sys.stderr)


def train():
    for step in range(100):
        loss = model(torch.ones(4, 3)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {step} loss {loss.item():.6g}")
        if loss > 1e6:
            print("diverged")
            sys.exit(3)


try:
    train()
finally:
    report(model=model, optimizer=optimizer)
