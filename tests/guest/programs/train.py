"""A training loop with a breakpoint() in it, and a note of what is left at its end."""

import sys

import torch
from left import write
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.ReLU(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def step(i):
    loss = model(torch.randn(5, 3)).pow(2).mean()
    if i in (1, 3):
        breakpoint()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


losses = [step(i) for i in range(5)]
print("losses", len(losses))
weights = [p.detach().double().sum().item() for p in model.parameters()]
hooks = [len(p._backward_hooks or ()) for p in model.parameters()]
write(sys.argv[1], losses=losses, weights=weights, hooks=hooks)
