"""Adversarial training: PGD for the inputs, then a step for the weights; FGSM to look at."""

import torch
import torch.nn.functional as F
from torch import nn

EPSILON, ALPHA, ITERATIONS = 0.15, 0.06, 4


def fgsm(model, x, y):
    x = x.clone().requires_grad_(True)
    F.cross_entropy(model(x), y).backward()
    return (x + EPSILON * x.grad.sign()).detach()


def pgd(model, x, y):
    delta = torch.empty_like(x).uniform_(-EPSILON, EPSILON).requires_grad_(True)
    for _ in range(ITERATIONS):
        loss = F.cross_entropy(model(x + delta), y)
        (gradient,) = torch.autograd.grad(loss, delta)
        with torch.no_grad():
            delta += ALPHA * gradient.sign()
            delta.clamp_(-EPSILON, EPSILON)
    return (x + delta).detach()


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.rand(512, 2) * 2 - 1
y = (x[:, 0] > 0.5 * x[:, 1]).long()
far = (x[:, 0] - 0.5 * x[:, 1]).abs() > 0.25
x, y = x[far], y[far]
for epoch in range(6):
    for batch in torch.randperm(len(x)).split(64):
        adversarial = pgd(model, x[batch], y[batch])
        loss = F.cross_entropy(model(adversarial), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

attacked = fgsm(model, x, y)
model.zero_grad()  # fgsm left gradients behind
with torch.no_grad():
    clean = (model(x).argmax(1) == y).float().mean().item()
    robust = (model(attacked).argmax(1) == y).float().mean().item()
print(f"clean {clean:.3f}, attacked {robust:.3f}")
assert clean > 0.95 and robust > 0.85
