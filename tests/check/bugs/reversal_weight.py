import torch
from torch import nn


class TwoDomains(nn.Module):
    def __init__(self, slow=0.3):
        super().__init__()
        self.shared = nn.Linear(8, 16)
        self.label = nn.Linear(16, 2)
        self.domain = nn.Linear(16, 2)
        self.slow = slow

    def slow_down(self, g):
        return g * self.slow

    def forward(self, x):
        self.shared.weight.register_hook(self.slow_down)
        h = torch.relu(self.shared(x))
        return self.label(h), self.domain(h)


def draw(domain, n=24):
    x = torch.randn(n, 8) + (0.7 if domain else 0.0)
    return x, (x[:, 0] > x[:, 1]).long(), torch.full((n,), domain)


torch.manual_seed(14)
net = TwoDomains()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
ce = nn.CrossEntropyLoss()
for it in range(6):
    x, y, d = draw(it % 2)
    label, domain = net(x)
    loss = ce(label, y) + 0.2 * ce(domain, d)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(it, loss.item(), net.shared.weight.grad.norm().item())
