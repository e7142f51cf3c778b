"""Exact GP regression: hyperparameters by the marginal likelihood."""

import math

import torch
from torch import nn


class GP(nn.Module):
    def __init__(self):
        super().__init__()
        self.log_length = nn.Parameter(torch.tensor(1.0))
        self.log_scale = nn.Parameter(torch.tensor(0.0))
        self.log_noise = nn.Parameter(torch.tensor(-1.0))

    def kernel(self, a, b):
        difference = a.unsqueeze(1) - b.unsqueeze(0)  # (N, 1) - (1, M)
        square = (difference / self.log_length.exp()) ** 2
        return self.log_scale.exp() * torch.exp(-0.5 * square)

    def factor(self, x):
        noise = self.log_noise.exp() + 1e-5
        return torch.linalg.cholesky(self.kernel(x, x) + noise * torch.eye(len(x)))

    def forward(self, x, y):
        L = self.factor(x)
        alpha = torch.cholesky_solve(y.unsqueeze(1), L)
        fit = 0.5 * (y.unsqueeze(0) @ alpha).squeeze()
        return fit + L.diagonal().log().sum() + 0.5 * len(x) * math.log(2 * math.pi)

    @torch.no_grad()
    def predict(self, x, y, z):
        L = self.factor(x)
        return (self.kernel(z, x) @ torch.cholesky_solve(y.unsqueeze(1), L)).squeeze(1)


torch.manual_seed(0)
x = torch.rand(40) * 6
y = torch.sin(2 * x) + 0.1 * torch.randn(40)
gp = GP()
optimizer = torch.optim.Adam(gp.parameters(), lr=0.05)
for step in range(100):
    optimizer.zero_grad()
    loss = gp(x, y)
    loss.backward()
    optimizer.step()

z = torch.linspace(0.5, 5.5, 50)
error = (gp.predict(x, y, z) - torch.sin(2 * z)).abs().mean().item()
print(f"-log p {loss.item():.2f}, length {gp.log_length.exp().item():.2f}, error {error:.3f}")
assert error < 0.15
