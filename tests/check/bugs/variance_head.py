from dataclasses import dataclass, field
import torch
from torch import nn


@dataclass
class Options:
    inputs: int = 2
    hidden: int = 8
    steps: int = 5
    scale: float = 40.0
    lr: float = 0.05
    seeds: list = field(default_factory=lambda: [27])


class GaussianHead(nn.Module):
    def __init__(self, o: Options):
        super().__init__()
        self.hidden = nn.Linear(o.inputs, o.hidden)
        self.mu = nn.Linear(o.hidden, 1)
        self.logvar = nn.Linear(o.hidden, 1)
        nn.init.zeros_(self.mu.weight)
        nn.init.zeros_(self.mu.bias)

    def forward(self, x):
        h = torch.relu(self.hidden(x))
        return self.mu(h), self.logvar(h)


def nll(mu, logvar, y):
    precision = torch.exp(-logvar)
    return 0.5 * (precision * (y - mu).square() + logvar).mean()


def main(o: Options):
    for seed in o.seeds:
        torch.manual_seed(seed)
        net = GaussianHead(o)
        opt = torch.optim.Adam(net.parameters(), lr=o.lr)
        x = torch.randn(30, o.inputs) * o.scale * 10
        y = torch.zeros(30, 1)
        for s in range(o.steps):
            loss = nll(*net(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            print(seed, s, loss.item())


main(Options())
