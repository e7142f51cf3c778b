import torch
from torch import nn


class Tap:
    def __init__(self, module):
        self.value = None
        self.handle = module.register_forward_hook(self.grab)

    def grab(self, module, inputs, output):
        self.value = output.detach()
        return self.value


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.front = nn.Linear(6, 10)
        self.mid = nn.Linear(10, 10)
        self.end = nn.Linear(10, 3)

    def forward(self, x):
        x = torch.relu(self.front(x))
        x = torch.relu(self.mid(x))
        return self.end(x)


torch.manual_seed(13)
net = Net()
tap = Tap(net.mid)
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(5):
    x = torch.randn(48, 6)
    y = x[:, :3].argmax(1)
    loss = nn.functional.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, round(loss.item(), 4), "mean feature", round(tap.value.mean().item(), 4))
