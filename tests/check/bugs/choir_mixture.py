import math
import torch
from torch import nn


def log_total(scores):
    top = scores.amax(dim=-1, keepdim=True)
    shifted = scores - top
    return top.squeeze(-1) + shifted.exp().sum(-1).log()


class Mixture(nn.Module):
    def __init__(self, voices, dim):
        super().__init__()
        self.centre = nn.Parameter(torch.randn(voices, dim))
        self.log_width = nn.Parameter(torch.zeros(voices))

    def forward(self, x, allowed):
        gap = (x[:, None] - self.centre) / self.log_width.exp()[:, None]
        scores = -0.5 * gap.pow(2).sum(-1) - self.centre.shape[1] * self.log_width
        scores = scores.masked_fill(~allowed, -math.inf)
        return log_total(scores)


torch.manual_seed(1)
choir = Mixture(5, 2)
opt = torch.optim.Adam(choir.parameters(), lr=0.05)
x = torch.randn(60, 2)
allowed = torch.rand(60, 5) < 0.6
allowed[17] = False
for epoch in range(4):
    total = 0.0
    for idx in torch.randperm(60).split(20):
        nll = -choir(x[idx], allowed[idx]).mean()
        opt.zero_grad()
        nll.backward()
        opt.step()
        total += nll.item() * len(idx)
    print(epoch, total / 60)
