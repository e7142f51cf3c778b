"""Replay in a numpy ring buffer: sampled batches are copies, the staging tensor is refilled."""

import numpy as np
import torch
from torch import nn


class Ring:
    def __init__(self, capacity, width):
        self.x = np.zeros((capacity, width), dtype=np.float32)
        self.y = np.zeros((capacity, 1), dtype=np.float32)
        self.capacity, self.size, self.head = capacity, 0, 0

    def add(self, x, y):
        self.x[self.head], self.y[self.head] = x, y
        self.head = (self.head + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def sample(self, n, rng):
        index = rng.integers(self.size, size=n)
        return torch.from_numpy(self.x[index]), torch.from_numpy(self.y[index])


rng = np.random.default_rng(0)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
ring = Ring(300, 3)
staging = torch.empty(1, 3)  # one observation, the same memory all the time
losses = []
for t in range(500):
    observation = rng.normal(size=3).astype(np.float32)
    staging[0] = torch.from_numpy(observation)
    with torch.no_grad():
        guess = model(staging).item()
    truth = float(np.abs(observation).sum())
    ring.add(observation, truth)
    if t < 100 or t % 4:
        continue
    x, y = ring.sample(64, rng)
    prediction = model(x)
    ring.add(observation * 0.5, truth * 0.5)  # the ring changes between forward and backward
    loss = nn.functional.mse_loss(prediction, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

print(f"{losses[0]:.3f} -> {losses[-1]:.3f}, last guess {guess:.2f} of {truth:.2f}")
assert losses[-1] < 0.3 * losses[0]
