"""What torch refuses to look at: views gone stale under no_grad, parameters that are not yet there.

Of these `grad_fn`, `is_leaf` and `shape` raise. A program that never asks must not hear of it.
"""

import torch
from _digest import report, seed
from torch import nn

seed(29)
embedding = nn.Embedding(7, 4, padding_idx=0)  # fills a row of a parameter under no_grad
square = nn.Linear(4, 4)
nn.init.orthogonal_(square.weight)
lazy = nn.Sequential(nn.LazyLinear(5), nn.LazyBatchNorm1d(), nn.Hardswish(), nn.LazyLinear(2))
print(lazy[0].weight, lazy[0].has_uninitialized_params())
lazy(torch.zeros(3, 4))
with torch.no_grad():
    first_row = square.weight[0]
    first_row.mul_(0.5)  # in reach, and stale, at every stop from here on
print(first_row.shape, first_row.grad, first_row.requires_grad, first_row.retains_grad)
asked = (
    lambda: first_row.is_leaf,
    lambda: first_row.grad_fn,
    lambda: first_row.backward(torch.ones(4)),
)
for ask in asked:
    try:
        print(ask())
    except RuntimeError as error:
        print("refused:", str(error)[:45])
optimizer = torch.optim.SGD(
    [*embedding.parameters(), *square.parameters(), *lazy.parameters()], 0.1
)

for step in range(3):
    words = torch.randint(7, (6, 3))
    loss = lazy(square(embedding(words)).mean(1)).square().mean() + square.weight.norm()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.6f} row {first_row.detach().norm().item():.6f}")

report(embedding=embedding, square=square, lazy=lazy, first_row=first_row.detach())
