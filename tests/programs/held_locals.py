"""A function that keeps what ``locals()`` gave it, as code that logs its configuration does."""

import torch
from _digest import report, seed
from torch import nn


def train(lr: float = 0.1, steps: int = 3) -> None:
    """Train, and print the configuration at the end."""
    config = locals()
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).square().sum().backward()
        optimizer.step()
    print("lr", config["lr"], "steps", config["steps"])
    report(model=model, optimizer=optimizer)


seed(0)
train()
