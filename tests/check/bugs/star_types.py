import torch
from torch import nn

TYPES = "OBAFGKM"


class Catalogue:
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        self.colour = torch.rand(n, 4, generator=g)
        self.kinds = (self.colour[:, 0] * len(TYPES)).long() + 1

    def shuffled(self, size):
        order = torch.randperm(len(self.kinds))
        for part in order.split(size):
            yield self.colour[part], self.kinds[part]


def fit(net, catalogue, epochs):
    loss_fn = nn.CrossEntropyLoss(label_smoothing=0.05)
    opt = torch.optim.RAdam(net.parameters(), lr=1e-2)
    for epoch in range(epochs):
        for colour, target in catalogue.shuffled(30):
            loss = loss_fn(net(colour), target)
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(epoch, loss.item())


torch.manual_seed(23)
net = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, len(TYPES)))
fit(net, Catalogue(120, seed=3), epochs=2)
