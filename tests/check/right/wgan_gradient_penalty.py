"""WGAN-GP in two dimensions."""

import torch
from torch import nn

torch.manual_seed(0)


def gradient_penalty(critic, real, fake):
    alpha = torch.rand(len(real), 1)
    mixed = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
    score = critic(mixed)
    (gradient,) = torch.autograd.grad(score, mixed, torch.ones_like(score), create_graph=True)
    return ((gradient.norm(2, dim=1) - 1) ** 2).mean()


G = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
D = nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 1))
opt_g = torch.optim.Adam(G.parameters(), lr=5e-3, betas=(0.0, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=5e-3, betas=(0.0, 0.9))
center = torch.tensor([1.5, -1.0])

for step in range(60):
    for _ in range(3):
        real = center + 0.2 * torch.randn(64, 2)
        fake = G(torch.randn(64, 2)).detach()
        loss_d = D(fake).mean() - D(real).mean() + 10 * gradient_penalty(D, real, fake)
        opt_d.zero_grad(set_to_none=True)
        loss_d.backward()
        opt_d.step()
    loss_g = -D(G(torch.randn(64, 2))).mean()
    opt_g.zero_grad(set_to_none=True)
    loss_g.backward()
    opt_g.step()

with torch.no_grad():
    distance = (G(torch.randn(500, 2)).mean(0) - center).norm().item()
print(f"distance {distance:.3f}")
assert distance < 0.8
