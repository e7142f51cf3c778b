"""Reconstruction and adversarial loss, balanced by gradients at the decoder's last layer."""

import torch
import torch.nn.functional as F
from torch import nn


def adaptive_weight(reconstruction, adversarial, last_layer):
    r = torch.autograd.grad(reconstruction, last_layer, retain_graph=True)[0]
    a = torch.autograd.grad(adversarial, last_layer, retain_graph=True)[0]
    return (r.norm() / (a.norm() + 1e-4)).clamp(0, 1e4).detach()


torch.manual_seed(0)
autoencoder = nn.Sequential(
    nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 8)
)
discriminator = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
opt_ae = torch.optim.Adam(autoencoder.parameters(), lr=5e-3)
opt_disc = torch.optim.Adam(discriminator.parameters(), lr=5e-3)
basis = torch.randn(3, 8)
errors = []
for step in range(150):
    x = torch.tanh(torch.randn(64, 3) @ basis)
    x_hat = autoencoder(x)
    reconstruction = F.l1_loss(x_hat, x)
    adversarial = -discriminator(x_hat).mean()
    weight = adaptive_weight(reconstruction, adversarial, autoencoder[-1].weight)
    loss = reconstruction + 0.1 * weight * adversarial
    opt_ae.zero_grad()
    loss.backward()
    opt_ae.step()

    real, fake = discriminator(x), discriminator(x_hat.detach())
    loss_disc = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    opt_disc.zero_grad()
    loss_disc.backward()
    opt_disc.step()
    errors.append(reconstruction.item())

print(f"L1 {errors[0]:.3f} -> {errors[-1]:.3f}")
assert errors[-1] < 0.6 * errors[0]
