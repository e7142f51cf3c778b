import torch
from torch import nn


class Solver:
    """Fits dx/dt = f(x) by unrolled Euler steps."""

    def __init__(self, net, lr=1e-3, clip=0.5):
        self.net = net
        self.clip = clip
        self.opt = torch.optim.SGD(net.parameters(), lr=lr)

    def unroll(self, x, n, dt=0.1):
        out = []
        for _ in range(n):
            x = x + dt * self.net(x)
            out.append(x)
        return torch.stack(out)

    def step(self, start, truth):
        self.opt.zero_grad()
        loss = (self.unroll(start, len(truth)) - truth).square().mean()
        loss.backward()
        self.opt.step()
        size = nn.utils.clip_grad_norm_(self.net.parameters(), self.clip)
        return loss.item(), size.item()


def lotka(x, n, dt=0.1):
    out = []
    for _ in range(n):
        a, b = x.unbind(1)
        x = x + dt * torch.stack([a - 0.5 * a * b, 0.5 * a * b - b], 1)
        out.append(x)
    return torch.stack(out)


torch.manual_seed(7)
solver = Solver(nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 2)))
for k in range(5):
    start = torch.rand(16, 2) * 3 + 1
    print(k, solver.step(start, lotka(start, 12)))
