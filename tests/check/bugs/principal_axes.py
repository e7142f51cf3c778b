import torch
from torch import nn


class Frame(nn.Module):
    """Turns a point cloud into its own axes."""

    def __init__(self):
        super().__init__()
        self.stretch = nn.Parameter(torch.ones(3))

    def forward(self, points):
        p = points * self.stretch
        cov = p.transpose(1, 2) @ p / p.shape[1]
        _, axes = torch.linalg.eigh(cov)
        return (p @ axes).abs().mean(1)


def cubes(n):
    corner = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
    size = 1 + torch.rand(n, 1, 1)
    return corner * size, size.view(-1)


class Volume(nn.Module):
    def __init__(self):
        super().__init__()
        self.frame = Frame()
        self.mix = nn.Linear(3, 1)

    def forward(self, points):
        return self.mix(self.frame(points)).squeeze(1)


torch.manual_seed(3)
net = Volume()
opt = torch.optim.SGD(net.parameters(), lr=0.02)
for step in range(3):
    points, size = cubes(10)
    loss = (net(points) - size ** 3).abs().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, loss.item(), net.frame.stretch.tolist())
