"""A VAE on a ring: reparameterized samples, KL in closed form with warm-up."""

import torch
import torch.nn.functional as F
from torch import nn


class VAE(nn.Module):
    def __init__(self, inputs=4, latent=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(inputs, 32), nn.Tanh(), nn.Linear(32, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 32), nn.Tanh(), nn.Linear(32, inputs))
        self.latent = latent

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        z = mean
        if self.training:
            z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        return self.decoder(z), mean, log_variance

    @torch.no_grad()
    def sample(self, n):
        return self.decoder(torch.randn(n, self.latent))


def sample_data(n):
    angle = torch.rand(n, 1) * 6.283
    return torch.cat([angle.cos(), angle.sin(), (2 * angle).cos(), (2 * angle).sin()], 1)


torch.manual_seed(0)
vae = VAE()
optimizer = torch.optim.Adam(vae.parameters(), lr=5e-3)
STEPS = 250
for step in range(STEPS):
    vae.train()
    x = sample_data(64)
    reconstruction, mean, log_variance = vae(x)
    mse = F.mse_loss(reconstruction, x, reduction="sum") / len(x)
    kl = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
    beta = min(1.0, step / 100) * 0.05  # exactly 0 at the first step
    loss = mse + beta * kl
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

vae.eval()
with torch.no_grad():
    x = sample_data(500)
    error = F.mse_loss(vae(x)[0], x).item()
radius = vae.sample(500)[:, :2].norm(dim=1)
print(f"error {error:.4f}, kl {kl.item():.2f}, radius of the samples {radius.mean():.2f}")
assert error < 0.1 and 0.5 < radius.mean() < 1.3
