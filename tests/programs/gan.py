"""Two models and two optimizers; a loss that crosses one model to reach the other."""

import torch
import torch.nn.functional as F
from _digest import report, seed
from torch import nn

seed(5)
generator = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
critic = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2, inplace=True), nn.Linear(16, 1))
generator_optimizer = torch.optim.Adam(generator.parameters(), lr=0.002, betas=(0.5, 0.999))
critic_optimizer = torch.optim.RMSprop(critic.parameters(), lr=0.002)

for step in range(15):
    real = torch.randn(32, 2) * 0.5 + 3
    fake = generator(torch.randn(32, 4))

    critic_optimizer.zero_grad()
    critic_loss = F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean()
    critic_loss.backward()
    critic_optimizer.step()

    generator_optimizer.zero_grad()
    critic.requires_grad_(False)
    generator_loss = F.softplus(-critic(fake)).mean()
    generator_loss.backward()
    generator_optimizer.step()
    critic.requires_grad_(True)
    if step % 5 == 0:
        print(f"step {step} critic {critic_loss.item():.6f} generator {generator_loss.item():.6f}")

report(
    generator=generator,
    critic=critic,
    generator_optimizer=generator_optimizer,
    critic_optimizer=critic_optimizer,
)
