"""Hinge GAN that switches the critic's requires_grad off for the generator's turn."""

import torch
import torch.nn.functional as F
from torch import nn


def set_requires_grad(net, flag):
    for parameter in net.parameters():
        parameter.requires_grad_(flag)


torch.manual_seed(0)
G = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 2))
D = nn.Sequential(nn.Linear(2, 24), nn.LeakyReLU(0.2), nn.Linear(24, 1))
opt_G = torch.optim.Adam(G.parameters(), lr=4e-3, betas=(0.5, 0.9))
opt_D = torch.optim.Adam(D.parameters(), lr=4e-3, betas=(0.5, 0.9))
center = torch.tensor([2.0, -1.0])

for step in range(200):
    set_requires_grad(D, True)
    real = center + 0.3 * torch.randn(64, 2)
    with torch.no_grad():
        fake = G(torch.randn(64, 2))
    loss_D = F.relu(1 - D(real)).mean() + F.relu(1 + D(fake)).mean()
    opt_D.zero_grad(set_to_none=True)
    loss_D.backward()
    opt_D.step()

    set_requires_grad(D, False)
    loss_G = -D(G(torch.randn(64, 2))).mean()
    opt_G.zero_grad(set_to_none=True)
    loss_G.backward()
    opt_G.step()

with torch.no_grad():
    distance = (G(torch.randn(500, 2)).mean(0) - center).norm()
print("distance of the means:", round(distance.item(), 3))
assert distance < 1.5
