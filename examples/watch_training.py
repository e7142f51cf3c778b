"""A training that watches its own gradients, and stops where one becomes NaN.

Try:
    c                      on to the backward after which the watch finds NaN
    p step, distance.min() a pair of equal points: the slope of a root is infinite at zero
    p seen                 what was seen so far; in a notebook 'seen' alone draws the table
    p seen.rows[0].why     which number says so
"""

import torch
from torch import nn

import gradrepl

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
optimizer = torch.optim.AdamW(encoder.parameters(), lr=0.01)

with gradrepl.watch(encoder, stop="verdict nan") as seen:
    for step in range(20):
        points = torch.randn(32, 4)
        near = points + 0.1 * torch.randn(32, 4)
        if step == 12:
            near[7] = points[7]
        distance = (encoder(points) - encoder(near)).square().sum(1).sqrt()
        loss = distance.mean() - distance.roll(1).detach().mean() + distance.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

print(seen)
