import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Deep(nn.Module):
    def __init__(self, i: int, h: int, o: int, lean: bool = True):
        super().__init__()
        self.first = nn.Linear(i, h)
        self.mid = nn.Sequential(nn.Linear(h, h), nn.Dropout(0.5), nn.GELU(), nn.Linear(h, h))
        self.last = nn.Linear(h, o)
        self.lean = lean

    def forward(self, x):
        h = torch.relu(self.first(x))
        if self.lean:
            h = checkpoint(self.mid, h, use_reentrant=False, preserve_rng_state=False)
        else:
            h = self.mid(h)
        return self.last(h)


def epoch(net, opt, x, y):
    total = 0.0
    for rows in torch.arange(len(x)).split(25):
        loss = nn.functional.cross_entropy(net(x[rows]), y[rows])
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        total += loss.item()
    return total


torch.manual_seed(10)
x = torch.randn(75, 12)
y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
net = Deep(12, 30, 3)
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for e in range(3):
    print(e, epoch(net, opt, x, y))
