import torch
from torch import nn
import torch.nn.functional as F


def reverse(t, strength=1.0):
    t.register_hook(lambda g: -strength * g)
    return t


class DomainNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = nn.Linear(8, 12)
        self.label = nn.Linear(12, 2)
        self.domain = nn.Linear(12, 2)

    def forward(self, x):
        h = torch.tanh(self.shared(x))
        out = self.label(h), self.domain(reverse(h))
        self.h_hooks = len(h._backward_hooks)
        return out


def source(n):
    d = torch.randint(0, 2, (n,))
    x = torch.randn(n, 8) + d[:, None] * 0.5
    return x, (x[:, :4].sum(1) > x[:, 4:].sum(1)).long(), d


torch.manual_seed(11)
net = DomainNet()
opt = torch.optim.SGD(net.parameters(), lr=0.2)
seen = []
for it in range(8):
    x, y, d = source(128)
    label, domain = net(x)
    label_loss = F.cross_entropy(label, y)
    loss = label_loss + 0.05 * F.cross_entropy(domain, d)
    opt.zero_grad()
    loss.backward()
    opt.step()
    seen.append(label_loss.item())
print([round(v, 4) for v in seen])
