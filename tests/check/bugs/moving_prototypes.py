import torch
from torch import nn


class Prototypes(nn.Module):
    def __init__(self, n_in, dim, kinds, keep=0.9):
        super().__init__()
        self.embed = nn.Linear(n_in, dim)
        self.register_buffer("centres", torch.randn(kinds, dim))
        self.keep = keep

    def forward(self, x, y=None):
        z = self.embed(x)
        far = (z[:, None] * self.centres).sum(-1) - 0.5 * self.centres.square().sum(-1)
        if self.training and y is not None:
            with torch.no_grad():
                for k in y.unique():
                    here = z[y == k].mean(0)
                    self.centres[k].mul_(self.keep).add_(here, alpha=1 - self.keep)
        return far


torch.manual_seed(5)
proto = Prototypes(6, 4, 3)
opt = torch.optim.SGD(proto.parameters(), lr=0.05)
for step in range(3):
    x = torch.randn(36, 6)
    y = x[:, :3].argmax(1)
    loss = nn.functional.cross_entropy(proto(x, y), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, loss.item())
