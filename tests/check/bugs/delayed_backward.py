import torch
from torch import nn


class Pipeline:
    """Overlap the next forward with the update of the one before."""

    def __init__(self, net, lr):
        self.net = net
        self.opt = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
        self.pending = None

    def feed(self, x, y):
        fresh = nn.functional.mse_loss(self.net(x), y)
        if self.pending is not None:
            self.opt.zero_grad()
            self.pending.backward()
            self.opt.step()
        done, self.pending = self.pending, fresh
        return None if done is None else done.item()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 14)
        self.last = nn.Linear(14, 1)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


torch.manual_seed(6)
pipe = Pipeline(Net(), lr=0.05)
for t in range(5):
    x = torch.randn(32, 4)
    value = pipe.feed(x, x[:, :1] * x[:, 1:2])
    print(t, value)
