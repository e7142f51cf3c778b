"""A normalizing flow: affine couplings with bounded log-scales, exact likelihood."""

import math

import torch
from torch import nn


class Coupling(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)
        self.net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 4))
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def parameters_of(self, x):
        s, t = self.net(x * self.mask).chunk(2, dim=1)
        free = 1 - self.mask
        return 2 * torch.tanh(s / 2) * free, t * free

    def forward(self, x):
        s, t = self.parameters_of(x)
        return x * s.exp() + t, s.sum(1)

    def inverse(self, y):
        s, t = self.parameters_of(y)
        return (y - t) * (-s).exp()


class Flow(nn.Module):
    def __init__(self, depth=4):
        super().__init__()
        masks = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])]
        self.couplings = nn.ModuleList(Coupling(masks[i % 2]) for i in range(depth))

    def log_prob(self, x):
        logdet = x.new_zeros(len(x))
        for coupling in self.couplings:
            x, ld = coupling(x)
            logdet = logdet + ld
        return logdet - 0.5 * x.square().sum(1) - math.log(2 * math.pi)

    @torch.no_grad()
    def sample(self, n):
        x = torch.randn(n, 2)
        for coupling in reversed(self.couplings):
            x = coupling.inverse(x)
        return x


torch.manual_seed(0)
flow = Flow()
optimizer = torch.optim.Adam(flow.parameters(), lr=5e-3)
losses = []
for step in range(150):
    x = torch.randn(128, 1)
    data = torch.cat([x, x.square() - 1 + 0.2 * torch.randn_like(x)], 1)
    loss = -flow.log_prob(data).mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
    optimizer.step()
    losses.append(loss.item())

samples = flow.sample(2000)
print(f"{losses[0]:.3f} -> {losses[-1]:.3f}, mean of the samples {samples.mean(0).tolist()}")
assert losses[-1] < losses[0] - 0.6 and samples.isfinite().all()
