"""Truncated backpropagation through time: an LSTM follows a sine, in windows of 20."""

import math

import torch
from torch import nn


class Follower(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x, state=None):
        out, state = self.lstm(x, state)
        return self.head(out), state


def repackage(state):
    """Wraps hidden states in new tensors, to detach them from their history."""
    if isinstance(state, torch.Tensor):
        return state.detach()
    return tuple(repackage(v) for v in state)


torch.manual_seed(0)
model = Follower()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
t = torch.arange(0, 400 + 1) * (2 * math.pi / 25)
series = torch.sin(t).view(1, -1, 1)
WINDOW = 20

for epoch in range(4):
    state, total = None, 0.0
    for start in range(0, 400, WINDOW):
        x = series[:, start : start + WINDOW]
        y = series[:, start + 1 : start + WINDOW + 1]
        if state is not None:
            state = repackage(state)
        prediction, state = model(x, state)
        loss = nn.functional.mse_loss(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch}: {total / 20:.4f}")

assert total / 20 < 0.1
