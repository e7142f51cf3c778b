"""ReZero: every block is the identity at the start."""

import torch
from torch import nn


class ReZero(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.alpha * self.body(x)


torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 24), *(ReZero(24) for _ in range(5)), nn.Linear(24, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
x = torch.randn(256, 3)
y = (x[:, :1] * 2).sin() + x[:, 1:2].abs()
losses, zeros = [], []
for step in range(100):
    loss = nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    zeros.append(sum(not p.grad.any() for p in net.parameters()))
    optimizer.step()
    losses.append(loss.item())

alphas = [round(block.alpha.item(), 3) for block in net[1:-1]]
print(f"{losses[0]:.3f} -> {losses[-1]:.3f}, alphas {alphas}, zero gradients {zeros[:3]}")
assert zeros[0] == 20 and zeros[-1] == 0
assert losses[-1] < 0.2 * losses[0]
