from collections import defaultdict
import torch
from torch import nn


class Recorder:
    """Keeps what the named layers put out, to look at later."""

    def __init__(self, net, names):
        self.kept = defaultdict(list)
        for name, module in net.named_modules():
            if name in names:
                module.register_forward_hook(self.hook(name))

    def hook(self, name):
        def save(module, args, output):
            self.kept[name].append(output)
        return save


torch.manual_seed(22)
net = nn.Sequential(nn.Linear(8, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 2))
recorder = Recorder(net, {"1", "3"})
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for step in range(30):
    x = torch.randn(100, 8)
    loss = nn.functional.cross_entropy(net(x), (x.sum(1) > 0).long())
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 10 == 9:
        active = (recorder.kept["1"][-1] > 0).float().mean()
        print(step, f"loss {loss.item():.3f} active {active.item():.2f}")
