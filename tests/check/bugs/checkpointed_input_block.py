import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Profile(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.front = nn.Sequential(nn.Linear(n, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU())
        self.middle = nn.Linear(20, 20)
        self.back = nn.Linear(20, 2)

    def forward(self, x):
        h = checkpoint(self.front, x, use_reentrant=True)
        h = checkpoint(self.run_middle, h, use_reentrant=False)
        return self.back(h)

    def run_middle(self, h):
        return torch.relu(self.middle(h)) + h


torch.manual_seed(11)
net = Profile(9)
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
crit = nn.CrossEntropyLoss()
for step in range(4):
    x = torch.randn(40, 9)
    loss = crit(net(x), (x[:, 0] > x[:, 1]).long())
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, loss.item())
