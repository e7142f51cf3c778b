import time
import torch
from torch import nn


class Stopwatch:
    def __init__(self, budget):
        self.budget = budget
        self.calls = 0

    def forward_time(self, net, x):
        torch.set_grad_enabled(False)
        start = time.perf_counter()
        net(x)
        taken = time.perf_counter() - start
        self.calls += 1
        if self.calls >= self.budget:
            return taken
        torch.set_grad_enabled(True)
        return taken


class Grid(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        return self.out(torch.relu(self.conv(x)).amax((2, 3)))


torch.manual_seed(18)
net, watch = Grid(), Stopwatch(budget=2)
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(5):
    x = torch.randn(10, 1, 6, 6)
    loss = nn.functional.cross_entropy(net(x), (x.amax((1, 2, 3)) > 2.4).long())
    opt.zero_grad()
    loss.backward()
    opt.step()
    if watch.calls < watch.budget:
        took = watch.forward_time(net, x)
    print(step, round(loss.item(), 4), took < 5)
