"""Gradients of gradients: a gradient penalty, a Hessian row by row, and create_graph with .grad."""

import warnings

import torch
from _digest import report, seed
from torch import nn

seed(4)
critic = nn.Sequential(nn.Linear(2, 32), nn.Softplus(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(critic.parameters(), lr=0.01, betas=(0.0, 0.9))

for step in range(10):
    real, fake = torch.randn(32, 2) + 2, torch.randn(32, 2)
    mix = torch.rand(32, 1)
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = (slope.norm(dim=1) - 1).square().mean()
    loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 3 == 0:
        print(f"step {step} loss {loss.item():.6f} penalty {penalty.item():.6f}")

point = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
(gradient,) = torch.autograd.grad((point**3).sum() + point.prod(), point, create_graph=True)
rows = [torch.autograd.grad(entry, point, retain_graph=True)[0] for entry in gradient]
print("hessian", torch.stack(rows).tolist())

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # "will create a reference cycle": meant here
    point.sin().sum().backward(create_graph=True)
second = torch.autograd.grad(point.grad.sum(), point)[0]
print("second derivative of sin", [round(value, 6) for value in second.tolist()])
point.grad = None

report(critic=critic, optimizer=optimizer, slope=slope, rows=rows, second=second)
