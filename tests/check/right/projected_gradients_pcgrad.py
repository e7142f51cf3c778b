"""PCGrad: conflicting gradients of tasks are projected on one another, heads not shared."""

import random

import torch
from torch import nn

random.seed(0)
torch.manual_seed(0)
trunk = nn.Sequential(nn.Linear(4, 32), nn.ReLU())
heads = nn.ModuleList(nn.Linear(32, 1) for _ in range(3))
parameters = [*trunk.parameters(), *heads.parameters()]
optimizer = torch.optim.Adam(parameters, lr=5e-3)


def flat_gradient(loss, last):
    gradients = torch.autograd.grad(loss, parameters, retain_graph=not last, allow_unused=True)
    filled = [
        torch.zeros_like(p) if g is None else g for g, p in zip(gradients, parameters, strict=True)
    ]
    return torch.cat([g.flatten() for g in filled])


def project(gradients):
    out = []
    for i, gradient in enumerate(gradients):
        g = gradient.clone()
        others = [j for j in range(len(gradients)) if j != i]
        random.shuffle(others)
        for j in others:
            dot = g @ gradients[j]
            if dot < 0:
                g -= dot / gradients[j].square().sum().clamp_min(1e-12) * gradients[j]
        out.append(g)
    return torch.stack(out).mean(0)


history = []
for step in range(120):
    x = torch.randn(64, 4)
    targets = [x[:, :1].abs(), -x[:, :1].abs() + x[:, 1:2], x[:, 2:3].relu()]
    h = trunk(x)
    losses = [nn.functional.mse_loss(head(h), y) for head, y in zip(heads, targets, strict=True)]
    gradients = [flat_gradient(loss, i == 2) for i, loss in enumerate(losses)]
    combined = project(gradients)
    for p, g in zip(parameters, combined.split([p.numel() for p in parameters]), strict=True):
        p.grad = g.view_as(p)
    optimizer.step()
    history.append([loss.item() for loss in losses])

print("first", [round(v, 3) for v in history[0]], "last", [round(v, 3) for v in history[-1]])
assert all(b < 0.5 * a for a, b in zip(history[0], history[-1], strict=True))
