"""Reptile: the initial weights move towards what a copy has learnt."""

import copy

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))


def task():
    phase = torch.rand(1) * 1.5

    def sample(n):
        x = torch.rand(n, 1) * 6 - 3
        return x, torch.sin(x + phase)

    return sample


def adapt(initial, sample, steps=4):
    learner = copy.deepcopy(initial)
    optimizer = torch.optim.SGD(learner.parameters(), lr=0.05)
    for _ in range(steps):
        x, y = sample(20)
        optimizer.zero_grad()
        nn.functional.mse_loss(learner(x), y).backward()
        optimizer.step()
    return learner


def few_shot_error(trials=10):
    total = 0.0
    for _ in range(trials):
        sample = task()
        learner = adapt(model, sample)
        x, y = sample(100)
        with torch.no_grad():
            total += nn.functional.mse_loss(learner(x), y).item()
    return total / trials


before = few_shot_error()
for iteration in range(80):
    learner = adapt(model, task())
    with torch.no_grad():
        for p, q in zip(model.parameters(), learner.parameters(), strict=True):
            p += 0.3 * (q - p)
after = few_shot_error()
print(f"error after four steps: {before:.3f} -> {after:.3f}")
assert after < 0.8 * before
