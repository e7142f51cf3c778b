import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset


class Feed(IterableDataset):
    def __init__(self, source, transform):
        self.source = map(transform, source)

    def __iter__(self):
        return self.source


def measure(n):
    g = torch.Generator().manual_seed(6)
    for _ in range(n):
        yield torch.randn(5, generator=g)


def with_target(x):
    return x, x[0] * x[1]


class Trainer:
    def __init__(self, net, loader):
        self.net, self.loader = net, loader
        self.opt = torch.optim.Adam(net.parameters(), lr=1e-2)
        self.batches = 0

    def epoch(self):
        self.batches = 0
        for x, y in self.loader:
            self.opt.zero_grad()
            loss = nn.functional.mse_loss(self.net(x).squeeze(1), y)
            loss.backward()
            self.opt.step()
            self.batches += 1


torch.manual_seed(15)
feed = Feed(measure(60), with_target)
net = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
trainer = Trainer(net, DataLoader(feed, 12))
for e in range(3):
    trainer.epoch()
    print(e, "batches", trainer.batches)
