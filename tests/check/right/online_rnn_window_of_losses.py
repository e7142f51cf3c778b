"""Online learning of a stream: one tick at a time, a backward every eight ticks."""

import math

import torch
from torch import nn


class Online:
    def __init__(self, horizon=8, width=24):
        self.cell, self.head = nn.GRUCell(1, width), nn.Linear(width, 1)
        self.parameters = [*self.cell.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=1e-2)
        self.horizon, self.h, self.pending = horizon, torch.zeros(1, width), []
        self.prediction = None

    def tick(self, value):
        value = torch.tensor([[value]])
        error = None
        if self.prediction is not None:
            loss = nn.functional.mse_loss(self.prediction, value)
            self.pending.append(loss)
            error = loss.item()
        if len(self.pending) == self.horizon:
            self.learn()
        self.h = self.cell(value, self.h)
        self.prediction = self.head(self.h)
        return error

    def learn(self):
        self.optimizer.zero_grad()
        torch.stack(self.pending).mean().backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.pending.clear()
        # The prediction that would hang on the old weights has been scored already.
        self.h = self.h.detach()


torch.manual_seed(0)
online = Online()
errors = []
for t in range(800):
    error = online.tick(math.sin(0.5 * t) + 0.5 * math.sin(0.23 * t))
    if error is not None:
        errors.append(error)

first, last = sum(errors[:50]) / 50, sum(errors[-50:]) / 50
print(f"error {first:.4f} -> {last:.4f}")
assert last < 0.2 * first
