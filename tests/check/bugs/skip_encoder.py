import torch
from torch import nn
import torch.nn.functional as F


class Encoder(nn.Module):
    def __init__(self, width=10, depth=3):
        super().__init__()
        self.enter = nn.Linear(5, width)
        self.mixers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.leave = nn.Linear(width, 2)

    def forward(self, x):
        h = torch.exp(-self.enter(x).square())
        for mix in self.mixers:
            h += F.gelu(mix(h))
        return self.leave(h)


def spiral(n):
    t = torch.rand(n) * 6
    arm = torch.randint(0, 2, (n,))
    angle = t + arm * torch.pi
    p = torch.stack([t * angle.cos(), t * angle.sin()], 1)
    return torch.cat([p, p.square(), p.prod(1, keepdim=True)], 1), arm


torch.manual_seed(2)
enc = Encoder()
opt = torch.optim.Adam(enc.parameters(), lr=3e-3)
for epoch in range(3):
    x, arm = spiral(64)
    loss = F.cross_entropy(enc(x), arm)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(epoch, loss.item())
