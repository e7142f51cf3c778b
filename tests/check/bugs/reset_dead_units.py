import torch
from torch import nn


class Scorer(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.second = nn.Linear(16, 1)

    def forward(self, x):
        self.seen = torch.relu(self.first(x))
        return self.second(self.seen)


def revive(layer, activity, floor=1e-3):
    quiet = activity < floor
    w = layer.weight.detach().clone()
    if quiet.any():
        w[quiet] = torch.randn(int(quiet.sum()), w.shape[1]) * 0.3
    layer.weight = nn.Parameter(w)
    return int(quiet.sum())


torch.manual_seed(17)
net = Scorer()
with torch.no_grad():
    net.first.bias[:4] = -9.0
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
x = torch.randn(40, 8)
y = x[:, :1].abs()
for step in range(8):
    loss = nn.functional.mse_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step == 2:
        n = revive(net.first, net.seen.detach().mean(0))
        print("revived", n)
    print(step, f"{loss.item():.4f}")
