"""Ends with an exception that nobody catches: status 1 and a traceback on stderr."""

import torch
from _digest import report, seed
from torch import nn

seed(16)
model = nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def evaluate(features):
    return model(features).softmax(dim=1)


for step in range(3):
    loss = model(torch.randn(4, 3)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.6f}")

report(model=model, optimizer=optimizer)
evaluate(torch.randn(4, 5))  # the wrong width
