"""A PINN for u'' = -u with u(0) = 0 and u'(0) = 1."""

import math

import torch
from torch import nn


def derivative(u, t):
    return torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]


torch.manual_seed(0)
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
zero = torch.zeros(1, 1, requires_grad=True)

for step in range(250):
    t = (torch.rand(48, 1) * math.pi).requires_grad_()
    u = net(t)
    residual = derivative(derivative(u, t), t) + u
    start = net(zero)
    initial = start.square() + (derivative(start, zero) - 1).square()
    loss = residual.square().mean() + 5 * initial.sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    zero.grad = None  # the input gathers a gradient that nobody wants

with torch.no_grad():
    t = torch.linspace(0, math.pi, 50).unsqueeze(1)
    error = (net(t) - torch.sin(t)).abs().max().item()
print(f"loss {loss.item():.5f}, largest error {error:.3f}")
assert error < 0.25
