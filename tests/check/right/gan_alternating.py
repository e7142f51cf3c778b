"""A GAN in one dimension: the generator learns the mean and spread of a Gaussian."""

import torch
from torch import nn

torch.manual_seed(1)
generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
discriminator = nn.Sequential(nn.Linear(1, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
opt_g = torch.optim.Adam(generator.parameters(), lr=5e-3, betas=(0.5, 0.99))
opt_d = torch.optim.Adam(discriminator.parameters(), lr=5e-3, betas=(0.5, 0.99))
criterion = nn.BCEWithLogitsLoss()
BATCH = 64
ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

for step in range(250):
    real = torch.randn(BATCH, 1) * 0.5 + 3
    fake = generator(torch.randn(BATCH, 4))

    opt_d.zero_grad()
    loss_d = criterion(discriminator(real), ones) + criterion(discriminator(fake.detach()), zeros)
    loss_d.backward()
    opt_d.step()

    # The same fakes once more, through the discriminator as it is now.
    opt_g.zero_grad()
    loss_g = criterion(discriminator(fake), ones)
    loss_g.backward()
    opt_g.step()

    if step % 50 == 0:
        print(f"{step:3d}  d {loss_d.item():.3f}  g {loss_g.item():.3f}")

with torch.no_grad():
    samples = generator(torch.randn(1000, 4))
print(f"mean {samples.mean():.2f}, std {samples.std():.2f}")
assert abs(samples.mean().item() - 3) < 1.0
