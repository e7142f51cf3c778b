import torch
from torch import nn


class Cubic(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.d = 3 * x.square()
        return x ** 3

    @staticmethod
    def backward(ctx, g):
        return g * ctx.d


class Energy(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.a = nn.Linear(3, width)
        self.b = nn.Linear(width, 1)

    def forward(self, pos):
        return self.b(Cubic.apply(self.a(pos))).sum(-1)


def forces(model, pos):
    pos = pos.detach().requires_grad_()
    e = model(pos)
    (g,) = torch.autograd.grad(e.sum(), pos, create_graph=True)
    return e, -g


torch.manual_seed(4)
model = Energy()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for it in range(4):
    pos = torch.randn(20, 3)
    e, f = forces(model, pos)
    loss = (e - pos.square().sum(-1)).square().mean() + (f + 2 * pos).square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(it, loss.item())
