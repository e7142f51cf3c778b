import gc
import weakref
import torch
from torch import nn


class Ramp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, sharp):
        out = torch.sigmoid(sharp * x)
        ctx.sharp = sharp
        ctx.cache = {"out": out}
        return out

    @staticmethod
    def backward(ctx, g):
        out = ctx.cache["out"]
        return g * ctx.sharp * out * (1 - out), None


class Soft(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(16, 32)
        self.b = nn.Linear(32, 1)

    def forward(self, x):
        return self.b(Ramp.apply(self.a(x), 4.0))


def live(n):
    refs = []
    for _ in range(n):
        out = Ramp.apply(torch.randn(4, requires_grad=True), 2.0)
        refs.append(weakref.ref(out))
        del out
    return sum(r() is not None for r in refs)


torch.manual_seed(23)
net = Soft()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
gc.disable()
for step in range(20):
    x = torch.randn(256, 16)
    loss = (net(x) - x[:, :1].sign()).square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 5 == 4:
        print(step, loss.item())
gc.enable()
