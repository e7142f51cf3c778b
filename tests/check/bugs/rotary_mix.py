import torch
from torch import nn


class Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, angle, half):
        a, b = x[..., :half], x[..., half:]
        c, s = angle.cos(), angle.sin()
        ctx.save_for_backward(x, angle)
        ctx.half = half
        return torch.cat([a * c - b * s, a * s + b * c], dim=-1)

    @staticmethod
    def backward(ctx, g):
        x, angle = ctx.saved_tensors
        h = ctx.half
        a, b, ga, gb = x[..., :h], x[..., h:], g[..., :h], g[..., h:]
        c, s = angle.cos(), angle.sin()
        dx = torch.cat([ga * c + gb * s, gb * c - ga * s], dim=-1)
        dangle = (ga * (-a * s - b * c) + gb * (a * c - b * s)).flatten(0, -2).sum(0)
        return dx, dangle


class Query(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.angle = nn.Parameter(torch.zeros(dim // 2))
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        return Rotate.apply(self.proj(x), self.angle, x.shape[-1] // 2)


torch.manual_seed(2)
q = Query(8)
opt = torch.optim.SGD(q.parameters(), lr=0.1)
for step in range(2):
    x = torch.randn(5, 8)
    loss = (q(x) - x.roll(1, 1)).abs().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, loss.item())
