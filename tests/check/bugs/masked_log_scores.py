import torch
from torch import nn


class Chooser(nn.Module):
    def __init__(self, board, moves):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(board, 20), nn.ReLU(), nn.Linear(20, moves))

    def forward(self, board, legal):
        p = self.net(board).softmax(-1) * legal
        return p / p.sum(-1, keepdim=True)


def soft_cross_entropy(p, target, legal):
    logs = torch.log(p)
    return -(target * logs * legal).sum(-1).mean()


def positions(n, g):
    board = torch.randn(n, 9, generator=g)
    legal = (torch.rand(n, 9, generator=g) < 0.7).float()
    legal[:, 4] = 1
    visits = torch.rand(n, 9, generator=g) * legal
    return board, legal, visits / visits.sum(-1, keepdim=True)


g = torch.Generator().manual_seed(4)
torch.manual_seed(4)
chooser = Chooser(9, 9)
opt = torch.optim.Adam(chooser.parameters(), lr=1e-2)
for game in range(3):
    board, legal, target = positions(24, g)
    loss = soft_cross_entropy(chooser(board, legal), target, legal)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(game, loss.item())
