import torch
from torch import nn
import torch.nn.functional as F


class MaskNet(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, image):
        return self.last(F.relu(self.first(image)))


def discs(n, size=12):
    grid = torch.arange(size).float()
    c = torch.rand(n, 2) * size
    dx = grid[None, :, None] - c[:, 0, None, None]
    dy = grid[None, None] - c[:, 1, None, None]
    inside = (dx ** 2 + dy ** 2 < 9).float().unsqueeze(1)
    return inside + 0.3 * torch.randn_like(inside), inside


def dice(p, t, eps=1.0):
    return 1 - (2 * (p * t).sum() + eps) / (p.sum() + t.sum() + eps)


torch.manual_seed(10)
net = MaskNet()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for it in range(3):
    image, mask = discs(8)
    guess = net(image)
    loss = F.binary_cross_entropy(guess, mask) + dice(guess, mask)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(it, loss.item())
