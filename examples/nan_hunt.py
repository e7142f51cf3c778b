"""A NaN to hunt: the loss looks well, one gradient is not, and a step later all is lost.

Try:
    b nan                   then c: stop at the first operation or node that makes a NaN
    w                       the path from the loss, and the line that made each node on it
    p grad_in               what arrived at that node
    p anchors - positives   is a distance zero?  the slope of sqrt at 0 is inf
"""

import torch
from torch import nn


def distance(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Euclidean distance, row by row."""
    return (left - right).square().sum(dim=1).sqrt()


def triplet_loss(anchors, positives, negatives, margin=1.0):
    """An anchor should be nearer to its positive than to its negative."""
    return (distance(anchors, positives) - distance(anchors, negatives) + margin).relu().mean()


torch.manual_seed(0)
people = torch.randn(10, 5)  # ten people, and what their pictures have in common
encoder = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 4))
optimizer = torch.optim.SGD(encoder.parameters(), lr=0.05)

first = people + 0.3 * torch.randn(10, 5)
second = people + 0.3 * torch.randn(10, 5)
second[6] = first[6]  # somebody handed in the same picture twice

for step in range(8):
    batch = torch.arange(2 * step, 2 * step + 2) % 10
    anchors = encoder(first[batch])
    positives = encoder(second[batch])
    negatives = encoder(first[(batch + 3) % 10])

    loss = triplet_loss(anchors, positives, negatives)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}  loss {loss.item():.4f}  |grad| {encoder[0].weight.grad.norm():.4f}")
