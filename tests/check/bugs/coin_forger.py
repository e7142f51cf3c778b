import torch
from torch import nn


def bce(p, label):
    return -(label * torch.log(p) + (1 - label) * torch.log(1 - p)).mean()


class Judge(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 16)
        self.b = nn.Linear(16, 1)

    def forward(self, coin):
        return torch.sigmoid(self.b(torch.relu(self.a(coin))))


class Forger(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, z):
        return self.net(z)


torch.manual_seed(26)
judge, forger = Judge(), Forger()
opt_j = torch.optim.Adam(judge.parameters(), lr=0.02)
opt_f = torch.optim.Adam(forger.parameters(), lr=1e-3)
for i in range(15):
    coins = 24 + torch.randn(16, 2) * 12
    fakes = forger(torch.randn(16, 4))
    j_loss = bce(judge(coins), torch.ones(16, 1)) + bce(judge(fakes.detach()), torch.zeros(16, 1))
    opt_j.zero_grad()
    j_loss.backward()
    opt_j.step()
    f_loss = bce(judge(fakes), torch.ones(16, 1))
    opt_f.zero_grad()
    f_loss.backward()
    opt_f.step()
    print(i, round(j_loss.item(), 4), round(f_loss.item(), 4))
