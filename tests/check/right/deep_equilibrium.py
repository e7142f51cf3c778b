"""A deep equilibrium layer: forward under no_grad, one step with a graph, implicit gradient."""

import torch
from torch import nn


class Cell(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.w = nn.Linear(width, width)
        self.u = nn.Linear(width, width, bias=False)
        with torch.no_grad():
            self.w.weight.mul_(0.5)

    def forward(self, z, x):
        return torch.tanh(self.w(z) + self.u(x))


def solve(f, z, iterations=40, tolerance=1e-5):
    for _ in range(iterations):
        following = f(z)
        if (following - z).norm() < tolerance * (1 + z.norm()):
            return following
        z = following
    return z


class DEQ(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.cell = Cell(width)

    def forward(self, x):
        with torch.no_grad():
            z = solve(lambda z: self.cell(z, x), torch.zeros_like(x))
        z = self.cell(z, x)
        if not z.requires_grad:
            return z
        z0 = z.detach().requires_grad_()
        f0 = self.cell(z0, x.detach())

        def implicit(grad):
            def step(g):
                return torch.autograd.grad(f0, z0, g, retain_graph=True)[0] + grad

            return solve(step, grad)

        z.register_hook(implicit)
        return z


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 16), DEQ(16), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
losses = []
for step in range(60):
    x = torch.randn(64, 3)
    loss = nn.functional.mse_loss(model(x), x[:, :1] * x[:, 1:2].sign())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

print(f"{sum(losses[:5]) / 5:.3f} -> {sum(losses[-5:]) / 5:.3f}")
assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
