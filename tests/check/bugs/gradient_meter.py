import torch
from torch import nn


class Meter:
    def __init__(self, net):
        self.first = []
        self.norms = {}
        for name, p in net.named_parameters():
            p.register_hook(self.watch(name, p))

    def watch(self, name, p):
        def read(_):
            if p.grad is None:
                self.first.append(p.grad)
            else:
                self.norms[name] = p.grad.norm().item()
        return read


class Ranker(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(7, 12)
        self.out = nn.Linear(12, 1, bias=False)

    def forward(self, a, b):
        s = [self.out(torch.tanh(self.inp(v))).squeeze(1) for v in (a, b)]
        return s[0] - s[1]


torch.manual_seed(15)
net = Ranker()
meter = Meter(net)
opt = torch.optim.SGD(net.parameters(), lr=0.3)
opt.zero_grad()
for step in range(4):
    a, b = torch.randn(30, 7), torch.randn(30, 7)
    loss = nn.functional.softplus(-net(a, b) * (a.sum(1) - b.sum(1)).sign()).mean()
    loss.backward()
    opt.step()
    print(step, round(loss.item(), 4), {k: round(v, 4) for k, v in meter.norms.items()})
    opt.zero_grad(set_to_none=False)
