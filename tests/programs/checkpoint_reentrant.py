"""Reentrant checkpointing: a backward inside the backward, with the dropout mask replayed."""

import torch
from _digest import report, seed
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

seed(1)
blocks = nn.ModuleList(
    nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Dropout(0.2)) for _ in range(4)
)
tail = nn.Sequential(*(nn.Sequential(nn.Linear(16, 16), nn.GELU()) for _ in range(4)))
optimizer = torch.optim.SGD([*blocks.parameters(), *tail.parameters()], lr=0.1, momentum=0.9)

for step in range(5):
    hidden = torch.randn(8, 16, requires_grad=True)
    inputs = hidden
    for block in blocks:
        hidden = checkpoint(block, hidden, use_reentrant=True)
    hidden = checkpoint_sequential(tail, 2, hidden, use_reentrant=True)
    loss = hidden.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.6f} input grad {inputs.grad.norm().item():.6f}")

report(blocks=blocks, tail=tail, optimizer=optimizer, inputs=inputs)
