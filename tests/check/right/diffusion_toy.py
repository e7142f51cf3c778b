"""A diffusion model in two dimensions: noise prediction, EMA weights for the sampling."""

import copy

import torch
from torch import nn


class Denoiser(nn.Module):
    def __init__(self, steps=20):
        super().__init__()
        beta = torch.linspace(1e-3, 0.3, steps)
        self.register_buffer("beta", beta)
        self.register_buffer("bar", torch.cumprod(1 - beta, 0))
        self.time = nn.Embedding(steps, 16)
        self.inputs = nn.Linear(2, 64)
        self.shift = nn.Linear(16, 64)
        self.out = nn.Sequential(nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 2))

    def forward(self, x, t):
        return self.out(self.inputs(x) + self.shift(self.time(t)))

    def loss(self, x):
        t = torch.randint(len(self.beta), (len(x),))
        noise = torch.randn_like(x)
        bar = self.bar[t].unsqueeze(1)
        return nn.functional.mse_loss(self(bar.sqrt() * x + (1 - bar).sqrt() * noise, t), noise)

    @torch.no_grad()
    def sample(self, n):
        x = torch.randn(n, 2)
        for t in reversed(range(len(self.beta))):
            beta, bar = self.beta[t], self.bar[t]
            noise = self(x, torch.full((n,), t))
            x = (x - beta / (1 - bar).sqrt() * noise) / (1 - beta).sqrt()
            if t > 0:
                x += beta.sqrt() * torch.randn_like(x)
        return x


torch.manual_seed(0)
model = Denoiser()
average = copy.deepcopy(model).requires_grad_(False).eval()
optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
centers = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
for step in range(300):
    x = centers[torch.randint(2, (128,))] + 0.1 * torch.randn(128, 2)
    loss = model.loss(x)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        decay = min(0.98, (1 + step) / (10 + step))
        for a, p in zip(average.parameters(), model.parameters(), strict=True):
            a.mul_(decay).add_(p, alpha=1 - decay)
    if step % 100 == 99:
        samples = average.sample(200)
        near = torch.cdist(samples, centers).amin(1).mean().item()
        print(f"{step:3d} loss {loss.item():.3f}, samples are {near:.3f} from a centre")

assert near < 0.5
